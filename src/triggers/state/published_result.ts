import { isJobState, type JobInstance, jobNameOf } from "./job_outcome.ts";

/** How an output is called in which a job publishes its result. */
const KEY = "result@";

/** Longest words of a failure that are published, in characters. */
const LONGEST_ERROR = 200;

/** A result as it stands in the variables of a workflow. */
export interface PublishedResult {
  /** How the job ended. */
  readonly status: string;
  /** Its exit code. */
  readonly exit_code: number;
  /** Why it failed. */
  readonly last_error?: string;
  /** Id on the coordinator. */
  readonly job_id?: string;
  /** Name of the instance. */
  readonly node_name?: string;
  /** When it started. */
  readonly started_at: string;
  /** When it ended; the newest result of an instance counts. */
  readonly completed_at: string;
}

/**
 * Names the output in which a job publishes its result.
 *
 * It differs for each run of a job: a variable that gets a second value makes
 * the whole workflow fail.
 *
 * @param runId Id of the run, from `RC_WF_RUN_ID`.
 * @returns Key of the output.
 */
export function resultKey(runId: string): string {
  return KEY + runId;
}

/**
 * Writes the result of a job in the form in which it is published.
 *
 * @param result The result.
 * @returns The same, with a short reason.
 */
export function publishedResult(result: PublishedResult): PublishedResult {
  const { last_error } = result;
  return last_error !== undefined && last_error.length > LONGEST_ERROR
    ? { ...result, last_error: `${last_error.slice(0, LONGEST_ERROR)}…` }
    : result;
}

/**
 * Finds the results that a job has published, which needs no token.
 *
 * @param variables Variables of the workflow, as they were when this job
 * was started.
 * @param name Name of the job, or of one instance.
 * @returns Instances; none if the job has published nothing.
 */
export function publishedInstances(
  variables: Readonly<Record<string, unknown>>,
  name: string,
): JobInstance[] {
  const newest = new Map<string, JobInstance>();
  const prefix = `${jobNameOf(name)}.${KEY}`;
  for (const [key, value] of Object.entries(variables)) {
    if (!key.startsWith(prefix)) continue;
    const instance = instanceOf(value, jobNameOf(name));
    if (instance === undefined) continue;
    if (name !== jobNameOf(name) && instance.name !== name) continue;
    const other = newest.get(instance.name);
    const isNewer = other === undefined ||
      instance.completedAt! > other.completedAt!;
    if (isNewer) newest.set(instance.name, instance);
  }
  return [...newest.values()];
}

function instanceOf(value: unknown, job: string): JobInstance | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const result = value as Partial<PublishedResult>;
  if (!isJobState(result.status)) return undefined;
  if (typeof result.completed_at !== "string") return undefined;
  const { job_id } = result;
  return {
    name: typeof result.node_name === "string" ? result.node_name : job,
    status: result.status,
    exitCode: typeof result.exit_code === "number" ? result.exit_code : null,
    lastError: result.last_error ?? null,
    jobId: job_id ?? null,
    startedAt: result.started_at ?? null,
    completedAt: result.completed_at,
    logsUrl: job_id === undefined ? null : `/api/v1/jobs/${job_id}/logs`,
  };
}
