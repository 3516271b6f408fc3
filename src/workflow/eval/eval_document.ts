import { messageOf, RunnerError } from "../../errors.ts";
import {
  type CheckedTrigger,
  checkTriggers,
} from "../../triggers/check_triggers.ts";
import {
  orderedDocument,
  orderTriggers,
  type TriggerDocument,
} from "../../triggers/trigger_document.ts";
import type { JobDefinition } from "../definition/definition.ts";
import {
  type EvalEvent,
  type EvalWorkflow,
  generateJob,
  wireWorkflow,
} from "./planned_workflow.ts";
import type { EvalPlan } from "./eval_plan.ts";
import type { ReportProblem } from "./load_tree.ts";

/** Document that an evaluation submits to the coordinator. */
export type EvalDocument =
  | TriggerDocument
  | {
    /** Type of the document. */
    readonly type: "trigger_job";
    /** ID of the document. */
    readonly operation_id: string;
    /** Program that wrote the document. */
    readonly trigger_type: "runnerlib_eval";
    /** Workflows to run. */
    readonly workflows: readonly EvalWorkflow[];
    /** Changes of CI definitions that the policy does not allow. */
    readonly policy_violations: EvalPlan["violations"];
    /** Changed files of CI definitions. */
    readonly changed_ci_paths: readonly string[];
    /** Subjects that the actor belongs to. */
    readonly actor_subjects: readonly string[];
  };

/**
 * Converts the result of an evaluation to a document for the coordinator.
 *
 * Workflows and jobs that the coordinator would reject are dropped, because it
 * would reject the whole document.
 *
 * Definitions of a pull request come first, so that no trusted job is queued
 * yet if the coordinator rejects one of them.
 *
 * @param plan Workflows or jobs to run.
 * @param onProblem Called with the problem of each definition that is dropped.
 * @param operationId ID of the document; the coordinator starts the workflows
 * of an ID once.
 * @returns The document; `undefined` if there is nothing to submit.
 */
export function evalDocument(
  plan: EvalPlan,
  event: EvalEvent,
  onProblem: ReportProblem,
  operationId: string = crypto.randomUUID(),
): EvalDocument | undefined {
  const { violations, changedCiPaths, actorSubjects } = plan;
  if (plan.jobs.length > 0) {
    const document = orderedDocument(
      selectValidJobs(plan.jobs, event, onProblem),
    );
    return document.jobs.length > 0 ? document : undefined;
  }
  const ordered = ["head", "base"].flatMap((side) =>
    plan.workflows.filter(({ origin }) => origin === side)
  );
  const workflows = ordered.flatMap((workflow) =>
    attempt(
      `Cannot use "${workflow.definition.sourceFile}"`,
      onProblem,
      () => wireWorkflow(workflow, event),
    )
  );
  if (workflows.length === 0 && violations.length === 0) return undefined;
  return {
    type: "trigger_job",
    operation_id: operationId,
    trigger_type: "runnerlib_eval",
    workflows,
    policy_violations: violations,
    changed_ci_paths: changedCiPaths,
    actor_subjects: actorSubjects,
  };
}

/** Returns the jobs that the coordinator accepts and that cannot wait forever. */
function selectValidJobs(
  definitions: readonly JobDefinition[],
  event: EvalEvent,
  onProblem: ReportProblem,
): readonly CheckedTrigger[] {
  const ci = { url: event.ciSourceUrl, ref: event.ciSourceRef };
  let jobs = definitions.flatMap((definition) =>
    attempt(
      `Cannot use job "${definition.name}"`,
      onProblem,
      () => checkTriggers([generateJob(definition, event, ci)]),
    ).flat()
  );
  // Jobs would wait forever for a dropped dependency.
  for (let count = -1; count !== jobs.length;) {
    count = jobs.length;
    const names = new Set(jobs.map(({ name }) => name));
    jobs = jobs.filter(({ name, dependsOn = [] }) => {
      const missing = dependsOn.find((need) => !names.has(need));
      if (missing === undefined) return true;
      onProblem(
        `Cannot use job "${name}": it needs "${missing}", which this event does not start`,
      );
      return false;
    });
  }
  // Jobs in a cycle would wait forever as well.
  const { ordered, refused } = orderTriggers(jobs);
  for (const { job, problem } of refused) {
    onProblem(`Cannot use job ${job}: ${problem}`);
  }
  return ordered;
}

function attempt<T>(
  action: string,
  onProblem: ReportProblem,
  body: () => T,
): T[] {
  try {
    return [body()];
  } catch (error) {
    if (!(error instanceof RunnerError)) throw error;
    onProblem(`${action}: ${messageOf(error)}`);
    return [];
  }
}
