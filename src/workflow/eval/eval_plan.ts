import { describedFacts } from "../../runner/event_facts.ts";
import type {
  JobDefinition,
  JobFileDefinition,
} from "../definition/definition.ts";
import {
  type FilterMatch,
  type Filters,
  matchFilters,
} from "../definition/filters.ts";
import { type SkippedJob, withoutSkipped } from "../job_conditions.ts";
import type { DefinitionTree } from "./load_tree.ts";
import {
  type EvalEvent,
  eventVariables,
  type PlannedWorkflow,
  planTrusted,
  type PolicyViolation,
  type StartDecision,
} from "./planned_workflow.ts";
import type { Policy } from "./policy.ts";
import {
  ciPaths,
  planPullRequest,
  type PullRequestFacts,
  reportedPaths,
} from "./pull_request.ts";

/** Result of an evaluation. */
export interface EvalPlan {
  /** Workflows to submit. */
  readonly workflows: readonly PlannedWorkflow[];
  /** Jobs to submit, if the tree has no workflows. */
  readonly jobs: readonly JobDefinition[];
  /** Changes that the policy does not allow. */
  readonly violations: readonly PolicyViolation[];
  /** Changed files of CI definitions that fit in the document. */
  readonly changedCiPaths: readonly string[];
  /** Subjects that the actor belongs to. */
  readonly actorSubjects: readonly string[];
  /** Decisions for all workflows and jobs, with reasons. */
  readonly decisions: readonly StartDecision[];
}

/** Input of an evaluation. */
export interface EvalInput {
  /** The event. */
  readonly event: EvalEvent;
  /** Trusted definitions. */
  readonly base: DefinitionTree;
  /** Changed files; `undefined` if they are unknown. */
  readonly changedFiles: readonly string[] | undefined;
  /**
   * Files of CI definitions that the pull request may have changed; used if the
   * changed files are unknown.
   *
   * @default {none}
   */
  readonly changedDefinitions?: readonly string[];
  /** Policy, if there is one. */
  readonly policy?: Policy;
  /** Revision of the policy; empty if there is no policy. */
  readonly policyRevision?: string;
  /**
   * Definitions and author of the pull request, if the event belongs to one.
   */
  readonly pullRequest?: PullRequestFacts;
  /** Whether workflows that do not start are submitted without jobs. */
  readonly marksSkipped: boolean;
}

/**
 * Determines which workflows and jobs an event starts.
 *
 * @returns Workflows or jobs to submit, and the reasons.
 * @throws {RunnerError} `invalid-config` if rules of the policy conflict.
 */
export function evalPlan(input: EvalInput): EvalPlan {
  const { event, base, changedFiles, pullRequest, marksSkipped } = input;
  const { policy, policyRevision = "" } = input;
  const changes = changedFiles ?? input.changedDefinitions ?? [];
  const match = (filters: Filters) =>
    matchFilters(filters, { ...event, changedFiles });
  const pull = pullRequest === undefined ? undefined : planPullRequest({
    ...pullRequest,
    policy,
    policyRevision,
    event,
    base: base.workflows,
    changedFiles: changes,
    isStarted: (filters) => match(filters).isStarted,
  });
  const planned = pull?.workflows ??
    base.workflows.map((workflow) =>
      planTrusted(workflow, event, { policy, policyRevision })
    );
  const facts = {
    ...describedFacts(event),
    ...changedFiles === undefined ? {} : { changedFiles },
  };
  const choose = (jobs: readonly JobDefinition[]) =>
    withoutSkipped(jobs, facts, eventVariables(event));
  const workflows = planned.map((workflow) => ({
    workflow,
    match: match(workflow.filters),
    chosen: choose(workflow.definition.jobs),
  }));
  const started = base.jobs.map((definition) => ({
    definition,
    match: match(definition),
  }));
  // Only started jobs: a job that this event does not start is not "skipped".
  const chosen = choose(
    started.flatMap(({ definition, match: { isStarted } }) =>
      isStarted ? [definition.job] : []
    ),
  );
  return {
    workflows: workflows.flatMap(({ workflow, match: { isStarted }, chosen }) =>
      isStarted || marksSkipped
        ? [{
          ...workflow,
          definition: { ...workflow.definition, jobs: chosen.jobs },
          isSkipped: !isStarted,
        }]
        : []
    ),
    jobs: chosen.jobs,
    violations: pull?.violations ?? [],
    changedCiPaths: reportedPaths(ciPaths(changes)),
    actorSubjects: pullRequest?.actorSubjects ?? [],
    decisions: [
      ...workflows.map(({ workflow, match, chosen: { skipped } }) => ({
        ...decideWorkflow(workflow, match),
        skipped,
      })),
      ...pull?.refused ?? [],
      ...started.map(({ definition, match }) =>
        decideJob(
          definition,
          match,
          chosen.skipped.find(({ name }) => name === definition.job.name),
        )
      ),
    ],
  };
}

function decideWorkflow(
  { definition, origin, note }: PlannedWorkflow,
  { isStarted, reason }: FilterMatch,
): StartDecision {
  const { id, sourceFile, jobs } = definition;
  return {
    name: id,
    sourceFile,
    origin,
    jobs,
    isStarted,
    reason: isStarted && note !== undefined ? `${reason}; ${note}` : reason,
  };
}

function decideJob(
  { job, sourceFile }: JobFileDefinition,
  match: FilterMatch,
  skipped: SkippedJob | undefined,
): StartDecision {
  const result = match.isStarted && skipped !== undefined
    ? { isStarted: false, reason: skipped.reason }
    : match;
  return { ...result, name: job.name, sourceFile, origin: "base" };
}
