import { TriggerQueue } from "../triggers/queue.ts";
import type { Trigger, TriggerOptions } from "../triggers/trigger.ts";
import { triggerOptionsFromEnv } from "./trigger_options.ts";
import { flushTriggers } from "./flush_triggers.ts";
import type { RunnerParts } from "./runner_parts.ts";

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
 * @param parts What the runner owns.
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
