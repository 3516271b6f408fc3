import type {
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
import type { BaseNodes, Policy } from "./policy.ts";

/** Files that say what may be changed are no files of a workflow. */
const POLICY_FILES = /^\.reactorcide\/(policy\.yaml$|policies\/)/;

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

/** What {@linkcode judgePullRequest} judges. */
export interface JudgedPullRequest extends PullRequestFacts {
  /** What happened. */
  readonly event: EvalEvent;
  /** Policy; `undefined` if there is none, and nothing is allowed. */
  readonly policy: Policy | undefined;
  /** Trusted workflows. */
  readonly base: readonly WorkflowDefinition[];
  /** Changed files. */
  readonly changedFiles: readonly string[];
}

/** What became of a pull request. */
export interface PullRequestPlan {
  /** Workflows, whether the event starts them or not. */
  readonly workflows: readonly PlannedWorkflow[];
  /** Changes that the policy does not allow. */
  readonly violations: readonly PolicyViolation[];
  /** Changed files of CI definitions. */
  readonly changedCiPaths: readonly string[];
}

/**
 * Decides for each workflow whether its trusted definition is used, or that of
 * the pull request.
 *
 * @param facts What is known.
 * @returns Workflows and violations.
 * @throws {RunnerError} `invalid-config`, if rules of the policy disagree.
 */
export function judgePullRequest(facts: JudgedPullRequest): PullRequestPlan {
  const { base, event, changedFiles, actor } = facts;
  const changedCiPaths = changedFiles
    .filter((path) => path.startsWith(".reactorcide/"));
  const shared = sharedPaths(facts, changedCiPaths);
  const heads = new Map(facts.head.map((it) => [it.id, it]));
  const bases = new Map(base.map((it) => [it.id, it]));
  const authorised = new Set<string>();
  const violations: PolicyViolation[] = [];
  const violate = (path: string, workflowId: string, rule: string) =>
    violations.push({
      path,
      workflow_id: workflowId,
      actor,
      rule,
      base_sha: event.ciSourceRef,
      head_sha: event.sourceRef,
    });
  const ids = [...bases.keys(), ...newIds(facts, bases)];
  const workflows = ids.flatMap((id): PlannedWorkflow[] => {
    const [ours, theirs] = [bases.get(id), heads.get(id)];
    const dependencyPaths = [
      ...new Set([
        ...ours?.dependencyPaths ?? [],
        ...theirs?.dependencyPaths ?? [],
        ...shared,
      ]),
    ];
    const affected = changedCiPaths
      .filter((path) => dependencyPaths.includes(path));
    const grant = affected.length === 0
      ? undefined
      : grantFor(id, dependencyPaths, changedCiPaths, facts);
    const allowed = grant && headWorkflow(grant, ours, theirs, facts);
    if (allowed !== undefined) {
      for (const path of affected) authorised.add(path);
      return allowed.map((it) => ({
        ...it,
        definition: { ...it.definition, dependencyPaths },
      }));
    }
    for (const path of affected) violate(path, id, "no rule allows it");
    return ours === undefined ? [] : [trusted(ours, event, facts.policy)];
  });
  const told = new Set(violations.map(({ path }) => path));
  for (const path of changedCiPaths) {
    if (authorised.has(path) || told.has(path)) continue;
    violate(path, "", "no workflow has it");
  }
  return { workflows, violations, changedCiPaths };
}

/** Changed files that any workflow may use, since none says that they are its own. */
function sharedPaths(
  { base, head }: JudgedPullRequest,
  changedCiPaths: readonly string[],
): string[] {
  const claimed = new Set(
    [...base, ...head].flatMap(({ dependencyPaths }) => dependencyPaths),
  );
  return changedCiPaths
    .filter((path) => !claimed.has(path) && !POLICY_FILES.test(path));
}

/** A workflow that only the pull request has must be known to the policy. */
function newIds(
  { head, policy }: JudgedPullRequest,
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
  facts: JudgedPullRequest,
): Grant | undefined {
  const { policy, event, policyRevision } = facts;
  if (policy === undefined) return undefined;
  return decide(policy, {
    ...facts,
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

/** Gives nothing to run if the pull request took the workflow away. */
function headWorkflow(
  { profile, workers, ruleId, approvalId, baseNodes }: Grant,
  ours: WorkflowDefinition | undefined,
  theirs: WorkflowDefinition | undefined,
  { event, policyRevision }: JudgedPullRequest,
): PlannedWorkflow[] | undefined {
  const authority = new Map(
    baseNodes.flatMap((grant) => grant.nodes.map((name) => [name, grant])),
  );
  const kept = (ours?.jobs ?? []).filter(({ name }) => authority.has(name));
  if (kept.length < authority.size) return undefined;
  if (theirs === undefined) return [];
  return [{
    definition: { ...theirs, jobs: withTrusted(theirs.jobs, kept) },
    origin: "head",
    ci: { url: event.sourceUrl, ref: event.sourceRef },
    grant: { profile, workers, ruleId, approvalId, policyRevision },
    authority: authority as ReadonlyMap<string, BaseNodes>,
    isSkipped: false,
  }];
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
