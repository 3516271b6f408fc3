import type { JobDefinition } from "../definition/definition.ts";
import { matchFilters } from "../matching/match_filters.ts";
import type { EvalEvent } from "./eval_event.ts";
import type { DefinitionTree } from "./load_tree.ts";
import {
  type PlannedWorkflow,
  type PolicyViolation,
  trusted,
} from "./planned_workflow.ts";
import type { Policy } from "./policy.ts";
import { judgePullRequest, type PullRequestFacts } from "./pull_request.ts";

/** What an evaluation came to. */
export interface EvalPlan {
  /** Workflows that are to run. */
  readonly workflows: readonly PlannedWorkflow[];
  /** Jobs that are to run, of a tree without workflows. */
  readonly jobs: readonly JobDefinition[];
  /** Changes that the policy does not allow. */
  readonly violations: readonly PolicyViolation[];
  /** Changed files of CI definitions. */
  readonly changedCiPaths: readonly string[];
  /** What the actor is. */
  readonly actorSubjects: readonly string[];
}

/** What an evaluation is made of. */
export interface EvalInput {
  /** What happened. */
  readonly event: EvalEvent;
  /** Trusted definitions. */
  readonly base: DefinitionTree;
  /** Changed files; `undefined` if nobody knows. */
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
  const matched = {
    type: event.type,
    branch: event.branch,
    changedFiles,
  };
  const judged = pullRequest === undefined ? undefined : judgePullRequest({
    ...pullRequest,
    policy: input.policy,
    event,
    base: base.workflows,
    changedFiles: changedFiles ?? [],
  });
  const candidates = judged?.workflows ??
    base.workflows.map((it) => trusted(it, event, input.policy));
  return {
    workflows: candidates.flatMap((it): PlannedWorkflow[] => {
      if (matchFilters(it.definition, matched)) return [it];
      return marksSkipped ? [{ ...it, isSkipped: true }] : [];
    }),
    jobs: base.jobs.filter((it) => matchFilters(it, matched))
      .map(({ job }) => job),
    violations: judged?.violations ?? [],
    changedCiPaths: judged?.changedCiPaths ?? [],
    actorSubjects: pullRequest?.actorSubjects ?? [],
  };
}
