import { messageOf, RunnerError } from "../../errors.ts";
import { copyJson } from "../../schema/copy_json.ts";
import { checkTriggers } from "../../triggers/check_triggers.ts";
import {
  orderedDocument,
  type TriggerDocument,
} from "../../triggers/trigger_document.ts";
import { sortTriggers } from "../../triggers/trigger_graph.ts";
import type { Trigger } from "../../triggers/trigger_options.ts";
import type { JobDefinition } from "../definition/definition.ts";
import { definitionTrigger } from "../definition/job_definition.ts";
import { withoutJobs } from "../job_conditions.ts";
import type { LocalJob } from "../local/local_job.ts";
import {
  type JobRecords,
  type JsonObject,
  VariableStore,
} from "../local/workflow_state.ts";
import { definitionWithRemoteSteps } from "../remote_steps.ts";
import type { WorkflowRun } from "../workflow_executor.ts";
import type { CodeSource } from "./code_source.ts";

/** Document that submits a whole workflow. */
export interface WorkflowDocument extends TriggerDocument {
  /** Name and initial variables of the workflow. */
  readonly workflow: { readonly name: string; readonly vars: JsonObject };
}

/** A workflow as it is submitted. */
export interface PreparedWorkflow {
  /** The document; without jobs, there is nothing to submit. */
  readonly document: WorkflowDocument;
  /** Names of its nodes at the coordinator, by the key of the job. */
  readonly names: Readonly<Record<string, string>>;
}

/** Options for {@linkcode prepareWorkflow}. */
export interface PrepareWorkflowOptions {
  /** Id of the document. */
  readonly operationId: string;
  /** Code of the jobs, if they get any. */
  readonly source: CodeSource | undefined;
}

/**
 * Converts a workflow to a document for the coordinator, which then runs the
 * graph by the same rules as this runner.
 *
 * Jobs that the event skips, and those that ended in an earlier run, are left
 * out together with dependencies on them.
 *
 * @throws {RunnerError} `invalid-trigger` if the coordinator would refuse a job;
 * `invalid-workflow` if it would refuse a variable.
 */
export function prepareWorkflow(
  run: Pick<WorkflowRun, "definition" | "workflow" | "earlier" | "event">,
  { operationId, source }: PrepareWorkflowOptions,
): PreparedWorkflow {
  const { definition, workflow, earlier, event } = run;
  const names: Record<string, string> = {};
  const jobs = remainingJobs(definition.jobs, workflow.jobs, earlier, names);
  const triggers = jobs.map((job): Trigger => {
    const trigger = definitionTrigger(definitionWithRemoteSteps(job));
    return {
      ...trigger,
      env: { ...trigger.env, ...event },
      ...source === undefined ? {} : {
        sourceType: "git",
        sourceUrl: source.url,
        sourceRef: source.ref,
      },
    };
  });
  const vars = currentVariables(workflow.vars, earlier);
  const ordered = sortTriggers(checkTriggers(triggers));
  return {
    names,
    document: {
      ...orderedDocument(ordered, { operationId }),
      workflow: { name: definition.name, vars },
    },
  };
}

/**
 * Returns the jobs that have not ended.
 *
 * @param names Receives the names of their nodes.
 */
function remainingJobs(
  definitions: readonly JobDefinition[],
  jobs: readonly LocalJob[],
  earlier: JobRecords,
  names: Record<string, string>,
): JobDefinition[] {
  const byName = new Map(definitions.map((job) => [job.name, job]));
  const ended = new Set<string>();
  const skipped = new Map<string, string>();
  const remaining: JobDefinition[] = [];
  for (const job of jobs) {
    const definition = byName.get(job.name)!;
    const items = remainingItems(job, earlier, names);
    if (items === "none") ended.add(job.name);
    else if (job.skipReason !== undefined) {
      skipped.set(job.name, job.skipReason);
    }
    if (items === "none") continue;
    const { condition } = job;
    const body = { ...definition.body, condition, forEach: items };
    remaining.push({ ...definition, body });
  }
  const needsByName = new Map(
    jobs.map(({ name, dependsOn }) => [name, dependsOn]),
  );
  const left = remaining.map((job): JobDefinition => {
    const needs = needsByName.get(job.name) ?? [];
    const dependsOn = needs.filter((need) => !ended.has(need));
    const isOver = job.body.condition === "any_failed" &&
      needs.length > 0 && dependsOn.length === 0;
    if (isOver) skipped.set(job.name, "none of its dependencies failed");
    return { ...job, body: { ...job.body, dependsOn } };
  });
  return withoutJobs(left, skipped).jobs;
}

/**
 * Returns the items for which a job has not ended; `none` if it has ended for all
 * items, or has ended and has no items.
 */
function remainingItems(
  { name, forEach }: LocalJob,
  earlier: JobRecords,
  names: Record<string, string>,
): LocalJob["forEach"] | "none" {
  if (forEach === undefined) {
    if (earlier.has(name)) return "none";
    names[name] = name;
    return undefined;
  }
  const items: typeof forEach[number][] = [];
  forEach.forEach((item, index) => {
    const key = `${name}[${index}]`;
    if (earlier.has(key)) return;
    names[key] = `${name}[${items.length}]`;
    items.push(item);
  });
  // The job itself is the only node of an empty list.
  if (forEach.length === 0) names[name] = name;
  return items.length === 0 && forEach.length > 0 ? "none" : items;
}

function currentVariables(vars: JsonObject, earlier: JobRecords): JsonObject {
  const variables = new VariableStore(vars);
  for (const record of earlier.values()) variables.add(record.name, record);
  try {
    return copyJson(JSON.parse(variables.text), "vars") as JsonObject;
  } catch (cause) {
    throw new RunnerError(
      `Cannot submit the variables of the workflow: ${messageOf(cause)}`,
      { code: "invalid-workflow", cause },
    );
  }
}
