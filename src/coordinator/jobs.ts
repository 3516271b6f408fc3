import { RunnerError } from "../errors.ts";
import { jobPath } from "./access.ts";
import {
  type ClientRequest,
  type CoordinatorClient,
  CoordinatorError,
} from "./client.ts";

/** Maximum number of jobs on a page. */
const PAGE_SIZE = 100;

const MAX_PAGES = 10_000;

/** A job as the coordinator returns it, as far as the runner needs it. */
export interface JobRecord {
  /** Id of the job. */
  readonly job_id: string;
  /** Name of the job; all instances of a fan-out have the same. */
  readonly name: string;
  /** State of the job. */
  readonly status: string;
  /** When the job was created, in the format of RFC 3339. */
  readonly created_at: string;
  /** When it started. */
  readonly started_at?: string;
  /** When it ended. */
  readonly completed_at?: string;
  /** Exit code of its command. */
  readonly exit_code?: number;
  /** Why it failed. */
  readonly last_error?: string;
  /** Project to which it belongs. */
  readonly project_id?: string;
  /** Workflow to which it belongs. */
  readonly workflow_id?: string;
  /** Name of this one instance in the workflow: `name`, or `name[0]`. */
  readonly workflow_node_name?: string;
}

/** Which jobs are returned; all of the organization without a filter. */
export interface JobFilter {
  /** Only those of that workflow. */
  readonly workflow_id?: string;
  /** Only those of that project. */
  readonly project_id?: string;
}

/**
 * Reads one job.
 *
 * @param client Client with a token that can read jobs.
 * @param id Id of the job.
 * @throws {RunnerError} `coordinator-forbidden` or `coordinator-failed`.
 */
export async function readJob(
  client: CoordinatorClient,
  id: string,
): Promise<JobRecord> {
  const { value } = await client.send({
    action: `read job "${id}" from`,
    method: "GET",
    path: jobPath(id),
    success: 200,
  });
  if (isJob(value)) return value;
  throw unreadable(client);
}

/**
 * Reads all jobs of a kind, page by page.
 *
 * Jobs that are created meanwhile move others to the next page; each job is
 * returned once.
 *
 * @param client Client with a token that can read jobs.
 * @param filter Which jobs.
 * @returns The jobs, in no particular order.
 * @throws {RunnerError} `coordinator-forbidden` or `coordinator-failed`.
 */
export async function listJobs(
  client: CoordinatorClient,
  filter: JobFilter,
): Promise<JobRecord[]> {
  const jobs = new Map<string, JobRecord>();
  for (let page = 0; page < MAX_PAGES; page++) {
    const query = new URLSearchParams({
      ...filter,
      limit: `${PAGE_SIZE}`,
      offset: `${page * PAGE_SIZE}`,
    });
    const { value } = await client.send({
      action: "read jobs from",
      method: "GET",
      path: `/api/v1/jobs?${query}`,
      success: 200,
    });
    const found = jobsIn(value);
    if (found === undefined) throw unreadable(client);
    for (const job of found) jobs.set(job.job_id, job);
    // For some tokens the total is that of the page: only a short page is the last.
    if (found.length < PAGE_SIZE) return [...jobs.values()];
  }
  throw new RunnerError(
    `Cannot read jobs from "${client.url}": there are too many`,
    { code: "coordinator-failed" },
  );
}

function jobsIn(page: unknown): JobRecord[] | undefined {
  if (typeof page !== "object" || page === null) return undefined;
  // An empty list of Go is `null`.
  const jobs = (page as { jobs?: unknown }).jobs ?? [];
  return Array.isArray(jobs) && jobs.every(isJob) ? jobs : undefined;
}

function isJob(value: unknown): value is JobRecord {
  if (typeof value !== "object" || value === null) return false;
  const { job_id, name, status, created_at } = value as Record<string, unknown>;
  return [job_id, name, status, created_at]
    .every((value) => typeof value === "string");
}

function unreadable(client: CoordinatorClient): RunnerError {
  return new RunnerError(
    `Cannot read jobs from "${client.url}": its answer is not a list of jobs`,
    { code: "coordinator-failed" },
  );
}

/** Options for {@linkcode submitDocument}. */
export interface SubmitDocumentOptions {
  /** Id of the job that triggers. */
  readonly jobId: string;
  /** The document, as JSON in UTF-8; it has an operation id. */
  readonly body: Uint8Array<ArrayBuffer>;
  /** Whether a job of the document waits for no other, and so starts at once. */
  readonly startsAtOnce: boolean;
  /**
   * Whether the document was sent before, and the answer may have been lost.
   *
   * @default {false}
   */
  readonly wasSent?: boolean;
}

/**
 * Submits a trigger document.
 *
 * After a failure that may be transient, the same bytes are sent again: if only
 * the answer was lost, the coordinator knows the operation id. A refusal is
 * final. The coordinator queues jobs before it rolls back, so that each further
 * attempt would leave tasks in the queue that belong to no job.
 *
 * @param client Client with the token of the job.
 * @param options The document.
 * @returns Ids of the jobs that were started.
 * @throws {RunnerError} `coordinator-forbidden` or `coordinator-failed`, also
 * if the coordinator took the document and started nothing.
 */
export async function submitDocument(
  client: CoordinatorClient,
  options: SubmitDocumentOptions,
): Promise<readonly string[]> {
  const { jobId, body, startsAtOnce, wasSent = false } = options;
  const request: ClientRequest = {
    action: "submit triggers to",
    method: "POST",
    path: `${jobPath(jobId)}/triggers`,
    body,
    success: 201,
  };
  const { value, attempt } = await client.send(request);
  const ids = createdIds(value);
  // After an attempt whose answer was lost, an empty list is the right answer.
  if (startsAtOnce && !wasSent && attempt === 1 && ids?.length === 0) {
    throw new CoordinatorError(
      `Cannot ${request.action} "${client.url}": it took the document and started no job`,
      { code: "coordinator-failed", status: request.success },
    );
  }
  return ids ?? [];
}

function createdIds(value: unknown): string[] | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const ids = (value as Record<string, unknown>).created_job_ids;
  return Array.isArray(ids)
    ? ids.filter((id) => typeof id === "string")
    : undefined;
}
