import type { Filters, JobDefinition } from "../definition/definition.ts";
import { mismatchReason } from "../matching/match_filters.ts";
import type { EvalEvent } from "./eval_event.ts";
import type { DefinitionTree } from "./load_tree.ts";
import {
  type PlannedWorkflow,
  type PolicyViolation,
  trusted,
} from "./planned_workflow.ts";
import type { Policy } from "./policy.ts";
import {
  ciPaths,
  planPullRequest,
  type PullRequestFacts,
  reportedPaths,
} from "./pull_request.ts";

/** What an evaluation came to. */
export interface EvalPlan {
  /** Workflows that are to run. */
  readonly workflows: readonly PlannedWorkflow[];
  /** Jobs that are to run, of a tree without workflows. */
  readonly jobs: readonly JobDefinition[];
  /** Changes that the policy does not allow. */
  readonly violations: readonly PolicyViolation[];
  /** Changed files of CI definitions, as far as the document has room. */
  readonly changedCiPaths: readonly string[];
  /** What the actor is. */
  readonly actorSubjects: readonly string[];
  /** What the event does not start, and why. */
  readonly skipped: readonly SkippedDefinition[];
}

/** A workflow or job that an event does not start. */
export interface SkippedDefinition {
  /** File that defines it. */
  readonly sourceFile: string;
  /** Why it is not started. */
  readonly reason: string;
}

/** What an evaluation is made of. */
export interface EvalInput {
  /** What happened. */
  readonly event: EvalEvent;
  /** Trusted definitions. */
  readonly base: DefinitionTree;
  /** Changed files; `undefined` if they are unknown. */
  readonly changedFiles: readonly string[] | undefined;
  /** Policy, if there is one. */
  readonly policy?: Policy;
  /** Definitions of the pull request and who made it, if it is one. */
  readonly pullRequest?: PullRequestFacts;
  /** Whether a workflow that is not started is named with no jobs. */
  readonly marksSkipped: boolean;
}

/**
 * Finds what an event starts.
 *
 * @param input Event and definitions.
 * @returns What is to run.
 * @throws {RunnerError} `invalid-config`, if rules of the policy disagree.
 */
export function evalPlan(input: EvalInput): EvalPlan {
  const { event, base, changedFiles, pullRequest, marksSkipped } = input;
  const reasonOf = (filters: Filters) =>
    mismatchReason(filters, {
      type: event.type,
      branch: event.branch,
      changedFiles,
    });
  const pull = pullRequest === undefined ? undefined : planPullRequest({
    ...pullRequest,
    policy: input.policy,
    event,
    base: base.workflows,
    changedFiles: changedFiles ?? [],
    isStarted: (filters) => reasonOf(filters) === undefined,
  });
  const skipped: SkippedDefinition[] = [];
  function isStarted(filters: Filters, sourceFile: string): boolean {
    const reason = reasonOf(filters);
    if (reason !== undefined) skipped.push({ sourceFile, reason });
    return reason === undefined;
  }
  const candidates = pull?.workflows ??
    base.workflows.map((workflow) => trusted(workflow, event, input.policy));
  const workflows = candidates.flatMap((planned): PlannedWorkflow[] => {
    const { filters, definition } = planned;
    if (isStarted(filters, definition.sourceFile)) return [planned];
    return marksSkipped ? [{ ...planned, isSkipped: true }] : [];
  });
  return {
    workflows,
    jobs: base.jobs
      .filter((definition) => isStarted(definition, definition.sourceFile))
      .map(({ job }) => job),
    violations: pull?.violations ?? [],
    changedCiPaths: reportedPaths(ciPaths(changedFiles ?? [])),
    actorSubjects: pullRequest?.actorSubjects ?? [],
    skipped,
  };
}
