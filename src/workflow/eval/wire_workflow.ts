import { RunnerError } from "../../errors.ts";
import {
  triggerDocument,
  type TriggerJob,
} from "../../triggers/trigger_document.ts";
import type { JsonValue } from "../../json_value.ts";
import type { Trigger } from "../../triggers/trigger_options.ts";
import type { JobDefinition } from "../definition/definition.ts";
import { definitionTrigger } from "../definition/job_definition.ts";
import { definitionWithRemoteSteps } from "../remote_steps.ts";
import { type EvalEvent, eventVariables } from "./eval_event.ts";
import type { CodePlace, PlannedWorkflow } from "./planned_workflow.ts";

/** A workflow of an evaluation, with the keys of the protocol. */
export interface EvalWorkflow {
  /** Jobs in topological order. */
  readonly jobs: readonly TriggerJob[];
  /** Other properties of the workflow. */
  readonly [key: string]: JsonValue;
}

/**
 * Converts a workflow to the format of the coordinator.
 *
 * @returns The workflow, with its jobs in topological order.
 * @throws {RunnerError} `invalid-trigger` if the coordinator would reject a
 * job, or a job would wait forever; `invalid-workflow` as for
 * {@linkcode generatedJob}.
 */
export function wireWorkflow(
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
      const trusted = authority.get(job.job_name);
      return trusted === undefined ? job : {
        ...job,
        ci_origin: "base",
        execution_profile: trusted.profile,
        worker_class: trusted.workers,
        ci_source_type: "git",
        ci_source_url: event.ciSourceUrl,
        ci_source_ref: event.ciSourceRef,
      };
    }),
  };
}

/**
 * Creates the job for the coordinator from a definition.
 *
 * @param ci Repository and commit for the CI source of the job.
 * @throws {RunnerError} `invalid-workflow` if the job needs artifacts, or has
 * steps that only this machine can run.
 */
export function generatedJob(
  definition: JobDefinition,
  event: EvalEvent,
  ci: CodePlace,
): Trigger {
  if (definition.body.artifactNeeds !== undefined) {
    throw new RunnerError(
      `Cannot evaluate job "${definition.name}": it needs artifacts, which the coordinator does not pass on`,
      { code: "invalid-workflow" },
    );
  }
  const job = definitionTrigger(definitionWithRemoteSteps(definition));
  return {
    ...job,
    env: { ...job.env, ...eventVariables(event) },
    ...event.sourceUrl === "" ? {} : {
      sourceType: "git",
      sourceUrl: event.sourceUrl,
      sourceRef: event.sourceRef,
    },
    ...ci.url === ""
      ? {}
      : { ciSourceType: "git", ciSourceUrl: ci.url, ciSourceRef: ci.ref },
  };
}
