import type { JobConfig } from "../config/job_config.ts";
import { TriggerQueue } from "../triggers/queue.ts";
import type { Trigger, TriggerOptions } from "../triggers/trigger.ts";
import { flushTriggers, triggerOptionsFromEnv } from "./flush_triggers.ts";
import type { FlushTriggers } from "./run_job_options.ts";
import type { JobRun } from "./job_run.ts";
import type { RunnerParts } from "./runner_parts.ts";

/**
 * Submits the follow-up jobs of a job, or discards them. The job fails if one is
 * refused, and the other ones are submitted.
 *
 * @param run The run.
 * @param config Configuration of the job.
 * @param when When they are submitted.
 * @returns The follow-up jobs that were submitted.
 * @throws {RunnerError} If they cannot be submitted.
 */
export async function submitFollowUpJobs(
  run: JobRun,
  config: JobConfig,
  when: FlushTriggers,
): Promise<readonly Trigger[]> {
  const { parts, error, cancellation } = run;
  const queue = parts.triggers ?? new TriggerQueue();
  if (when === "always" || when === "success" && error === undefined) {
    const { triggers, refusal } = await flushTriggers(parts, queue, {
      file: config.triggers.file,
      transport: config.triggers.transport,
      coordinatorTimeoutMs: config.triggers.coordinatorTimeoutMs,
      allowInsecureTransport: parts.allowInsecureTransport,
      // What is submitted in any case is so after a cancellation, too.
      signal: when === "always" ? cancellation.forced : cancellation.graceful,
    });
    if (refusal) run.fail(refusal);
    return triggers;
  }
  if (when === "never" || queue.size === 0) return [];
  const text = queue.pending.map(({ name }) => name).join(", ");
  parts.logger.warn(
    "triggers",
    `Follow-up jobs discarded because the job failed: ${text}`,
  );
  queue.clear();
  return [];
}

/** Takes the follow-up jobs of one function. */
export interface TriggerBatch {
  /**
   * Adds a follow-up job.
   *
   * @param name Name of the follow-up job.
   * @param options Everything about the follow-up job but its name.
   * @throws {RunnerError} `invalid-trigger`, with everything that is wrong.
   */
  readonly triggerJob: (name: string, options?: TriggerOptions) => void;
  /**
   * Adds several follow-up jobs, or none of them if one is invalid.
   *
   * @param triggers Follow-up jobs.
   * @throws {RunnerError} `invalid-trigger`, with everything that is wrong.
   */
  readonly triggerJobs: (triggers: readonly Trigger[]) => void;
}

/**
 * Calls a function and submits the follow-up jobs that it adds, all at once and
 * only if it succeeds.
 *
 * @param parts The context of the runner.
 * @param action The function.
 * @returns What the function returns.
 * @throws {RunnerError} If one is refused, or they cannot be submitted.
 * @throws {unknown} Whatever the function throws.
 */
export async function withTriggers<T>(
  parts: RunnerParts,
  action: (triggers: TriggerBatch) => T | Promise<T>,
): Promise<T> {
  const queue = new TriggerQueue();
  const options = triggerOptionsFromEnv(parts);
  const result = await action({
    triggerJob: (name, options = {}) => queue.add({ ...options, name }),
    triggerJobs: (triggers) => queue.addAll(triggers),
  });
  // What steps have left is for the job around them, if there is one.
  if (queue.size > 0) {
    await flushTriggers(parts, queue, { ...options, isAtomic: true });
  }
  return result;
}
