import type { JobConfig } from "../config/job_config.ts";
import { TriggerQueue } from "../triggers/queue.ts";
import type { Trigger, TriggerOptions } from "../triggers/trigger_options.ts";
import {
  flushTriggers,
  triggerOptionsFromEnv,
} from "../triggers/flush_triggers.ts";
import type { FlushTriggers } from "./run_job_options.ts";
import type { RunState } from "./run_state.ts";
import type { RunnerContext } from "./runner_context.ts";
import { recordFailure } from "./job_result.ts";

/**
 * Submits or discards the follow-up jobs of a job. If one is refused, the job
 * fails, and the others are submitted.
 *
 * @param when When to submit follow-up jobs.
 * @returns The follow-up jobs that were submitted.
 * @throws {RunnerError} If submitting fails.
 */
export async function submitQueuedJobs(
  run: RunState,
  config: JobConfig,
  when: FlushTriggers,
): Promise<readonly Trigger[]> {
  const { runner, error, cancellation } = run;
  const queue = runner.triggers ?? new TriggerQueue();
  if (when === "always" || when === "success" && error === undefined) {
    const { triggers, refusal } = await flushTriggers(runner, queue, {
      file: config.triggers.file,
      transport: config.triggers.transport,
      coordinatorTimeoutMs: config.triggers.coordinatorTimeoutMs,
      allowInsecureTransport: runner.allowInsecureTransport,
      // With "always", follow-up jobs are submitted after a cancellation as
      // well.
      signal: when === "always" ? cancellation.forced : cancellation.graceful,
    });
    if (refusal) recordFailure(run, refusal);
    return triggers;
  }
  if (when === "never" || queue.size === 0) return [];
  const text = queue.pending.map(({ name }) => name).join(", ");
  runner.logger.warn(
    "triggers",
    `Follow-up jobs discarded because the job failed: ${text}`,
  );
  queue.clear();
  return [];
}

/** Collects the follow-up jobs of one function. */
export interface TriggerBatch {
  /**
   * Adds a follow-up job.
   *
   * @param name Name of the follow-up job.
   * @param options Properties of the follow-up job.
   * @throws {RunnerError} `invalid-trigger`, with all problems.
   */
  readonly triggerJob: (name: string, options?: TriggerOptions) => void;
  /**
   * Adds several follow-up jobs; if one is invalid, none is added.
   *
   * @param triggers Follow-up jobs.
   * @throws {RunnerError} `invalid-trigger`, with all problems.
   */
  readonly triggerJobs: (triggers: readonly Trigger[]) => void;
}

/**
 * Calls a function and, if it succeeds, submits all follow-up jobs that it
 * added in one request.
 *
 * @param action The function.
 * @returns Return value of the function.
 * @throws {RunnerError} If a follow-up job is refused or submitting fails.
 * @throws {unknown} The error of the function.
 */
export async function withTriggers<T>(
  runner: RunnerContext,
  action: (triggers: TriggerBatch) => T | Promise<T>,
): Promise<T> {
  const queue = new TriggerQueue();
  const options = triggerOptionsFromEnv(runner);
  const result = await action({
    triggerJob: (name, options = {}) => queue.add({ ...options, name }),
    triggerJobs: (triggers) => queue.addAll(triggers),
  });
  // Triggers that steps left in the file belong to the enclosing job.
  if (queue.size > 0) {
    await flushTriggers(runner, queue, { ...options, isAtomic: true });
  }
  return result;
}
