import { RunnerError } from "../../errors.ts";
import { sha256Hex } from "../../fs/files.ts";
import { goJson } from "../../json_value.ts";
import { list } from "../../schema/collections.ts";
import { mapped, mapping, type Schema } from "../../schema/combinators.ts";
import { jsonChoice, jsonString } from "../../schema/copy_json.ts";
import type { DocumentNode } from "../../schema/document.ts";
import { policyGlob } from "../../schema/globs.ts";
import { type FileKind, Problems } from "../../schema/problems.ts";
import { parseJsonText } from "../../schema/read_document.ts";
import { WORKFLOW_ID_RULE } from "../definition/file_schemas.ts";

/** Policy that decides which pull requests may use their own definitions. */
export interface Policy {
  /** Execution profile of trusted definitions. */
  readonly profile: string;
  /** Rules that allow definitions of a pull request. */
  readonly rules: readonly PolicyRule[];
  /** The policy as canonical JSON. */
  readonly canonical: string;
}

/** A rule of a policy. */
interface PolicyRule {
  /** ID of the rule. */
  readonly id: string;
  /** Subjects, one of which the actor must belong to; empty for any actor. */
  readonly actors: readonly string[];
  /** Subjects, one of which must approve; empty if no approval is required. */
  readonly approval: readonly string[];
  /** Patterns of base branches; empty for all. */
  readonly baseBranches: readonly string[];
  /** Events; empty for all. */
  readonly events: readonly string[];
  /** Whether the code may come from the same repository, a fork, or any. */
  readonly headRepository: string;
  /** Patterns that must match all files of the definition and all changes. */
  readonly paths: readonly string[];
  /** IDs of the workflows that the rule applies to. */
  readonly workflows: readonly string[];
  /** Permissions if the rule matches. */
  readonly use: PolicyUse;
}

/** Permissions that a rule grants. */
interface PolicyUse {
  /** Execution profile. */
  readonly profile: string;
  /** Class of workers. */
  readonly workers: string;
  /** Jobs that keep their trusted definition. */
  readonly baseNodes: readonly BaseNodes[];
}

/** Jobs that keep their trusted definition, with their own permissions. */
export interface BaseNodes {
  /** Names of the jobs. */
  readonly nodes: readonly string[];
  /** Execution profile. */
  readonly profile: string;
  /** Class of workers. */
  readonly workers: string;
}

const POLICY: FileKind = {
  words: "the CI policy in",
  code: "invalid-config",
};

const filled = jsonString({ rule: { pattern: /[^]/, words: "not be empty" } });

const workflowId = jsonString({ rule: WORKFLOW_ID_RULE });

const jobName = jsonString({
  rule: {
    pattern: /^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$/,
    words: "consist of up to 128 letters, digits, dashes and underscores",
  },
});

const path = jsonString({
  rule: {
    pattern: /^(?!.*(^|\/)\.{0,2}(\/|$))[^\\\0]+$/s,
    words: "be a path or a pattern of paths below the root",
  },
});

const SUBJECT =
  /^(repository_write|(vcs_user|vcs_team|reactorcide_group):.+)$/s;

const SUBJECT_WORDS =
  "be repository_write, vcs_user:NAME, vcs_team:NAME or reactorcide_group:NAME";

const actor = jsonString({ rule: { pattern: SUBJECT, words: SUBJECT_WORDS } });

const approver = jsonString({
  rule: {
    pattern: new RegExp(`^project_owner$|${SUBJECT.source}`, "s"),
    words: `be project_owner, or ${SUBJECT_WORDS}`,
  },
});

/** Keys for the profile and the workers of jobs. */
const EXECUTION = {
  profile: {
    key: "profile",
    description: "Execution profile of the jobs.",
    schema: filled,
    isRequired: true,
  },
  workers: {
    key: "workers",
    description: "Class of the workers that run the jobs.",
    schema: filled,
    isRequired: true,
  },
} as const;

const baseNodes: Schema<BaseNodes> = mapping<
  BaseNodes & { ciSource: "base" }
>("Trusted jobs", {
  ciSource: {
    key: "ci_source",
    description: "The trusted tree defines the jobs.",
    schema: jsonChoice(["base"]),
    isRequired: true,
  },
  nodes: {
    key: "nodes",
    description: "Names of the jobs.",
    schema: list(jobName, { minimum: 1 }),
    isRequired: true,
  },
  ...EXECUTION,
});

const use: Schema<PolicyUse> = mapped(
  mapping<Partial<PolicyUse> & { ciSource: "head" }>("Use", {
    ciSource: {
      key: "ci_source",
      description: "The pull request defines the jobs.",
      schema: jsonChoice(["head"]),
      isRequired: true,
    },
    ...EXECUTION,
    baseNodes: {
      key: "base_nodes",
      description: "Jobs that keep their trusted definition.",
      schema: list(baseNodes),
    },
  }),
  ({ profile = "", workers = "", baseNodes = [] }, node) => {
    checkUnique(node, baseNodes.flatMap(({ nodes }) => nodes ?? []), "node");
    return { profile, workers, baseNodes };
  },
);

/** Content of a rule, whose lists are optional. */
interface RuleContent extends Omit<Partial<PolicyRule>, "actors" | "approval"> {
  readonly actors?: { readonly any?: readonly string[] };
  readonly approval?: { readonly any?: readonly string[] };
}

const rule: Schema<PolicyRule> = mapped(
  mapping<RuleContent>("Rule", {
    id: {
      key: "id",
      description: "Id of the rule.",
      schema: workflowId,
      isRequired: true,
    },
    actors: {
      key: "actors",
      description: "Who may change the definitions.",
      schema: subjects(actor),
    },
    approval: {
      key: "approval",
      description: "Who must have approved the change.",
      schema: subjects(approver),
    },
    baseBranches: {
      key: "base_branches",
      description: "Patterns of the branches that a pull request is for.",
      schema: list(filled),
    },
    events: {
      key: "events",
      description: "Types of events.",
      schema: list(filled),
    },
    headRepository: {
      key: "head_repository",
      description: "Whether the code comes from the repository or a fork.",
      schema: jsonChoice(["same", "fork", "any"]),
      defaultValue: "same",
    },
    paths: {
      key: "paths",
      description: "Patterns of the files that define the workflow.",
      schema: list(path, { minimum: 1 }),
      isRequired: true,
    },
    workflows: {
      key: "workflows",
      description: "Ids of the workflows.",
      schema: list(workflowId, { minimum: 1 }),
      isRequired: true,
    },
    use: {
      key: "use",
      description: "Permissions that the rule grants.",
      schema: use,
      isRequired: true,
    },
  }),
  (
    {
      id = "",
      actors = {},
      approval = {},
      baseBranches = [],
      events = [],
      headRepository = "same",
      paths = [],
      workflows = [],
      use = { profile: "", workers: "", baseNodes: [] },
    },
  ) => ({
    id,
    actors: actors.any ?? [],
    approval: approval.any ?? [],
    baseBranches,
    events,
    headRepository,
    paths,
    workflows,
    use,
  }),
);

/** Content of a policy. */
interface PolicyContent {
  readonly version: 1;
  readonly defaults?: {
    readonly ciSource?: "base";
    readonly profile?: string;
  };
  readonly rules?: readonly PolicyRule[];
}

const policySchema: Schema<PolicyContent> = mapping("CI policy", {
  version: {
    key: "version",
    description: "Version of the format.",
    schema: {
      jsonSchema: () => ({ const: 1 }),
      parse: (node) =>
        node.value === 1 ? node.value : void node.report("must be 1"),
    },
    isRequired: true,
  },
  defaults: {
    key: "defaults",
    description: "Permissions of the definitions in the trusted tree.",
    schema: mapping("Defaults", {
      ciSource: {
        key: "ci_source",
        description: "The trusted tree defines the jobs.",
        schema: jsonChoice(["base"]),
      },
      profile: {
        key: "profile",
        description: "Execution profile of the jobs.",
        schema: filled,
        defaultValue: "standard",
      },
    }),
  },
  rules: {
    key: "head_ci",
    description:
      "Rules under which the definitions of a pull request are used.",
    schema: list(rule),
  },
});

/**
 * Reads a CI policy.
 *
 * @param name Name of the file, for messages.
 * @returns The policy, with defaults filled in.
 * @throws {RunnerError} `invalid-config`, with all problems and their
 * positions.
 */
export async function readPolicy(text: string, name: string): Promise<Policy> {
  const problems = new Problems(name, POLICY);
  const document = parseJsonText(text, name, problems, POLICY);
  const { defaults, rules = [] } = policySchema.parse(document) ?? {};
  checkUnique(document, rules.map(({ id }) => id), "rule");
  checkUnique(document, rules.flatMap((rule) => rule.workflows), "workflow");
  await problems.throwIfAny(text);
  const { profile = "standard" } = defaults ?? {};
  return { profile, rules, canonical: encodePolicy(profile, rules) };
}

/**
 * Computes the revision by which the coordinator identifies a policy.
 *
 * @returns SHA-256 of its canonical JSON, in hexadecimal.
 */
export async function policyRevision({ canonical }: Policy): Promise<string> {
  return await sha256Hex(canonical);
}

function subjects(
  subject: Schema<string>,
): Schema<{ readonly any?: readonly string[] }> {
  return mapping("Subjects", {
    any: {
      key: "any",
      description: "Subjects, one of which must match.",
      schema: list(subject),
    },
  });
}

function checkUnique(
  node: DocumentNode,
  names: readonly string[],
  label: string,
): void {
  const duplicate = names.find((name, at) => names.indexOf(name) !== at);
  if (duplicate !== undefined) {
    node.report(`names ${label} "${duplicate}" twice`);
  }
}

function encodePolicy(profile: string, rules: readonly PolicyRule[]): string {
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

/** Input of {@linkcode decide}. */
export interface DecisionFacts {
  /** ID of the workflow. */
  readonly workflowId: string;
  /** Files that define the workflow. */
  readonly dependencyPaths: readonly string[];
  /** Files of CI definitions that have changed. */
  readonly changedCiPaths: readonly string[];
  /** Type of the event. */
  readonly event: string;
  /** Target branch of the changes. */
  readonly baseBranch: string;
  /** Whether the code comes from a fork. */
  readonly relation: "same" | "fork";
  /** Subjects that the actor belongs to. */
  readonly actorSubjects: readonly string[];
  /** Approvals. */
  readonly approvals: readonly Approval[];
  /** Values that an approval must match. */
  readonly approved: {
    readonly headSha: string;
    readonly baseSha: string;
    readonly policyRevision: string;
  };
  /** Time of the decision, in milliseconds since 1970. */
  readonly now: number;
}

/** An approval, with the keys of the protocol. */
export interface Approval {
  /** Values as the coordinator wrote them. */
  readonly [key: string]: unknown;
}

/** Permission to use the definitions of a pull request. */
export interface Grant extends PolicyUse {
  /** ID of the first matching rule. */
  readonly ruleId: string;
  /** ID of the approval that the rule requires; `null` if it requires none. */
  readonly approvalId: string | null;
}

/**
 * Decides whether the definition of a workflow in a pull request may be used.
 *
 * @returns The grant; `undefined` if the trusted definition must be used.
 * @throws {RunnerError} `invalid-config` if matching rules conflict.
 */
export function decide(
  policy: Policy,
  facts: DecisionFacts,
): Grant | undefined {
  const { dependencyPaths, changedCiPaths, workflowId } = facts;
  const dependencies = new Set(dependencyPaths);
  if (!changedCiPaths.some((path) => dependencies.has(path))) return undefined;
  const rules = policy.rules.filter((rule) => ruleMatches(rule, facts));
  if (rules.length === 0) return undefined;
  const [{ id, use, approval }] = rules;
  if (new Set(rules.map(({ use }) => encodeUse(use))).size > 1) {
    const names = rules.map(({ id }) => id).join(", ");
    throw new RunnerError(
      `Cannot use the CI policy: rules ${names} disagree on workflow "${workflowId}"`,
      { code: "invalid-config" },
    );
  }
  const approvalId = approval.length === 0
    ? null
    : findApproval(approval, facts, use)!.approval_id as string;
  return { ...use, ruleId: id, approvalId };
}

function ruleMatches(rule: PolicyRule, facts: DecisionFacts): boolean {
  const { event, baseBranch, relation, actorSubjects } = facts;
  const globs = rule.paths.map(policyGlob);
  const isCovered = (path: string) => globs.some((matches) => matches(path));
  return rule.workflows.includes(facts.workflowId) &&
    facts.dependencyPaths.every(isCovered) &&
    facts.changedCiPaths.every(isCovered) &&
    isEmptyOr(rule.events, (type) => type === event) &&
    isEmptyOr(rule.baseBranches, (glob) => policyGlob(glob)(baseBranch)) &&
    ["any", relation].includes(rule.headRepository) &&
    isEmptyOr(rule.actors, (subject) => actorSubjects.includes(subject)) &&
    (rule.approval.length === 0 ||
      findApproval(rule.approval, facts, rule.use) !== undefined);
}

function findApproval(
  subjects: readonly string[],
  { approvals, approved, workflowId, now }: DecisionFacts,
  { profile }: PolicyUse,
): Approval | undefined {
  return approvals.find((approval) =>
    typeof approval.approval_id === "string" && approval.approval_id !== "" &&
    subjects.includes(String(approval.approver_subject)) &&
    approval.head_sha === approved.headSha &&
    approval.base_sha === approved.baseSha &&
    approval.policy_revision === approved.policyRevision &&
    ["*", workflowId].includes(String(approval.workflow_scope)) &&
    approval.execution_profile === profile && !approval.invalidated_at &&
    isInFuture(approval.expires_at, now)
  );
}

function isInFuture(time: unknown, now: number): boolean {
  if (time === undefined || time === null || time === "") return true;
  // An invalid time counts as past, because comparisons with NaN are false.
  return Date.parse(String(time)) > now;
}

function isEmptyOr(
  list: readonly string[],
  test: (member: string) => boolean,
): boolean {
  return list.length === 0 || list.some(test);
}

function encodeUse({ profile, workers, baseNodes }: PolicyUse): string {
  return goJson({
    profile,
    workers,
    baseNodes: baseNodes.map((grant) => ({ ...grant })),
  });
}
