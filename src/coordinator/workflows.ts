import { RunnerError } from "../errors.ts";
import { isObject } from "../json_value.ts";
import { jobPath, workflowPath } from "./access.ts";
import { type CoordinatorClient, CoordinatorError } from "./client.ts";
import { type CoordinatorJob, isJob, readPages } from "./jobs.ts";

/** Maximum number of pages that are searched; new items are on the first ones. */
const MAX_SEARCHED_PAGES = 20;

/** Maximum number of workflows in a response: each takes requests of its own. */
const MAX_WORKFLOWS = 10_000;

/** A workflow, as returned by the coordinator. */
export interface CoordinatorWorkflow {
  /** ID of the workflow. */
  readonly workflow_id: string;
  /** Name of the workflow. */
  readonly name: string;
  /** State of the workflow. */
  readonly status: string;
  /** ID of the document that it was submitted with. */
  readonly trigger_operation_id?: string;
  /** Job that submitted it. */
  readonly parent_job_id?: string;
  /** Job that submitted it, if that job belongs to a workflow. */
  readonly origin_job_id?: string;
  /** Workflows that its jobs have submitted. */
  readonly children?: readonly CoordinatorWorkflow[];
}

/** A line of the log of a job. */
export interface CoordinatorLogLine {
  /** Time at which the worker sent it; lines sent together share it. */
  readonly timestamp: string;
  /** The line, without a line break. */
  readonly message: string;
}

/** A job to create directly, outside a workflow. */
export interface NewJob {
  /** Name, at most 255 characters. */
  readonly name: string;
  /** Description, by which the job can be found again. */
  readonly description: string;
  /** Command. */
  readonly job_command: string;
  /** Type of the source, which the coordinator requires. */
  readonly source_type: "git" | "copy";
  /** URL of a git repository. */
  readonly source_url?: string;
  /** Branch, tag or commit. */
  readonly source_ref?: string;
  /** Path of a source of type `copy`. */
  readonly source_path?: string;
}

/**
 * Creates a job. The request is sent once: the coordinator would create another
 * job each time.
 *
 * @throws {CoordinatorError} `coordinator-forbidden` or `coordinator-failed`. If
 * the failure is transient, the job may have been created.
 */
export async function createJob(
  client: CoordinatorClient,
  job: NewJob,
): Promise<CoordinatorJob> {
  const action = "create a job at";
  const { value } = await client.send({
    action,
    method: "POST",
    path: "/api/v1/jobs",
    body: new TextEncoder().encode(JSON.stringify(job)),
    success: 201,
    isOnce: true,
  });
  if (isJob(value)) return value;
  throw new CoordinatorError(
    `Cannot ${action} "${client.url}": its response is not a job`,
    { code: "coordinator-failed", status: 201, isTransient: true },
  );
}

/**
 * Finds recently created jobs by their description, the newest first.
 *
 * @throws {RunnerError} `coordinator-forbidden` or `coordinator-failed`.
 */
export async function findJobs(
  client: CoordinatorClient,
  description: string,
): Promise<CoordinatorJob[]> {
  return await search(client, {
    collection: "jobs",
    isItem: isJob,
    isWanted: (job) => job.description === description,
  });
}

/**
 * Finds a recent workflow by the ID of its document.
 *
 * @returns The workflow; `undefined` if there is none.
 * @throws {RunnerError} `coordinator-forbidden` or `coordinator-failed`.
 */
export async function findWorkflow(
  client: CoordinatorClient,
  operationId: string,
): Promise<CoordinatorWorkflow | undefined> {
  const [match] = await search(client, {
    collection: "workflows",
    isItem: isWorkflow,
    isWanted: (workflow) => workflow.trigger_operation_id === operationId,
  });
  return match;
}

async function search<Item>(
  client: CoordinatorClient,
  { collection, isItem, isWanted }: {
    collection: "jobs" | "workflows";
    isItem: (value: unknown) => value is Item;
    isWanted: (item: Item) => boolean;
  },
): Promise<Item[]> {
  let count = 0;
  const pages = readPages(client, { collection, filter: {}, isItem });
  for await (const page of pages) {
    const matches = page.filter(isWanted);
    if (matches.length > 0 || ++count >= MAX_SEARCHED_PAGES) return matches;
  }
  return [];
}

/**
 * Reads a workflow.
 *
 * @throws {RunnerError} `coordinator-forbidden` or `coordinator-failed`.
 */
export async function readWorkflowState(
  client: CoordinatorClient,
  id: string,
): Promise<CoordinatorWorkflow> {
  const action = `read workflow "${id}" from`;
  const { value } = await client.send({
    action,
    method: "GET",
    path: workflowPath(id),
    success: 200,
  });
  if (isWorkflow(value)) return value;
  throw new RunnerError(
    `Cannot ${action} "${client.url}": its response is not a workflow`,
    { code: "coordinator-failed" },
  );
}

/**
 * Cancels a workflow with all of its jobs. Programs get a signal and time to
 * end.
 *
 * @throws {RunnerError} `coordinator-forbidden` or `coordinator-failed`.
 */
export async function cancelWorkflow(
  client: CoordinatorClient,
  id: string,
): Promise<void> {
  await client.send({
    action: `cancel workflow "${id}" at`,
    method: "PUT",
    path: `${workflowPath(id)}/cancel`,
    success: 200,
  });
}

/**
 * Cancels or kills a job.
 *
 * @param action `cancel` gives programs time to end, `kill` does not.
 * @throws {RunnerError} `coordinator-forbidden` or `coordinator-failed`, also if
 * the job has ended.
 */
export async function endJob(
  client: CoordinatorClient,
  id: string,
  action: "cancel" | "kill",
): Promise<void> {
  await client.send({
    action: `${action} job "${id}" at`,
    method: action === "cancel" ? "PUT" : "POST",
    path: `${jobPath(id)}/${action}`,
    success: 200,
  });
}

/**
 * Reads the log of a job so far.
 *
 * @returns All lines of the stream, which grow at their end; `undefined` if
 * the job has no log.
 * @throws {RunnerError} `coordinator-forbidden` or `coordinator-failed`.
 */
export async function readJobLog(
  client: CoordinatorClient,
  id: string,
  stream: "stdout" | "stderr",
): Promise<readonly CoordinatorLogLine[] | undefined> {
  const action = `read the log of job "${id}" from`;
  try {
    const { value } = await client.send({
      action,
      method: "GET",
      path: `${jobPath(id)}/logs?stream=${stream}`,
      success: 200,
    });
    // Go writes an empty list as `null`.
    const lines = value ?? [];
    if (Array.isArray(lines) && lines.every(isLogLine)) return lines;
  } catch (error) {
    if (error instanceof CoordinatorError && error.status === 404) {
      return undefined;
    }
    throw error;
  }
  throw new RunnerError(
    `Cannot ${action} "${client.url}": its response is not a log`,
    { code: "coordinator-failed" },
  );
}

function isLogLine(value: unknown): value is CoordinatorLogLine {
  return isObject(value) && typeof value.timestamp === "string" &&
    typeof value.message === "string";
}

function isWorkflow(value: unknown): value is CoordinatorWorkflow {
  const open = [value];
  // Workflows can nest deeper than functions can call themselves.
  for (let count = 0; open.length > 0; count++) {
    const workflow = open.pop();
    if (!isObject(workflow) || count >= MAX_WORKFLOWS) return false;
    const { workflow_id, name, status, children } = workflow;
    const isValid = [workflow_id, name, status]
      .every((text) => typeof text === "string") &&
      OPTIONAL_TEXTS.every((key) => typeof (workflow[key] ?? "") === "string");
    if (!isValid || !Array.isArray(children ?? [])) return false;
    for (const child of children as unknown[] ?? []) open.push(child);
  }
  return true;
}

/** Properties that may be missing or `null`. */
const OPTIONAL_TEXTS = [
  ...["trigger_operation_id", "parent_job_id", "origin_job_id"],
] as const;
