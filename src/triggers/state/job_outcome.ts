import type { JsonValue } from "../trigger.ts";

/**
 * Where in its life a job is. What has not been started yet has no state: the
 * coordinator does not tell of it.
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

/** What is known of one instance of a job. */
export interface JobInstance {
  /** Name of the instance: that of the job, or `name[0]` in a fan-out. */
  readonly name: string;
  /** Where in its life it is. */
  readonly status: JobState;
  /** Exit code; `null` as long as there is none. */
  readonly exitCode: number | null;
  /** Why it failed, in the words of the coordinator; `null` if it did not. */
  readonly lastError: string | null;
  /** Id on the coordinator; `null` on a laptop. */
  readonly jobId: string | null;
  /** When it started, as RFC 3339. */
  readonly startedAt: string | null;
  /** When it ended, as RFC 3339. */
  readonly completedAt: string | null;
  /** Path of its logs on the coordinator; `null` on a laptop. */
  readonly logsUrl: string | null;
  /** Outputs, where they are known: on a laptop. */
  readonly outputs?: { readonly [key: string]: JsonValue };
}

/**
 * What is known of a job: the instance that decides, and all of them.
 *
 * A failed instance decides before one that runs, and that one before one
 * that succeeded.
 */
export interface JobOutcome extends JobInstance {
  /** Every instance of a fan-out; one for any other job. */
  readonly instances: readonly JobInstance[];
}

/** States of a job that is not over. */
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
 * Tells whether a job is not over yet.
 *
 * @param instance Instance of the job.
 * @returns Whether it has been started, or is about to be, and has not ended.
 */
export function isActive({ status }: JobInstance): boolean {
  return ACTIVE.has(status);
}

/**
 * Tells whether a text is a state that a job can have.
 *
 * @param status Text of unknown origin.
 * @returns Whether it is one; those of jobs that nobody started are none.
 */
export function isJobState(status: unknown): status is JobState {
  return DECIDING.includes(status as JobState);
}

/**
 * Makes one outcome of all instances of a job.
 *
 * @param name Name that was asked for.
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
 * Takes the index of a fan-out off the name of an instance.
 *
 * @param name Name of an instance: `build[0]`, say.
 * @returns Name of the job.
 */
export function jobNameOf(name: string): string {
  return name.replace(/\[\d+\]$/, "");
}
