import { RunnerError } from "../../errors.ts";
import { goJson } from "../../json_value.ts";
import { policyGlob } from "../../schema/globs.ts";
import type { Policy, PolicyRule, PolicyUse } from "./policy.ts";

/** Input of {@linkcode decide}. */
export interface DecisionFacts {
  /** Id of the workflow. */
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
  /** Id of the first matching rule. */
  readonly ruleId: string;
  /** Id of the approval that the rule requires; `null` if it requires none. */
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
  const rules = policy.rules.filter((rule) => holds(rule, facts));
  if (rules.length === 0) return undefined;
  const [{ id, use, approval }] = rules;
  if (new Set(rules.map(({ use }) => usedText(use))).size > 1) {
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

function holds(rule: PolicyRule, facts: DecisionFacts): boolean {
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

function usedText({ profile, workers, baseNodes }: PolicyUse): string {
  return goJson({
    profile,
    workers,
    baseNodes: baseNodes.map((grant) => ({ ...grant })),
  });
}
