import type { JsonValue } from "../../json.ts";

/** Prefix of the output in which a job publishes its result. */
const RESULT_PREFIX = "result@";

/** Maximum length of a published error. */
const MAX_ERROR_LENGTH = 200;

/**
 * State of a job. A job that was not started has none: the coordinator does not
 * list it.
 */
export type JobState =
  | "submitted"
  | "queued"
  | "running"
  | "cancelling"
  | "completed"
  | "failed"
  | "cancelled"
  | "timeout"
  | "skipped";

/** One instance of a job. */
export interface JobInstance {
  /** Name of the instance: that of the job, or `name[0]` in a fan-out. */
  readonly name: string;
  /** Its state. */
  readonly status: JobState;
  /** Exit code; `null` while there is none. */
  readonly exitCode: number | null;
  /** Why it failed, as the coordinator says; `null` if it did not. */
  readonly lastError: string | null;
  /** Id on the coordinator; `null` on a laptop. */
  readonly jobId: string | null;
  /** When it started, in the format of RFC 3339. */
  readonly startedAt: string | null;
  /** When it ended, in the format of RFC 3339. */
  readonly completedAt: string | null;
  /** Path of its logs on the coordinator; `null` on a laptop. */
  readonly logsUrl: string | null;
  /** Outputs, which are known on a laptop only. */
  readonly outputs?: { readonly [key: string]: JsonValue };
}

/**
 * A job: the instance that decides, and all of them. A failed instance decides
 * before one that runs, and that one before one that succeeded.
 */
export interface JobOutcome extends JobInstance {
  /** Every instance of a fan-out; one for any other job. */
  readonly instances: readonly JobInstance[];
}

/** States of a job that has not ended. */
const ACTIVE: ReadonlySet<JobState> = new Set([
  "submitted",
  "queued",
  "running",
  "cancelling",
]);

/** States in the order in which they decide for a fan-out. */
const DECIDING: readonly JobState[] = [
  ...["failed", "timeout", "cancelled"] as const,
  ...["cancelling", "running", "queued", "submitted"] as const,
  ...["completed", "skipped"] as const,
];

/**
 * Checks whether an instance was submitted and has not ended.
 *
 * @param instance Instance of a job.
 */
export function isActive({ status }: JobInstance): boolean {
  return ACTIVE.has(status);
}

/**
 * Checks whether a text is a state of a job.
 *
 * @param status Text of unknown origin.
 */
export function isJobState(status: unknown): status is JobState {
  return DECIDING.includes(status as JobState);
}

/**
 * Combines the instances of a job.
 *
 * @param name Name to return.
 * @param instances Instances, each once.
 * @returns The outcome; `null` without an instance.
 */
export function outcomeOf(
  name: string,
  instances: readonly JobInstance[],
): JobOutcome | null {
  const ranked = instances.toSorted((a, b) =>
    DECIDING.indexOf(a.status) - DECIDING.indexOf(b.status)
  );
  if (ranked.length === 0) return null;
  return { ...ranked[0], name, instances };
}

/**
 * Returns the name of the job of an instance: `build` for `build[0]`.
 *
 * @param name Name of the instance.
 */
export function jobNameOf(name: string): string {
  return name.replace(/\[\d+\]$/, "");
}

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
  return RESULT_PREFIX + runId;
}

/**
 * Writes the result of a job in the form in which it is published.
 *
 * @param result The result.
 * @returns The same, with a short reason.
 */
export function publishedResult(result: PublishedResult): PublishedResult {
  const { last_error } = result;
  return last_error !== undefined && last_error.length > MAX_ERROR_LENGTH
    ? { ...result, last_error: `${last_error.slice(0, MAX_ERROR_LENGTH)}…` }
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
  const prefix = `${jobNameOf(name)}.${RESULT_PREFIX}`;
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
