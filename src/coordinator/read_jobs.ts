import { RunnerError } from "../errors.ts";
import type { CoordinatorClient } from "./client.ts";
import { jobPathOf } from "./coordinator_url.ts";

/** Most jobs that the coordinator gives at once. */
const PAGE_SIZE = 100;

/** Most pages that are read; more are more jobs than anybody looks through. */
const MOST_PAGES = 10_000;

/** What the coordinator tells of a job, as far as the runner needs it. */
export interface JobRecord {
  /** Id of the job. */
  readonly job_id: string;
  /** Name of the job; all instances of a fan-out have the same. */
  readonly name: string;
  /** Where in its life the job is. */
  readonly status: string;
  /** When the job was made, as RFC 3339. */
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

/** Which jobs are asked for; all of the organisation without a filter. */
export interface JobFilter {
  /** Only those of that workflow. */
  readonly workflow_id?: string;
  /** Only those of that project. */
  readonly project_id?: string;
}

/**
 * Reads one job.
 *
 * @param client Way to the coordinator, with a token that may read.
 * @param id Id of the job.
 * @returns What the coordinator tells of it.
 * @throws {RunnerError} `coordinator-forbidden` or `coordinator-failed`.
 */
export async function readJob(
  client: CoordinatorClient,
  id: string,
): Promise<JobRecord> {
  const { value } = await client.send({
    action: `read job "${id}" from`,
    method: "GET",
    path: jobPathOf(id),
    success: 200,
  });
  if (isJob(value)) return value;
  throw unreadable(client);
}

/**
 * Reads all jobs of a kind, page by page.
 *
 * Jobs that are made meanwhile move others to the next page, so each is
 * counted once.
 *
 * @param client Way to the coordinator, with a token that may read.
 * @param filter Which jobs.
 * @returns The jobs, in no order that could be relied on.
 * @throws {RunnerError} `coordinator-forbidden` or `coordinator-failed`.
 */
export async function listJobs(
  client: CoordinatorClient,
  filter: JobFilter,
): Promise<JobRecord[]> {
  const jobs = new Map<string, JobRecord>();
  for (let page = 0; page < MOST_PAGES; page++) {
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
    // The total is that of the page for some tokens: only a short page tells the end.
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
    .every((it) => typeof it === "string");
}

function unreadable(client: CoordinatorClient): RunnerError {
  return new RunnerError(
    `Cannot read jobs from "${client.url}": its answer is not understood`,
    { code: "coordinator-failed" },
  );
}
