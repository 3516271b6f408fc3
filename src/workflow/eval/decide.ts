import { RunnerError } from "../../errors.ts";
import { goJson } from "../definition/json.ts";
import { policyGlob } from "../matching/policy_glob.ts";
import type { Policy, PolicyRule, PolicyUse } from "./policy.ts";

/** What a decision is made of, besides the policy. */
export interface DecisionFacts {
  /** Id of the workflow. */
  readonly workflowId: string;
  /** Files that define the workflow. */
  readonly dependencyPaths: readonly string[];
  /** Files of CI definitions that have changed. */
  readonly changedCiPaths: readonly string[];
  /** Kind of the event. */
  readonly event: string;
  /** Branch that the changes are for. */
  readonly baseBranch: string;
  /** Whether the code comes from a fork. */
  readonly relation: "same" | "fork";
  /** What the actor is. */
  readonly actorSubjects: readonly string[];
  /** Approvals that were given. */
  readonly approvals: readonly Approval[];
  /** What an approval must be for. */
  readonly approved: {
    readonly headSha: string;
    readonly baseSha: string;
    readonly policyRevision: string;
  };
  /** Time at which the decision is made, in milliseconds since 1970. */
  readonly now: number;
}

/** An approval, with the keys of the wire. */
export interface Approval {
  /** Whatever the coordinator says of it. */
  readonly [key: string]: unknown;
}

/** The decision that definitions of a pull request may be used. */
export interface Grant extends PolicyUse {
  /** Rules that hold, the first of which is reported. */
  readonly ruleId: string;
  /** Id of the approval on which the decision rests. */
  readonly approvalId: string | null;
}

/**
 * Decides whether the definition of a workflow in a pull request may be used.
 *
 * @param policy Policy.
 * @param facts What is known.
 * @returns What is granted; `undefined` if the trusted definition is used.
 * @throws {RunnerError} `invalid-config`, if rules that hold do not agree.
 */
export function decide(
  policy: Policy,
  facts: DecisionFacts,
): Grant | undefined {
  const { dependencyPaths, changedCiPaths, workflowId } = facts;
  const dependencies = new Set(dependencyPaths);
  if (!changedCiPaths.some((path) => dependencies.has(path))) return undefined;
  const rules = policy.rules.filter((rule) => holds(rule, facts));
  if (rules.length === 0) return undefined;
  const [{ id, use, approval }] = rules;
  if (new Set(rules.map(({ use }) => usedText(use))).size > 1) {
    const names = rules.map(({ id }) => id).join(", ");
    throw new RunnerError(
      `Cannot use the CI policy: rules ${names} do not agree on workflow "${workflowId}"`,
      { code: "invalid-config" },
    );
  }
  const approvalId = approval.length === 0
    ? null
    : findApproval(approval, facts, use)!.approval_id as string;
  return { ...use, ruleId: id, approvalId };
}

function holds(rule: PolicyRule, facts: DecisionFacts): boolean {
  const { event, baseBranch, relation, actorSubjects } = facts;
  const fits = rule.paths.map(policyGlob);
  const isCovered = (path: string) => fits.some((it) => it(path));
  return rule.workflows.includes(facts.workflowId) &&
    facts.dependencyPaths.every(isCovered) &&
    facts.changedCiPaths.every(isCovered) &&
    isEmptyOr(rule.events, (it) => it === event) &&
    isEmptyOr(rule.baseBranches, (it) => policyGlob(it)(baseBranch)) &&
    ["any", relation].includes(rule.headRepository) &&
    isEmptyOr(rule.actors, (it) => actorSubjects.includes(it)) &&
    (rule.approval.length === 0 ||
      findApproval(rule.approval, facts, rule.use) !== undefined);
}

function findApproval(
  subjects: readonly string[],
  { approvals, approved, workflowId, now }: DecisionFacts,
  { profile }: PolicyUse,
): Approval | undefined {
  return approvals.find((it) =>
    typeof it.approval_id === "string" && it.approval_id !== "" &&
    subjects.includes(String(it.approver_subject)) &&
    it.head_sha === approved.headSha && it.base_sha === approved.baseSha &&
    it.policy_revision === approved.policyRevision &&
    ["*", workflowId].includes(String(it.workflow_scope)) &&
    it.execution_profile === profile && !it.invalidated_at &&
    isAhead(it.expires_at, now)
  );
}

function isAhead(time: unknown, now: number): boolean {
  if (time === undefined || time === null || time === "") return true;
  // A time that cannot be parsed has passed: comparing with NaN is false.
  return Date.parse(String(time)) > now;
}

function isEmptyOr(
  list: readonly string[],
  test: (member: string) => boolean,
): boolean {
  return list.length === 0 || list.some(test);
}

function usedText({ profile, workers, baseNodes }: PolicyUse): string {
  return goJson({
    profile,
    workers,
    baseNodes: baseNodes.map((grant) => ({ ...grant })),
  });
}
