import { messageOf } from "../../errors.ts";
import type {
  JobDefinition,
  WorkflowDefinition,
} from "../definition/definition.ts";
import type { Filters } from "../definition/filters.ts";
import { explainJobs } from "../job_conditions.ts";
import { localJob } from "../local/local_job.ts";
import {
  type CodePlace,
  type EvalEvent,
  type PlannedWorkflow,
  planTrusted,
  type PolicyViolation,
  type StartDecision,
  wireWorkflow,
} from "./planned_workflow.ts";
import {
  type Approval,
  type BaseNodes,
  decide,
  type Grant,
  type Policy,
} from "./policy.ts";

/** Files of the policy, which do not belong to workflows. */
const POLICY_FILES = /^\.reactorcide\/(policy\.yaml$|policies\/)/;

// A document can have up to 8 MiB. These limits leave room for the trusted
// workflows.

/** Maximum size of all definitions of a pull request, in bytes. */
const MAX_HEAD_BYTES = 4 * 1024 * 1024;

/** Maximum size of each list, changed files and violations, in bytes. */
const MAX_LIST_BYTES = 1024 * 1024;

/** Facts about a pull request. */
export interface PullRequestFacts {
  /** Workflows of the pull request, with unique IDs. */
  readonly head: readonly WorkflowDefinition[];
  /**
   * If set, no definitions of the pull request are used, for this reason and
   * regardless of the policy.
   */
  readonly refusal?: string;
  /** Author of the change. */
  readonly actor: string;
  /** Subjects that the actor belongs to. */
  readonly actorSubjects: readonly string[];
  /** Approvals. */
  readonly approvals: readonly Approval[];
  /** Time of the evaluation, in milliseconds since 1970. */
  readonly now: number;
}

/** Input of {@linkcode planPullRequest}. */
export interface PullRequestInput extends PullRequestFacts {
  /** The event. */
  readonly event: EvalEvent;
  /** Policy; without one, no change is allowed. */
  readonly policy: Policy | undefined;
  /** Revision of the policy. */
  readonly policyRevision: string;
  /** Trusted workflows. */
  readonly base: readonly WorkflowDefinition[];
  /** Changed files. */
  readonly changedFiles: readonly string[];
  /** Checks whether the event starts a workflow. */
  readonly isStarted: (filters: Filters) => boolean;
}

/** Result of {@linkcode planPullRequest}. */
export interface PullRequestPlan {
  /** Workflows, including those that the event does not start. */
  readonly workflows: readonly PlannedWorkflow[];
  /** New workflows of the pull request that are not used. */
  readonly refused: readonly StartDecision[];
  /** Changes that the policy does not allow. */
  readonly violations: readonly PolicyViolation[];
}

/**
 * Decides for each workflow whether to use its trusted definition or the one in
 * the pull request.
 *
 * A pull request cannot prevent trusted jobs from starting: if its definition
 * cannot replace the trusted one for any reason, the trusted one runs, and the
 * changed files are reported as violations. The trusted definition alone
 * determines which events start a workflow.
 *
 * @throws {RunnerError} `invalid-config` if rules of the policy conflict.
 */
export function planPullRequest(input: PullRequestInput): PullRequestPlan {
  const { base, head, event } = input;
  const changedCiPaths = ciPaths(input.changedFiles);
  const shared = findSharedPaths(input, changedCiPaths);
  const heads = new Map(head.map((theirs) => [theirs.id, theirs]));
  const bases = new Map(base.map((ours) => [ours.id, ours]));
  const workflows: PlannedWorkflow[] = [];
  const refused: StartDecision[] = [];
  const budget = new ByteBudget(MAX_HEAD_BYTES);
  const violations = new Violations(input);
  for (const id of [...bases.keys(), ...findNewIds(input, bases)]) {
    const [ours, theirs] = [bases.get(id), heads.get(id)];
    const { dependencyPaths: definitionPaths } = (theirs ?? ours)!;
    const dependencies = new Set([...definitionPaths, ...shared]);
    const affected = changedCiPaths.filter((path) => dependencies.has(path));
    const isChanged = affected.length > 0 && input.isStarted((ours ?? theirs)!);
    const planned = isChanged
      ? planHead(
        { ours, theirs, dependencyPaths: [...dependencies], changedCiPaths },
        input,
        budget,
      )
      : undefined;
    if (typeof planned === "string") violations.add(affected, id, planned);
    if (typeof planned === "object") workflows.push(planned);
    else if (ours !== undefined) {
      workflows.push({
        ...planTrusted(ours, event, input),
        ...planned === undefined ? {} : {
          note: `the trusted definition is used because ${planned}`,
        },
      });
    } else {
      const { sourceFile, jobs } = theirs!;
      refused.push({
        name: id,
        sourceFile,
        jobs,
        origin: "head",
        isStarted: false,
        reason: planned ?? "the event does not start it",
      });
    }
  }
  // A rule that allows one workflow covers every changed file.
  if (!workflows.some(({ origin }) => origin === "head")) {
    violations.add(
      changedCiPaths.filter((path) => !violations.has(path)),
      "",
      "no workflow uses it",
    );
  }
  return { workflows, refused, violations: violations.list };
}

/** Collects changes that are not allowed, as many as fit in the document. */
class Violations {
  readonly list: PolicyViolation[] = [];
  readonly #reported = new Set<string>();
  readonly #budget = new ByteBudget(MAX_LIST_BYTES);
  readonly #input: PullRequestInput;

  constructor(input: PullRequestInput) {
    this.#input = input;
  }

  has(path: string): boolean {
    return this.#reported.has(path);
  }

  add(paths: readonly string[], workflowId: string, rule: string): void {
    const { actor, event } = this.#input;
    for (const path of paths) {
      const violation = {
        path,
        workflow_id: workflowId,
        actor,
        rule,
        base_sha: event.ciSourceRef,
        head_sha: event.sourceRef,
      };
      if (!this.#budget.spend(violation)) continue;
      this.#reported.add(path);
      this.list.push(violation);
    }
  }
}

/**
 * Returns the changed files that define CI. Files of the policy do not count,
 * because the coordinator has its own copy.
 *
 * @returns Files below `.reactorcide`.
 */
export function ciPaths(changedFiles: readonly string[]): string[] {
  return changedFiles.filter((path) =>
    path.startsWith(".reactorcide/") && !POLICY_FILES.test(path)
  );
}

/**
 * Drops changed files that do not fit in a document. The coordinator decides by
 * the list that it receives, so definitions of a pull request are not used if a
 * file is missing from it.
 *
 * @param changedCiPaths All changed files that define CI.
 * @returns The first files that fit.
 */
export function reportedPaths(changedCiPaths: readonly string[]): string[] {
  const budget = new ByteBudget(MAX_LIST_BYTES);
  const end = changedCiPaths.findIndex((path) => !budget.spend(path));
  return changedCiPaths.slice(0, end < 0 ? changedCiPaths.length : end);
}

/**
 * Returns changed files that no workflow declares as a dependency. Any workflow
 * may use them.
 */
function findSharedPaths(
  { base, head }: PullRequestInput,
  changedCiPaths: readonly string[],
): string[] {
  const claimed = new Set(
    [...base, ...head].flatMap(({ dependencyPaths }) => dependencyPaths),
  );
  return changedCiPaths.filter((path) => !claimed.has(path));
}

/** Returns the IDs of new workflows that the policy lists. */
function findNewIds(
  { head, policy }: PullRequestInput,
  bases: ReadonlyMap<string, unknown>,
): string[] {
  const listed = new Set(policy?.rules.flatMap(({ workflows }) => workflows));
  return head.filter(({ id, hasOwnId }) =>
    hasOwnId && !bases.has(id) && listed.has(id)
  ).map(({ id }) => id);
}

/** Both definitions of a workflow, and the changed files. */
interface Candidate {
  readonly ours: WorkflowDefinition | undefined;
  readonly theirs: WorkflowDefinition | undefined;
  /** Files that define it. */
  readonly dependencyPaths: readonly string[];
  /** All changed files of CI definitions. */
  readonly changedCiPaths: readonly string[];
}

/**
 * Returns the workflow as the pull request defines it, or why it cannot be
 * used.
 */
function planHead(
  candidate: Candidate,
  input: PullRequestInput,
  budget: ByteBudget,
): PlannedWorkflow | string {
  const { changedCiPaths, ours, theirs } = candidate;
  if (input.refusal !== undefined) return input.refusal;
  if (reportedPaths(changedCiPaths).length < changedCiPaths.length) {
    return "too many files have changed";
  }
  const grant = findGrant(candidate, input);
  if (grant === undefined) return "no rule of the policy allows the change";
  const authority = new Map<string, BaseNodes>(
    grant.baseNodes.flatMap((nodes) =>
      nodes.nodes.map((name) => [name, nodes])
    ),
  );
  const trustedJobs = (ours?.jobs ?? []).filter(({ name }) =>
    authority.has(name)
  );
  if (trustedJobs.length < authority.size) {
    return "the trusted workflow does not have a job that the policy lists";
  }
  if (theirs === undefined) {
    return "the pull request deletes the workflow, or its definition is invalid";
  }
  if (!theirs.hasOwnId) {
    return "the pull request sets no id for the workflow";
  }
  if (ours === undefined && hasTrustedName(theirs, input)) {
    return "it has the same name as a trusted workflow";
  }
  const jobs = withTrusted(theirs.jobs, trustedJobs);
  const workflow: PlannedWorkflow = {
    definition: {
      ...theirs,
      // Check results are reported under this name, so it must not change.
      name: (ours ?? theirs).name,
      jobs,
      dependencyPaths: candidate.dependencyPaths,
    },
    filters: ours ?? theirs,
    origin: "head",
    ci: locateHead(input.event),
    grant: { ...grant, policyRevision: input.policyRevision },
    authority,
    isSkipped: false,
    note:
      `the definition of the pull request is used by rule "${grant.ruleId}"`,
  };
  // An invalid definition in a pull request must not abort the evaluation.
  try {
    return checkWorkflow(workflow, ours?.jobs ?? [], input.event, budget) ??
      workflow;
  } catch (error) {
    return `the definition of the pull request is invalid: ${messageOf(error)}`;
  }
}

/** Returns why a definition that the policy allows cannot be used. */
function checkWorkflow(
  workflow: PlannedWorkflow,
  trustedJobs: readonly JobDefinition[],
  event: EvalEvent,
  budget: ByteBudget,
): string | undefined {
  const tooLarge = "the definitions of the pull request are too large";
  const { definition, authority } = workflow;
  if (!budget.hasRoomFor(definition)) return tooLarge;
  // If the coordinator rejects one job, it rejects the whole document.
  if (!budget.spend(wireWorkflow(workflow, event))) return tooLarge;
  const [before, after] = [trustedJobs, definition.jobs].map(rateJobs);
  const blockedJob = [...authority.keys()].find((name) =>
    after.get(name)! < before.get(name)!
  );
  return blockedJob === undefined
    ? undefined
    : `it would prevent the trusted job "${blockedJob}" from running`;
}

/**
 * Rates each job: 2 if it runs when all others succeed, 1 if it runs only after
 * a failure, 0 if it never runs.
 */
function rateJobs(
  jobs: readonly JobDefinition[],
): ReadonlyMap<string, number> {
  const explanations = explainJobs(
    jobs.map((job) => ({ ...localJob(job), disableRunLocal: false })),
  );
  return new Map(
    explanations.map(({ name, status }) => [
      name,
      status === "skipped" ? 0 : status === "maybe" ? 1 : 2,
    ]),
  );
}

function findGrant(
  { ours, theirs, dependencyPaths, changedCiPaths }: Candidate,
  input: PullRequestInput,
): Grant | undefined {
  const { policy, event, policyRevision } = input;
  if (policy === undefined) return undefined;
  return decide(policy, {
    ...input,
    workflowId: (ours ?? theirs)!.id,
    dependencyPaths,
    changedCiPaths,
    event: event.type,
    baseBranch: event.baseRef || event.prBaseRef || event.branch,
    relation: event.isForkPr === "true" ? "fork" : "same",
    approved: {
      headSha: event.sourceRef,
      baseSha: event.ciSourceRef,
      policyRevision,
    },
  });
}

/** A new workflow must not report check results under a trusted name. */
function hasTrustedName(
  { name }: WorkflowDefinition,
  { base }: PullRequestInput,
): boolean {
  return base.some((ours) => ours.name.trim() === name.trim());
}

function locateHead({ headUrl, sourceUrl, sourceRef }: EvalEvent): CodePlace {
  return { url: headUrl || sourceUrl, ref: sourceRef };
}

function withTrusted(
  jobs: readonly JobDefinition[],
  trustedJobs: readonly JobDefinition[],
): JobDefinition[] {
  const byName = new Map(trustedJobs.map((job) => [job.name, job]));
  const names = new Set(jobs.map(({ name }) => name));
  return [
    ...jobs.map((job) => byName.get(job.name) ?? job),
    ...trustedJobs.filter(({ name }) => !names.has(name))
      .sort((a, b) => a.name < b.name ? -1 : 1),
  ];
}

/**
 * Limits the size of the content that a pull request adds to a document.
 *
 * Values are measured before they are serialized: with YAML aliases, a small
 * file can expand to more text than fits in memory.
 */
class ByteBudget {
  #remaining: number;

  /**
   * Creates an unused budget.
   *
   * @param bytes Maximum size as JSON.
   */
  constructor(bytes: number) {
    this.#remaining = bytes;
  }

  /**
   * Checks whether a value fits.
   *
   * @param value Plain data without cycles.
   */
  hasRoomFor(value: unknown): boolean {
    return subtractSize(value, this.#remaining) >= 0;
  }

  /**
   * Subtracts the size of a value if it fits.
   *
   * @param value Plain data without cycles.
   */
  spend(value: unknown): boolean {
    const remaining = subtractSize(value, this.#remaining);
    if (remaining >= 0) this.#remaining = remaining;
    return remaining >= 0;
  }
}

/**
 * Subtracts the size of a value as JSON; stops as soon as the result is
 * negative.
 */
function subtractSize(value: unknown, bytes: number): number {
  // For quotes or brackets, and separators.
  let remaining = bytes - 4;
  if (typeof value === "string") {
    if (remaining < value.length) return -1;
    return remaining - new TextEncoder().encode(JSON.stringify(value)).length;
  }
  if (typeof value !== "object" || value === null) {
    return remaining - String(value).length;
  }
  for (const [key, member] of Object.entries(value)) {
    if (!Array.isArray(value)) remaining = subtractSize(key, remaining);
    if (remaining < 0) return -1;
    remaining = subtractSize(member, remaining);
    if (remaining < 0) return -1;
  }
  return remaining;
}
