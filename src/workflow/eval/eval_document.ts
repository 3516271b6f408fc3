import { messageOf, RunnerError } from "../../errors.ts";
import {
  type CheckedTrigger,
  checkTriggers,
} from "../../triggers/check_triggers.ts";
import {
  orderedDocument,
  type TriggerDocument,
} from "../../triggers/trigger_document.ts";
import { orderTriggers } from "../../triggers/trigger_graph.ts";
import type { JobDefinition } from "../definition/definition.ts";
import type { EvalEvent } from "./eval_event.ts";
import type { EvalPlan } from "./eval_plan.ts";
import {
  type EvalWorkflow,
  generatedJob,
  wireWorkflow,
} from "./wire_workflow.ts";

/** What an evaluation hands to the coordinator. */
export type EvalDocument =
  | TriggerDocument
  | {
    /** Kind of the document. */
    readonly type: "trigger_job";
    /** Identity of the content. */
    readonly operation_id: string;
    /** Who wrote it. */
    readonly trigger_type: "runnerlib_eval";
    /** Workflows that are to run. */
    readonly workflows: readonly EvalWorkflow[];
    /** Changes of CI definitions that the policy does not allow. */
    readonly policy_violations: EvalPlan["violations"];
    /** Changed files of CI definitions. */
    readonly changed_ci_paths: readonly string[];
    /** What the actor is. */
    readonly actor_subjects: readonly string[];
  };

/** Takes what is wrong with one definition, which is left out. */
type ReportProblem = (problem: string) => void;

/**
 * Writes the result of an evaluation in the form that the coordinator reads.
 *
 * A workflow or job that the coordinator would refuse is left out, so that it
 * does not take the others with it.
 *
 * Definitions of a pull request come first: when the coordinator refuses one,
 * it has not queued anything that is trusted.
 *
 * @param plan What is to run.
 * @param event What happened.
 * @param onProblem Takes what is wrong with a definition that is left out.
 * @param operationId Identity of the document; workflows that were accepted
 * under the same one are not started twice.
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
    const document = orderedDocument(soundJobs(plan.jobs, event, onProblem));
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

/** Returns the jobs that the coordinator accepts, with all jobs that they wait for. */
function soundJobs(
  definitions: readonly JobDefinition[],
  event: EvalEvent,
  onProblem: ReportProblem,
): readonly CheckedTrigger[] {
  const ci = { url: event.ciSourceUrl, ref: event.ciSourceRef };
  let jobs = definitions.flatMap((definition) =>
    attempt(`Cannot use job "${definition.name}"`, onProblem, () => {
      return checkTriggers([generatedJob(definition, event, ci)]);
    }).flat()
  );
  // Without one job, those that wait for it would wait forever.
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
  // Those that wait for one another would wait forever as well.
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
