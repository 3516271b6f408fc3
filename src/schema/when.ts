/**
 * Conditions on the event of a job, for steps and jobs of workflows.
 *
 * 1. Each part checks one fact. All parts must be met.
 * 2. A part is met if the fact matches one of its patterns, and none below
 *    `not`.
 * 3. A part with an unknown fact is not met, even if it has only `not`: nothing
 *    is deployed because a fact could not be determined.
 * 4. A fact that is known to be absent, such as the branch of a tag, matches no
 *    pattern.
 *
 * @module
 */
import type { Environment } from "../environment/variables.ts";
import { RunnerError } from "../errors.ts";
import { isObject } from "../json_value.ts";
import { didYouMean, listed, suggest } from "../suggest.ts";
import { dictionary, listOrOne, VARIABLE_KEYS } from "./collections.ts";
import { byShape, mapping, type Schema } from "./combinators.ts";
import { anyGlob, eventGlob } from "./globs.ts";
import {
  ANY_TEXT,
  FILLED_TEXT,
  filledText,
  text,
  type TextRule,
} from "./scalars.ts";

/** Types of repository events; the coordinator sends no others. */
export const EVENT_TYPES = [
  "push",
  "pull_request_opened",
  "pull_request_updated",
  "pull_request_merged",
  "pull_request_closed",
  "tag_created",
] as const;

/** Type of a repository event. */
export type EventType = (typeof EVENT_TYPES)[number];

/** Condition on a fact: one pattern, several patterns, or `any` and `not`. */
export type Match =
  | string
  | readonly string[]
  | {
    /** Patterns, one of which must match; without them, any value matches. */
    readonly any?: string | readonly string[];
    /** Patterns, none of which may match. */
    readonly not?: string | readonly string[];
  };

/** Parts of a condition on the event of a job. */
export interface WhenParts {
  /** Patterns of the branch that was pushed; a pull request has none. */
  readonly branch?: Match;
  /** Patterns of the tag. */
  readonly tag?: Match;
  /** Types of the event, or patterns of them. */
  readonly event?: Match;
  /** Patterns of changed files; one file must match `any` and not `not`. */
  readonly paths?: Match;
  /** Values of variables, without patterns. */
  readonly env?: Readonly<Record<string, Match>>;
}

/**
 * A condition on the event of a job: all parts are met, and none below `not`.
 */
export interface When extends WhenParts {
  /** Parts, none of which may match. */
  readonly not?: WhenParts;
}

/** Known facts about the event of a job. */
export interface EventFacts {
  /** Branch; `null` if there is none, `undefined` if it is unknown. */
  readonly branch?: string | null;
  /** Tags of the commit; empty if the event is not a tag, `undefined` if unknown. */
  readonly tags?: readonly string[];
  /** Type of the event, such as `push`; `undefined` if it is unknown. */
  readonly event?: string;
  /** Changed files; `undefined` if they are unknown. */
  readonly changedFiles?: readonly string[];
  /** Why facts are unknown or absent, by their names. */
  readonly reasons: Readonly<
    Partial<Record<"branch" | "tag" | "event" | "paths", string>>
  >;
}

/**
 * Finds the reason why a condition does not hold.
 *
 * @param env Variables of the step or job.
 * @returns The part that does not hold, and why; `undefined` if all hold.
 */
export function whenReason(
  when: When,
  facts: EventFacts,
  env: Environment,
): string | undefined {
  for (const { name, problem } of checkParts(when, facts, env)) {
    if (problem !== undefined) return `when.${name}: ${problem}`;
  }
  for (const result of checkParts(when.not ?? {}, facts, env)) {
    const { name, problem, isUnknown } = result;
    if (isUnknown) return `when.not.${name}: ${problem}`;
    if (problem === undefined) return `when.not.${name} holds`;
  }
  return undefined;
}

/**
 * Checks whether a condition depends on changed files, which take time to find.
 */
export function usesPaths(when: When | undefined): boolean {
  return when?.paths !== undefined || when?.not?.paths !== undefined;
}

/**
 * Finds the problem of a condition that is not from a file. It accepts what a
 * file may contain, and nothing else: a part that was ignored would be met.
 */
export function whenProblem(when: unknown): string | undefined {
  if (!isObject(when)) return "must be an object";
  const { not, ...parts } = when;
  if (not !== undefined && !isObject(not)) return "not must be an object";
  return partsProblem(parts) ?? partsProblem(not ?? {});
}

const PARTS = ["branch", "tag", "event", "paths", "env"];

function partsProblem(parts: Record<string, unknown>): string | undefined {
  const unknown = Object.keys(parts).find((name) => !PARTS.includes(name));
  if (unknown !== undefined) return `must not have the key "${unknown}"`;
  const { env = {}, ...facts } = parts;
  if (!isObject(env)) return "env must be an object";
  for (const [name, match] of Object.entries(facts)) {
    const problem = matchProblem(match, FILLED_TEXT);
    if (problem !== undefined) return `${name} ${problem}`;
  }
  for (const [name, match] of Object.entries(env)) {
    const problem = VARIABLE_KEYS.pattern.test(name)
      ? matchProblem(match, ANY_TEXT)
      : `must be ${VARIABLE_KEYS.words}`;
    if (problem !== undefined) return `env.${name} ${problem}`;
  }
  for (const pattern of facts.event ? listPatterns(facts.event as Match) : []) {
    const problem = eventProblem(pattern);
    if (problem !== undefined) return `event ${problem}`;
  }
  return undefined;
}

interface PartResult {
  /** Path of the part. */
  readonly name: string;
  /** Why it does not hold. */
  readonly problem: string | undefined;
  /** Whether it does not hold because the fact is unknown. */
  readonly isUnknown: boolean;
}

function* checkParts(
  { branch, tag, event, paths, env: variables = {} }: WhenParts,
  { reasons, ...facts }: EventFacts,
  env: Environment,
): Generator<PartResult> {
  const unknown = (fact: string, key: keyof typeof reasons) =>
    `the ${fact} unknown` +
    (reasons[key] === undefined ? "" : `: ${reasons[key]}`);
  if (branch !== undefined) {
    yield checkPart(
      "branch",
      facts.branch,
      unknown("branch is", "branch"),
      () =>
        valueProblem(
          "branch",
          facts.branch === null ? [] : [facts.branch!],
          branch,
          reasons.branch,
        ),
    );
  }
  if (tag !== undefined) {
    yield checkPart(
      "tag",
      facts.tags,
      unknown("tag is", "tag"),
      () => valueProblem("tag", facts.tags!, tag, reasons.tag),
    );
  }
  if (event !== undefined) {
    yield checkPart(
      "event",
      facts.event,
      unknown("event is", "event"),
      () => valueProblem("event", [facts.event!], event),
    );
  }
  if (paths !== undefined) {
    const fact = unknown("changed files are", "paths");
    yield checkPart(
      "paths",
      facts.changedFiles,
      fact,
      () => pathProblem(facts.changedFiles!, paths),
    );
  }
  for (const [name, match] of Object.entries(variables)) {
    const value = Object.hasOwn(env, name) ? env[name] : undefined;
    yield {
      name: `env.${name}`,
      problem: variableProblem(value, match),
      isUnknown: false,
    };
  }
}

function checkPart(
  name: string,
  fact: unknown,
  unknown: string,
  problem: () => string | undefined,
): PartResult {
  return fact === undefined
    ? { name, problem: unknown, isUnknown: true }
    : { name, problem: problem(), isUnknown: false };
}

function valueProblem(
  what: string,
  values: readonly string[],
  match: Match,
  absence?: string,
): string | undefined {
  const { any, not = [] } = splitMatch(match);
  const named = values.map((value) => JSON.stringify(value)).join(" or ");
  if (any !== undefined && !values.some(anyGlob(any))) {
    return values.length === 0
      ? `the run has no ${what}` +
        (absence === undefined ? "" : ` (${absence})`)
      : `the ${what} is ${named}, not ${listed(any)}`;
  }
  if (values.some(anyGlob(not))) {
    return `the ${what} is ${named}, which is excluded`;
  }
  return undefined;
}

function pathProblem(
  files: readonly string[],
  match: Match,
): string | undefined {
  const { any = ["**"], not = [] } = splitMatch(match);
  if (files.length === 0) return "no files have changed";
  const [isIncluded, isExcluded] = [anyGlob(any), anyGlob(not)];
  if (files.some((file) => isIncluded(file) && !isExcluded(file))) {
    return undefined;
  }
  const excluded = not.length === 0 ? "" : ` (without ${listed(not)})`;
  return `none of ${files.length} changed files matches ${
    listed(any)
  }${excluded}`;
}

/** The value may be a secret, so no message contains it. */
function variableProblem(
  value: string | undefined,
  match: Match,
): string | undefined {
  const { any, not = [] } = splitMatch(match);
  if (any !== undefined && (value === undefined || !any.includes(value))) {
    return value === undefined
      ? "the variable is not set"
      : `the value is not ${listed(any.map((one) => JSON.stringify(one)))}`;
  }
  return value !== undefined && not.includes(value)
    ? `the excluded value is ${listed(not.map((one) => JSON.stringify(one)))}`
    : undefined;
}

/** An empty list of patterns matches nothing. */
function splitMatch(
  match: Match,
): { any: readonly string[] | undefined; not: readonly string[] | undefined } {
  const side = (value: string | readonly string[] | undefined) =>
    typeof value === "string" ? [value] : value;
  if (typeof match === "string" || isList(match)) {
    return { any: side(match), not: undefined };
  }
  return { any: side(match.any), not: side(match.not) };
}

function listPatterns(match: Match): readonly string[] {
  const { any = [], not = [] } = splitMatch(match);
  return [...any, ...not];
}

function isList(match: Match): match is readonly string[] {
  return Array.isArray(match);
}

function matchProblem(value: unknown, rule: TextRule): string | undefined {
  const sides = isObject(value) ? Object.entries(value) : [["any", value]];
  const isMatch = sides.length > 0 &&
    sides.every(([key]) => key === "any" || key === "not") &&
    sides.every(([, side]) => typeof side === "string" || Array.isArray(side));
  const values = isMatch ? sides.flatMap(([, side]) => side) : [undefined];
  if (values.some((one) => typeof one !== "string")) {
    return "must be a string, a list or { any, not }";
  }
  if (sides.some(([, side]) => Array.isArray(side) && side.length === 0)) {
    return "must not have an empty list";
  }
  return values.every((one) => rule.pattern.test(one as string))
    ? undefined
    : `must ${rule.words}`;
}

function eventProblem(pattern: string): string | undefined {
  if (EVENT_TYPES.some(eventGlob(pattern))) return undefined;
  const near = suggest(pattern, EVENT_TYPES);
  return `"${pattern}" matches none of the events ${EVENT_TYPES.join(", ")}` +
    didYouMean(near);
}

/** A part without a value would be met by everything. */
const NEEDS_VALUES = { needsValues: true };

const patterns = listOrOne(
  "be a string or a list of strings",
  filledText,
  { minimum: 1 },
);

const values = listOrOne("be a string or a list of strings", text(), {
  minimum: 1,
});

function matchSchema(side: Schema<readonly string[]>): Schema<Match> {
  const sides = mapping<{ any?: readonly string[]; not?: readonly string[] }>(
    "Match",
    {
      any: {
        key: "any",
        schema: side,
        description: "Values, one of which must match.",
      },
      not: {
        key: "not",
        schema: side,
        description: "Values, none of which may match.",
      },
    },
    NEEDS_VALUES,
  );
  return byShape<Match>(
    "be a string, a list of strings, or a mapping with any and not",
    {
      scalar: side,
      list: side,
      mapping: {
        ...sides,
        parse(node) {
          if (node.entries?.length === 0) node.report("must have any or not");
          return sides.parse(node);
        },
      },
    },
  );
}

const match = matchSchema(patterns);

const event: Schema<Match> = {
  ...match,
  parse(node) {
    const parsed = match.parse(node);
    for (const pattern of parsed === undefined ? [] : listPatterns(parsed)) {
      const problem = eventProblem(pattern);
      if (problem !== undefined) {
        node.explain(() => `${node.label}: ${problem}`);
      }
    }
    return parsed;
  },
};

const PART_KEYS = {
  branch: {
    key: "branch",
    schema: match,
    description: "Patterns of the branch; a pull request has none.",
  },
  tag: { key: "tag", schema: match, description: "Patterns of the tag." },
  event: {
    key: "event",
    schema: event,
    description: `Events: ${EVENT_TYPES.join(", ")}, or patterns of them.`,
  },
  paths: {
    key: "paths",
    schema: match,
    description: "Patterns of changed files, such as src/**.",
  },
  env: {
    key: "env",
    schema: dictionary(matchSchema(values), "map names to values", {
      keys: VARIABLE_KEYS,
    }),
    description: "Values of variables.",
  },
};

/** Description of the key `when` of a step or a job. */
export const WHEN_DESCRIPTION =
  "Condition on the event: branch, tag, event, paths and env must match; parts below not must not match.";

/** Schema of a condition on the event of a job. */
export const when: Schema<When> = mapping<When>("When", {
  ...PART_KEYS,
  not: {
    key: "not",
    schema: mapping<WhenParts>("Not", PART_KEYS, NEEDS_VALUES),
    description: "Parts, none of which may match.",
  },
}, NEEDS_VALUES);

/**
 * Parses the type of an event.
 *
 * @param text Value of an option or a variable.
 * @throws {RunnerError} `invalid-config` for any other text.
 */
export function parseEventType(text: string): EventType {
  const type = EVENT_TYPES.find((known) => known === text);
  if (type !== undefined) return type;
  throw new RunnerError(
    `Cannot use event ${JSON.stringify(text)}: it must be one of ${
      EVENT_TYPES.join(", ")
    }`,
    { code: "invalid-config" },
  );
}
