import { RunnerError } from "../../errors.ts";
import { WORKFLOW_ID } from "../definition/file_schemas.ts";
import { goJson } from "../definition/json.ts";

/** Which code may be trusted with the definitions of a pull request. */
export interface Policy {
  /** Profile of what runs from the trusted tree. */
  readonly profile: string;
  /** Rules under which definitions of the pull request itself are used. */
  readonly rules: readonly PolicyRule[];
  /** The policy in the one form that all its spellings share. */
  readonly canonical: string;
}

/** A rule of a policy. */
export interface PolicyRule {
  /** Id of the rule. */
  readonly id: string;
  /** Subjects, one of which the actor must have; any without them. */
  readonly actors: readonly string[];
  /** Subjects, one of which must have approved; none needed without them. */
  readonly approval: readonly string[];
  /** Patterns of base branches; all without them. */
  readonly baseBranches: readonly string[];
  /** Events; all without them. */
  readonly events: readonly string[];
  /** Where the code comes from. */
  readonly headRepository: string;
  /** Patterns of the files that may define and be changed. */
  readonly paths: readonly string[];
  /** Ids of the workflows that the rule is about. */
  readonly workflows: readonly string[];
  /** What is used when the rule holds. */
  readonly use: PolicyUse;
}

/** What a rule grants. */
export interface PolicyUse {
  /** Execution profile. */
  readonly profile: string;
  /** Class of workers. */
  readonly workers: string;
  /** Jobs that keep their trusted definition. */
  readonly baseNodes: readonly BaseNodes[];
}

/** Jobs that keep their trusted definition, with rights of their own. */
export interface BaseNodes {
  /** Names of the jobs. */
  readonly nodes: readonly string[];
  /** Execution profile. */
  readonly profile: string;
  /** Class of workers. */
  readonly workers: string;
}

/** Name of a job that a policy may name. */
const NODE = /^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$/;

/** Who may be an actor; approvals may come of a `project_owner`, too. */
const SUBJECT =
  /^(repository_write|(vcs_user|vcs_team|reactorcide_group):.+)$/s;

/** A path below the root, in which stars may stand. */
const PATH = /^(?!.*(^|\/)\.{0,2}(\/|$))[^\\\0]+$/s;

/**
 * Reads a CI policy.
 *
 * @param text The policy as JSON.
 * @returns The policy, with defaults filled in.
 * @throws {RunnerError} `invalid-config`, with the first thing that is wrong.
 */
export function readPolicy(text: string): Policy {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new RunnerError("Cannot use the CI policy: it is not valid JSON", {
      code: "invalid-config",
      cause,
    });
  }
  const top = new PolicyReader(value, "the policy");
  if (top.value("version") !== 1) top.fail("version", "must be 1");
  const defaults = top.object("defaults");
  defaults.word("ci_source", ["base"], "base");
  const profile = defaults.text("profile", "standard");
  defaults.end();
  const rules = top.list("head_ci").map(readRule);
  top.end();
  checkUnique(top, rules.map(({ id }) => id), "rule");
  checkUnique(top, rules.flatMap(({ workflows }) => workflows), "workflow");
  return { profile, rules, canonical: canonicalText(profile, rules) };
}

/**
 * Finds the revision of a policy, by which the coordinator knows it.
 *
 * @param policy Policy.
 * @returns SHA-256 of its canonical form, in hexadecimal.
 */
export async function policyRevision({ canonical }: Policy): Promise<string> {
  const bytes = new TextEncoder().encode(canonical);
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
}

function readRule(rule: PolicyReader): PolicyRule {
  const actors = rule.object("actors");
  const approval = rule.object("approval");
  const use = rule.object("use");
  const read = {
    id: rule.text("id", undefined, WORKFLOW_ID),
    actors: actors.texts("any", SUBJECT),
    approval: approval.texts(
      "any",
      new RegExp(`^project_owner$|${SUBJECT.source}`, "s"),
    ),
    baseBranches: rule.texts("base_branches"),
    events: rule.texts("events"),
    headRepository: rule.word(
      "head_repository",
      ["same", "fork", "any"],
      "same",
    ),
    paths: rule.someTexts("paths", PATH),
    workflows: rule.someTexts("workflows", WORKFLOW_ID),
    use: readUse(use),
  };
  for (const reader of [rule, actors, approval, use]) reader.end();
  const nodes = read.use.baseNodes.flatMap(({ nodes }) => nodes);
  checkUnique(rule, nodes, "node");
  return read;
}

function readUse(use: PolicyReader): PolicyUse {
  use.word("ci_source", ["head"]);
  return {
    profile: use.text("profile"),
    workers: use.text("workers"),
    baseNodes: use.list("base_nodes").map((grant) => {
      grant.word("ci_source", ["base"]);
      const nodes = {
        nodes: grant.someTexts("nodes", NODE),
        profile: grant.text("profile"),
        workers: grant.text("workers"),
      };
      grant.end();
      return nodes;
    }),
  };
}

function checkUnique(
  reader: PolicyReader,
  names: readonly string[],
  what: string,
): void {
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice !== undefined) reader.fail(`${what} "${twice}"`, "occurs twice");
}

function canonicalText(profile: string, rules: readonly PolicyRule[]): string {
  return goJson({
    version: 1,
    defaults: { ci_source: "base", profile },
    head_ci: rules.map(({ use, ...rule }) => ({
      actors: { any: rule.actors },
      approval: { any: rule.approval },
      base_branches: rule.baseBranches,
      events: rule.events,
      head_repository: rule.headRepository,
      id: rule.id,
      paths: rule.paths,
      workflows: rule.workflows,
      use: {
        ci_source: "head",
        profile: use.profile,
        workers: use.workers,
        ...use.baseNodes.length === 0 ? {} : {
          base_nodes: use.baseNodes.map((grant) => ({
            ci_source: "base",
            nodes: grant.nodes,
            profile: grant.profile,
            workers: grant.workers,
          })),
        },
      },
    })),
  });
}

/** Reads an object of a policy key by key, and overlooks none. */
export class PolicyReader {
  readonly #members: Map<string, unknown>;
  readonly #place: string;

  /**
   * Creates a reader of an object.
   *
   * @param value The object; nothing is an empty one.
   * @param place Where it is, for messages.
   * @throws {RunnerError} `invalid-config`, if it is not an object.
   */
  constructor(value: unknown, place: string) {
    this.#place = place;
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      this.fail(place, "must be an object");
    }
    this.#members = new Map(Object.entries(value));
  }

  /**
   * Takes a value of any kind.
   *
   * @param key Key.
   * @returns The value; `undefined` if there is none.
   */
  value(key: string): unknown {
    const value = this.#members.get(key);
    this.#members.delete(key);
    return value;
  }

  /**
   * Takes a text.
   *
   * @param key Key.
   * @param fallback Text if there is none; without it there must be one.
   * @param pattern What the text must match.
   * @returns The text.
   */
  text(key: string, fallback?: string, pattern: RegExp = /./s): string {
    const value = this.value(key) ?? fallback;
    if (typeof value === "string" && pattern.test(value)) return value;
    return this.fail(key, `must be a string that matches ${pattern}`);
  }

  /**
   * Takes one of a few words.
   *
   * @param key Key.
   * @param words The words.
   * @param fallback Word if there is none.
   * @returns The word.
   */
  word(key: string, words: readonly string[], fallback?: string): string {
    const value = this.value(key) ?? fallback;
    const word = words.find((allowed) => allowed === value);
    return word ?? this.fail(key, `must be ${words.join(" or ")}`);
  }

  /**
   * Takes a list of texts.
   *
   * @param key Key.
   * @param pattern What each must match.
   * @returns The texts; none if there is no list.
   */
  texts(key: string, pattern: RegExp = /./s): string[] {
    const list = this.value(key) ?? [];
    const isRight = Array.isArray(list) &&
      list.every((item) => typeof item === "string" && pattern.test(item));
    return isRight
      ? list
      : this.fail(key, `must be a list of strings that match ${pattern}`);
  }

  /**
   * Takes a list of texts that must not be empty.
   *
   * @param key Key.
   * @param pattern What each must match.
   * @returns The texts.
   */
  someTexts(key: string, pattern: RegExp): string[] {
    const texts = this.texts(key, pattern);
    return texts.length > 0 ? texts : this.fail(key, "must not be empty");
  }

  /**
   * Takes an object.
   *
   * @param key Key.
   * @returns Its reader; that of an empty one if there is none.
   */
  object(key: string): PolicyReader {
    return new PolicyReader(this.value(key) ?? {}, `${this.#place}.${key}`);
  }

  /**
   * Takes a list of objects.
   *
   * @param key Key.
   * @returns Their readers.
   */
  list(key: string): PolicyReader[] {
    const list = this.value(key) ?? [];
    if (!Array.isArray(list)) return this.fail(key, "must be a list");
    return list.map((item, at) =>
      new PolicyReader(item, `${this.#place}.${key}[${at}]`)
    );
  }

  /** Fails if there is a key that was not taken: a rule may not be overlooked. */
  end(): void {
    for (const key of this.#members.keys()) this.fail(key, "is unknown");
  }

  /**
   * Fails.
   *
   * @param key What is wrong.
   * @param problem Why, worded to follow its name.
   * @throws {RunnerError} `invalid-config`, always.
   */
  fail(key: string, problem: string): never {
    throw new RunnerError(
      `Cannot use the CI policy: ${key} of ${this.#place} ${problem}`,
      { code: "invalid-config" },
    );
  }
}
