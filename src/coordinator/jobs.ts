import { isObject } from "../json_value.ts";
import { RunnerError } from "../errors.ts";
import { jobPath } from "./access.ts";
import {
  type ClientRequest,
  type CoordinatorClient,
  CoordinatorError,
} from "./client.ts";

/** Maximum number of jobs on a page. */
const PAGE_SIZE = 100;

/** Maximum number of pages of a list. */
const MAX_PAGES = 10_000;

/**
 * The properties of a job that the runner needs, as returned by the
 * coordinator.
 */
export interface CoordinatorJob {
  /** ID of the job. */
  readonly job_id: string;
  /** Name of the job; all instances of a fan-out share it. */
  readonly name: string;
  /** State of the job. */
  readonly status: string;
  /** Creation time, in the format of RFC 3339. */
  readonly created_at: string;
  /** Start time. */
  readonly started_at?: string;
  /** End time. */
  readonly completed_at?: string;
  /** Exit code of its command. */
  readonly exit_code?: number;
  /** Reason of a failure. */
  readonly last_error?: string;
  /** Project of the job. */
  readonly project_id?: string;
  /** Description, as given when the job was created. */
  readonly description?: string;
  /** Workflow of the job. */
  readonly workflow_id?: string;
  /** Job that submitted the workflow of this one, or that this one retries. */
  readonly parent_job_id?: string;
  /** Name of this instance in the workflow, such as `name` or `name[0]`. */
  readonly workflow_node_name?: string;
}

/** Filter for jobs; without one, all jobs of the organization match. */
export interface JobFilter {
  /** Workflow of the jobs. */
  readonly workflow_id?: string;
  /** Project of the jobs. */
  readonly project_id?: string;
}

/**
 * Reads one job.
 *
 * @param client Client with a token that can read jobs.
 * @throws {RunnerError} `coordinator-forbidden` or `coordinator-failed`.
 */
export async function readJob(
  client: CoordinatorClient,
  id: string,
): Promise<CoordinatorJob> {
  const action = `read job "${id}" from`;
  const { value } = await client.send({
    action,
    method: "GET",
    path: jobPath(id),
    success: 200,
  });
  if (isJob(value)) return value;
  throw new RunnerError(
    `Cannot ${action} "${client.url}": its response is not a job`,
    { code: "coordinator-failed" },
  );
}

/**
 * Reads all jobs that match a filter, page by page.
 *
 * New jobs can move others to the next page; each job is returned once.
 *
 * @param client Client with a token that can read jobs.
 * @returns The jobs, in no particular order.
 * @throws {RunnerError} `coordinator-forbidden` or `coordinator-failed`.
 */
export async function listJobs(
  client: CoordinatorClient,
  filter: JobFilter,
): Promise<CoordinatorJob[]> {
  const jobs = new Map<string, CoordinatorJob>();
  const pages = readPages(client, {
    collection: "jobs",
    filter,
    isItem: isJob,
  });
  for await (const page of pages) {
    for (const job of page) jobs.set(job.job_id, job);
  }
  return [...jobs.values()];
}

/** A list of the coordinator. */
export interface PagedList<Item> {
  /** Kind of the items: last part of the path, and key of the list. */
  readonly collection: "jobs" | "workflows";
  /** Filter, as parameters of the query. */
  readonly filter: Readonly<Record<string, string>> | JobFilter;
  /** Checks an item. */
  readonly isItem: (value: unknown) => value is Item;
}

/**
 * Reads a list page by page, the newest items first.
 *
 * @throws {RunnerError} `coordinator-forbidden` or `coordinator-failed`.
 */
export async function* readPages<Item>(
  client: CoordinatorClient,
  { collection, filter, isItem }: PagedList<Item>,
): AsyncGenerator<readonly Item[]> {
  for (let page = 0; page < MAX_PAGES; page++) {
    const query = new URLSearchParams({
      ...filter,
      limit: `${PAGE_SIZE}`,
      offset: `${page * PAGE_SIZE}`,
    });
    const { value } = await client.send({
      action: `read ${collection} from`,
      method: "GET",
      path: `/api/v1/${collection}?${query}`,
      success: 200,
    });
    // Go writes an empty list as `null`.
    const items = isObject(value) ? value[collection] ?? [] : undefined;
    if (!Array.isArray(items) || !items.every(isItem)) {
      throw new RunnerError(
        `Cannot read ${collection} from "${client.url}": its response is not a list of ${collection}`,
        { code: "coordinator-failed" },
      );
    }
    yield items;
    // For some tokens, the total in the response is that of the page. Only a short
    // page is certain to be the last one.
    if (items.length < PAGE_SIZE) return;
  }
  throw new RunnerError(
    `Cannot read ${collection} from "${client.url}": there are too many`,
    { code: "coordinator-failed" },
  );
}

/** Checks whether a value is a job as the coordinator returns it. */
export function isJob(value: unknown): value is CoordinatorJob {
  if (!isObject(value)) return false;
  const { job_id, name, status, created_at } = value;
  return [job_id, name, status, created_at]
    .every((value) => typeof value === "string") &&
    OPTIONAL_TEXTS.every((key) => typeof (value[key] ?? "") === "string");
}

/** Properties that may be missing or `null`. */
const OPTIONAL_TEXTS = [
  ...["started_at", "completed_at", "last_error", "description"],
  ...["workflow_id", "parent_job_id", "workflow_node_name"],
] as const;

/** Options for {@linkcode submitDocument}. */
export interface SubmitDocumentOptions {
  /** ID of the triggering job. */
  readonly jobId: string;
  /** The document with its operation ID, as JSON in UTF-8. */
  readonly body: Uint8Array<ArrayBuffer>;
  /**
   * Whether the document has a job without dependencies, which starts
   * immediately.
   */
  readonly startsAtOnce: boolean;
  /**
   * Whether the document was sent before without a response.
   *
   * @default {false}
   */
  readonly wasSent?: boolean;
}

/**
 * Submits a trigger document.
 *
 * After a failure that may be transient, the same bytes are sent again; if only
 * the response was lost, the coordinator knows the operation ID. A refusal is
 * final: since the coordinator queues jobs before it rolls back, each further
 * attempt would leave orphaned tasks in the queue.
 *
 * @param client Client with the token of the job.
 * @returns IDs of the started jobs.
 * @throws {RunnerError} `coordinator-forbidden` or `coordinator-failed`, also
 * if the coordinator accepted the document and started no job.
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
  const ids = readCreatedIds(value);
  // After an attempt whose response was lost, an empty list is correct.
  if (startsAtOnce && !wasSent && attempt === 1 && ids?.length === 0) {
    throw new CoordinatorError(
      `Cannot ${request.action} "${client.url}": it accepted the document and started no job`,
      { code: "coordinator-failed", status: request.success },
    );
  }
  return ids ?? [];
}

function readCreatedIds(value: unknown): string[] | undefined {
  if (!isObject(value)) return undefined;
  const ids = value.created_job_ids;
  return Array.isArray(ids)
    ? ids.filter((id) => typeof id === "string")
    : undefined;
}
