import { triggerDocument, type TriggerJob } from "../../triggers/document.ts";
import type { JsonValue } from "../../triggers/trigger.ts";
import type { EvalPlan } from "./eval_plan.ts";
import type { EvalEvent } from "./eval_event.ts";
import { generatedJob } from "./generated_job.ts";
import type { PlannedWorkflow } from "./planned_workflow.ts";

/** A workflow of an evaluation, with the keys of the wire. */
export interface EvalWorkflow {
  /** Jobs, each behind those that it waits for. */
  readonly jobs: readonly TriggerJob[];
  /** Whatever else is said of the workflow. */
  readonly [key: string]: JsonValue;
}

/** What an evaluation hands to the coordinator. */
export type EvalDocument =
  | ReturnType<typeof triggerDocument>
  | {
    /** Kind of the document. */
    readonly type: "trigger_job";
    /** Identity of the content. */
    readonly operation_id: string;
    /** Who wrote it. */
    readonly trigger_type: "runnerlib_eval";
    /** Workflows that are to run. */
    readonly workflows: readonly EvalWorkflow[];
    /** Changes of CI definitions that nobody was allowed to make. */
    readonly policy_violations: EvalPlan["violations"];
    /** Changed files of CI definitions. */
    readonly changed_ci_paths: readonly string[];
    /** What the actor is. */
    readonly actor_subjects: readonly string[];
  };

/**
 * Writes what an evaluation came to in the form that the coordinator reads.
 *
 * @param plan What is to run.
 * @param event What happened.
 * @returns The document; `undefined` if there is nothing to hand over.
 * @throws {RunnerError} `invalid-trigger` if a job would be refused, or wait
 * for one that this event does not start; `invalid-workflow` for steps.
 */
export function evalDocument(
  plan: EvalPlan,
  event: EvalEvent,
): EvalDocument | undefined {
  const { jobs, violations, changedCiPaths, actorSubjects } = plan;
  if (jobs.length > 0) {
    const ci = { url: event.ciSourceUrl, ref: event.ciSourceRef };
    const document = triggerDocument(
      jobs.map((job) => generatedJob(job, event, ci)),
    );
    return document.jobs.length > 0 ? document : undefined;
  }
  const workflows = plan.workflows.map((it) => wireWorkflow(it, event));
  if (workflows.length === 0 && violations.length === 0) return undefined;
  return {
    type: "trigger_job",
    operation_id: crypto.randomUUID(),
    trigger_type: "runnerlib_eval",
    workflows,
    policy_violations: violations,
    changed_ci_paths: changedCiPaths,
    actor_subjects: actorSubjects,
  };
}

function wireWorkflow(
  { definition, origin, ci, grant, isSkipped, authority }: PlannedWorkflow,
  event: EvalEvent,
): EvalWorkflow {
  const { id, name, sourceFile, vars, jobs } = definition;
  const { jobs: wired } = triggerDocument(
    isSkipped ? [] : jobs.map((job) => generatedJob(job, event, ci)),
  );
  return {
    id,
    name,
    source_file: sourceFile,
    ci_origin: origin,
    ci_repository: ci.url,
    ci_sha: ci.ref,
    execution_profile: grant.profile,
    worker_class: grant.workers,
    policy_revision: grant.policyRevision,
    policy_rule_id: grant.ruleId,
    approval_id: grant.approvalId,
    dependency_paths: definition.dependencyPaths,
    vars,
    jobs: wired.map((job) => {
      const own = authority.get(job.job_name);
      return own === undefined ? job : {
        ...job,
        ci_origin: "base",
        execution_profile: own.profile,
        worker_class: own.workers,
        ci_source_type: "git",
        ci_source_url: event.ciSourceUrl,
        ci_source_ref: event.ciSourceRef,
      };
    }),
  };
}
