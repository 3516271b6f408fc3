import { isObject, type JsonValue } from "../json_value.ts";

/** Prefix of the output in which a job publishes its result. */
const RESULT_PREFIX = "result@";

/** Maximum length of a published error. */
const MAX_ERROR_LENGTH = 200;

/** State of a job. The coordinator does not list jobs that were not started. */
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
  /** State of the instance. */
  readonly status: JobState;
  /** Exit code; `null` if there is none yet. */
  readonly exitCode: number | null;
  /** Reason of a failure, as reported by the coordinator; otherwise `null`. */
  readonly lastError: string | null;
  /** Id on the coordinator; `null` on a laptop. */
  readonly jobId: string | null;
  /** Start time, in the format of RFC 3339. */
  readonly startedAt: string | null;
  /** End time, in the format of RFC 3339. */
  readonly completedAt: string | null;
  /** Path of its logs on the coordinator; `null` on a laptop. */
  readonly logsUrl: string | null;
  /** Outputs; known only on a laptop. */
  readonly outputs?: { readonly [key: string]: JsonValue };
}

/**
 * Result of a job: its decisive instance, and all instances. A failed instance
 * takes precedence over a running one, and a running one over a successful one.
 */
export interface JobOutcome extends JobInstance {
  /** All instances of a fan-out; a single one for other jobs. */
  readonly instances: readonly JobInstance[];
}

/** States of a job that has not ended. */
const ACTIVE: ReadonlySet<JobState> = new Set([
  "submitted",
  "queued",
  "running",
  "cancelling",
]);

/** States in the order of precedence in a fan-out. */
const STATE_PRECEDENCE: readonly JobState[] = [
  ...["failed", "timeout", "cancelled"] as const,
  ...["cancelling", "running", "queued", "submitted"] as const,
  ...["completed", "skipped"] as const,
];

/** Checks whether an instance was submitted and has not ended. */
export function isActive({ status }: JobInstance): boolean {
  return ACTIVE.has(status);
}

/**
 * Checks whether a text is a state of a job.
 *
 * @param status Untrusted text.
 */
export function isJobState(status: unknown): status is JobState {
  return STATE_PRECEDENCE.includes(status as JobState);
}

/**
 * Combines the instances of a job.
 *
 * @param instances Distinct instances.
 * @returns The outcome; `null` without an instance.
 */
export function outcomeOf(
  name: string,
  instances: readonly JobInstance[],
): JobOutcome | null {
  const ranked = instances.toSorted((a, b) =>
    STATE_PRECEDENCE.indexOf(a.status) - STATE_PRECEDENCE.indexOf(b.status)
  );
  if (ranked.length === 0) return null;
  return { ...ranked[0], name, instances };
}

/** Returns the name of the job of an instance: `build` for `build[0]`. */
export function jobNameOf(name: string): string {
  return name.replace(/\[\d+\]$/, "");
}

/** A result as published in the variables of a workflow. */
export interface PublishedResult {
  /** Outcome of the job. */
  readonly status: string;
  /** Exit code. */
  readonly exit_code: number;
  /** Reason of a failure. */
  readonly last_error?: string;
  /** Id on the coordinator. */
  readonly job_id?: string;
  /** Name of the instance. */
  readonly node_name?: string;
  /** Start time. */
  readonly started_at: string;
  /** End time; the newest result of an instance is used. */
  readonly completed_at: string;
}

/**
 * Returns the key of the output in which a job publishes its result.
 *
 * It is different for each run of a job, because setting a variable to a second
 * value would fail the whole workflow.
 *
 * @param runId Id of the run, from `RC_WF_RUN_ID`.
 */
export function resultKey(runId: string): string {
  return RESULT_PREFIX + runId;
}

/**
 * Converts the result of a job to the form for publishing.
 *
 * @returns The result with a truncated reason.
 */
export function publishedResult(result: PublishedResult): PublishedResult {
  const { last_error } = result;
  return last_error !== undefined && last_error.length > MAX_ERROR_LENGTH
    ? { ...result, last_error: `${last_error.slice(0, MAX_ERROR_LENGTH)}…` }
    : result;
}

/**
 * Finds the published results of a job, which requires no token.
 *
 * @param variables Variables of the workflow at the start of this job.
 * @param name Name of the job, or of one instance.
 * @returns Instances; none if the job has published no result.
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
  if (!isObject(value)) return undefined;
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
