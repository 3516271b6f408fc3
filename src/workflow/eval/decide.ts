import { RunnerError } from "../../errors.ts";
import { goJson } from "../../json.ts";
import type { Policy, PolicyRule, PolicyUse } from "./policy.ts";

/** Facts that a policy decides by. */
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
  /** Subjects that the actor belongs to. */
  readonly actorSubjects: readonly string[];
  /** Approvals. */
  readonly approvals: readonly Approval[];
  /** What a valid approval refers to. */
  readonly approved: {
    readonly headSha: string;
    readonly baseSha: string;
    readonly policyRevision: string;
  };
  /** Time of the decision, in milliseconds since 1970. */
  readonly now: number;
}

/** An approval, with the keys of the wire. */
export interface Approval {
  /** Values as the coordinator wrote them. */
  readonly [key: string]: unknown;
}

/** The decision that definitions of a pull request may be used. */
export interface Grant extends PolicyUse {
  /** The first rule that holds. */
  readonly ruleId: string;
  /** Id of the approval that the rule requires; `null` if it requires none. */
  readonly approvalId: string | null;
}

/**
 * Decides whether the definition of a workflow in a pull request may be used.
 *
 * @param policy Policy.
 * @param facts Facts.
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
  // An invalid time counts as past: comparing with NaN is false.
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

/**
 * Creates a test out of a pattern of a CI policy, which are other ones than
 * those of events: `**` stands for any text, `*` for any text without a slash,
 * `?` for one character that is no slash, and all else for itself.
 *
 * @param pattern Pattern.
 * @returns Whether the whole of a text matches.
 */
export function policyGlob(pattern: string): (text: string) => boolean {
  const tokens = pattern.match(/\*\*|[^]/gu) ?? [];
  return (text) => matches(tokens, [...text]);
}

/** Goes through the text with all places in the pattern that fit so far. */
function matches(
  tokens: readonly string[],
  characters: readonly string[],
): boolean {
  let fits = reach(tokens, new Array(tokens.length + 1).fill(false), [0]);
  for (const character of characters) {
    const next: number[] = [];
    tokens.forEach((token, at) => {
      if (!fits[at]) return;
      if (token === "**" || token === "*" && character !== "/") next.push(at);
      else if (token === "?" ? character !== "/" : token === character) {
        next.push(at + 1);
      }
    });
    if (next.length === 0) return false;
    fits = reach(tokens, new Array(tokens.length + 1).fill(false), next);
  }
  return fits[tokens.length];
}

/** A star may also stand for nothing. */
function reach(
  tokens: readonly string[],
  fits: boolean[],
  places: readonly number[],
): boolean[] {
  for (const place of places) {
    for (let at = place; !fits[at]; at++) {
      fits[at] = true;
      if (tokens[at] !== "*" && tokens[at] !== "**") break;
    }
  }
  return fits;
}
