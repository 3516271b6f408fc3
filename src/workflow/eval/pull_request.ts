import { messageOf, RunnerError } from "../../errors.ts";
import type {
  Filters,
  JobDefinition,
  WorkflowDefinition,
} from "../definition/definition.ts";
import { type Approval, decide, type Grant } from "./decide.ts";
import type { EvalEvent } from "./eval_event.ts";
import {
  type PlannedWorkflow,
  type PolicyViolation,
  trusted,
} from "./planned_workflow.ts";
import { ByteBudget } from "./byte_budget.ts";
import type { BaseNodes, Policy } from "./policy.ts";
import { wireWorkflow } from "./wire_workflow.ts";

/** Files that say what may be changed are no files of a workflow. */
const POLICY_FILES = /^\.reactorcide\/(policy\.yaml$|policies\/)/;

// A document takes 8 MiB. What a pull request adds leaves room for the trusted
// workflows.

/** Most bytes of all definitions of a pull request. */
const MAX_HEAD_BYTES = 4 * 1024 * 1024;

/** Most bytes of the changed files, and of the violations. */
const MAX_LIST_BYTES = 1024 * 1024;

/** What is known of a pull request. */
export interface PullRequestFacts {
  /** Workflows of the pull request itself, of ids that no other one has. */
  readonly head: readonly WorkflowDefinition[];
  /** Revision of the policy. */
  readonly policyRevision: string;
  /** Who made the change. */
  readonly actor: string;
  /** What the actor is. */
  readonly actorSubjects: readonly string[];
  /** Approvals that were given. */
  readonly approvals: readonly Approval[];
  /** Time of the evaluation, in milliseconds since 1970. */
  readonly now: number;
}

/** What a decision about a pull request is made of. */
export interface PullRequestInput extends PullRequestFacts {
  /** What happened. */
  readonly event: EvalEvent;
  /** Policy; `undefined` if there is none, and nothing is allowed. */
  readonly policy: Policy | undefined;
  /** Trusted workflows. */
  readonly base: readonly WorkflowDefinition[];
  /** Changed files. */
  readonly changedFiles: readonly string[];
  /** Checks whether the event starts a workflow. */
  readonly isStarted: (filters: Filters) => boolean;
}

/** What a pull request runs. */
export interface PullRequestPlan {
  /** Workflows, whether the event starts them or not. */
  readonly workflows: readonly PlannedWorkflow[];
  /** Changes that the policy does not allow. */
  readonly violations: readonly PolicyViolation[];
}

/**
 * Decides for each workflow whether its trusted definition is used, or that of
 * the pull request.
 *
 * No change of a pull request makes fewer trusted jobs start than the trusted
 * definitions alone: where its own definition cannot take the place of the
 * trusted one, for whatever reason, the trusted one runs, and the changed files
 * are violations. Which events start a workflow is up to the trusted one.
 *
 * @param input Definitions, policy and changed files.
 * @returns Workflows and violations.
 * @throws {RunnerError} `invalid-config`, if rules of the policy disagree.
 */
export function planPullRequest(input: PullRequestInput): PullRequestPlan {
  const { base, event, actor, isStarted } = input;
  const changedCiPaths = ciPaths(input.changedFiles);
  const isListed = reportedPaths(changedCiPaths).length ===
    changedCiPaths.length;
  const shared = sharedPaths(input, changedCiPaths);
  const heads = new Map(input.head.map((head) => [head.id, head]));
  const bases = new Map(base.map((own) => [own.id, own]));
  const authorised = new Set<string>();
  const violations: PolicyViolation[] = [];
  const budget = new ByteBudget(MAX_HEAD_BYTES);
  const reportBudget = new ByteBudget(MAX_LIST_BYTES);
  const violate = (path: string, workflowId: string, rule: string) => {
    const violation = {
      path,
      workflow_id: workflowId,
      actor,
      rule,
      base_sha: event.ciSourceRef,
      head_sha: event.sourceRef,
    };
    if (reportBudget.take(violation)) violations.push(violation);
  };
  const ids = [...bases.keys(), ...newIds(input, bases)];
  const workflows = ids.flatMap((id): PlannedWorkflow[] => {
    const [ours, theirs] = [bases.get(id), heads.get(id)];
    const fallback = ours === undefined
      ? []
      : [trusted(ours, event, input.policy)];
    const own = new Set([
      ...ours?.dependencyPaths ?? [],
      ...theirs?.dependencyPaths ?? [],
      ...shared,
    ]);
    const affected = changedCiPaths.filter((path) => own.has(path));
    if (affected.length === 0) return fallback;
    const dependencyPaths = [...own];
    const grant = isListed
      ? grantFor(id, dependencyPaths, changedCiPaths, input)
      : undefined;
    const used = grant === undefined
      ? isListed ? "no rule allows it" : "too many files have changed"
      : headWorkflow(grant, { ours, theirs, dependencyPaths }, input, budget);
    const rule = typeof used === "string"
      ? used
      : isStarted(used.filters)
      ? undefined
      : "the event does not start the workflow";
    if (typeof used === "string" || rule !== undefined) {
      for (const path of affected) violate(path, id, rule!);
      return fallback;
    }
    for (const path of affected) authorised.add(path);
    return [used];
  });
  const reported = new Set(violations.map(({ path }) => path));
  for (const path of changedCiPaths) {
    if (authorised.has(path) || reported.has(path)) continue;
    violate(path, "", "no workflow has it");
  }
  return { workflows, violations };
}

/**
 * Finds the changed files that define CI. The policy is not among them: the
 * coordinator keeps its own copy.
 *
 * @param changedFiles All changed files.
 * @returns Those below `.reactorcide`, without the files of the policy.
 */
export function ciPaths(changedFiles: readonly string[]): string[] {
  return changedFiles.filter((path) =>
    path.startsWith(".reactorcide/") && !POLICY_FILES.test(path)
  );
}

/**
 * Leaves out changed files for which a document has no room. The coordinator
 * decides by those that it gets, so that definitions of a pull request are not
 * used when any is left out.
 *
 * @param changedCiPaths All changed files that define CI.
 * @returns The first of them.
 */
export function reportedPaths(changedCiPaths: readonly string[]): string[] {
  const budget = new ByteBudget(MAX_LIST_BYTES);
  const end = changedCiPaths.findIndex((path) => !budget.take(path));
  return changedCiPaths.slice(0, end < 0 ? changedCiPaths.length : end);
}

/** Changed files that any workflow may use, since none says that they are its own. */
function sharedPaths(
  { base, head }: PullRequestInput,
  changedCiPaths: readonly string[],
): string[] {
  const claimed = new Set(
    [...base, ...head].flatMap(({ dependencyPaths }) => dependencyPaths),
  );
  return changedCiPaths.filter((path) => !claimed.has(path));
}

/** A workflow that only the pull request has must be known to the policy. */
function newIds(
  { head, policy }: PullRequestInput,
  bases: ReadonlyMap<string, unknown>,
): string[] {
  const listed = new Set(policy?.rules.flatMap(({ workflows }) => workflows));
  return head.filter(({ id, hasOwnId }) =>
    hasOwnId && !bases.has(id) && listed.has(id)
  ).map(({ id }) => id);
}

function grantFor(
  workflowId: string,
  dependencyPaths: readonly string[],
  changedCiPaths: readonly string[],
  input: PullRequestInput,
): Grant | undefined {
  const { policy, event, policyRevision } = input;
  if (policy === undefined) return undefined;
  return decide(policy, {
    ...input,
    workflowId,
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

/** The definition of the pull request; a text says why it cannot be used. */
function headWorkflow(
  { profile, workers, ruleId, approvalId, baseNodes }: Grant,
  { ours, theirs, dependencyPaths }: {
    ours: WorkflowDefinition | undefined;
    theirs: WorkflowDefinition | undefined;
    dependencyPaths: readonly string[];
  },
  { event, policyRevision }: PullRequestInput,
  budget: ByteBudget,
): PlannedWorkflow | string {
  const authority = new Map<string, BaseNodes>(
    baseNodes.flatMap((grant) => grant.nodes.map((name) => [name, grant])),
  );
  const kept = (ours?.jobs ?? []).filter(({ name }) => authority.has(name));
  if (kept.length < authority.size) {
    return "the trusted workflow lacks a job that the policy names";
  }
  if (theirs === undefined) {
    return "the pull request deletes the workflow, or its definition is invalid";
  }
  if (!theirs.hasOwnId) return "the pull request gives the workflow no id";
  const workflow: PlannedWorkflow = {
    definition: {
      ...theirs,
      jobs: withTrusted(theirs.jobs, kept),
      dependencyPaths,
    },
    filters: ours ?? theirs,
    origin: "head",
    ci: { url: event.sourceUrl, ref: event.sourceRef },
    grant: { profile, workers, ruleId, approvalId, policyRevision },
    authority,
    isSkipped: false,
  };
  const tooLarge = "the definitions of the pull request are too large";
  if (!budget.hasRoomFor(workflow.definition)) return tooLarge;
  // What the coordinator would refuse would take every other workflow with it.
  try {
    return budget.take(wireWorkflow(workflow, event)) ? workflow : tooLarge;
  } catch (error) {
    if (!(error instanceof RunnerError)) throw error;
    return `the workflow is invalid: ${messageOf(error)}`;
  }
}

function withTrusted(
  jobs: readonly JobDefinition[],
  kept: readonly JobDefinition[],
): JobDefinition[] {
  const byName = new Map(kept.map((job) => [job.name, job]));
  const names = new Set(jobs.map(({ name }) => name));
  return [
    ...jobs.map((job) => byName.get(job.name) ?? job),
    ...kept.filter(({ name }) => !names.has(name))
      .sort((a, b) => a.name < b.name ? -1 : 1),
  ];
}
