import type { JobConfig } from "../config/job_config.ts";
import { TriggerQueue } from "../triggers/queue.ts";
import type { Trigger } from "../triggers/trigger.ts";
import { flushTriggers } from "./flush_triggers.ts";
import type { FlushTriggers } from "./job_options.ts";
import type { JobRun } from "./job_run.ts";

/**
 * Hands the follow-up jobs of a job over, if it is to have any.
 *
 * @param run The run.
 * @param config Configuration of the job.
 * @param when When they are handed over.
 * @returns The follow-up jobs.
 * @throws {RunnerError} If they cannot be handed over.
 */
export async function handOver(
  run: JobRun,
  config: JobConfig,
  when: FlushTriggers,
): Promise<readonly Trigger[]> {
  const { parts, error, cancellation } = run;
  const queue = parts.triggers ?? new TriggerQueue();
  if (when === "always" || when === "success" && error === undefined) {
    return await flushTriggers(parts, queue, {
      file: config.triggers.file,
      transport: config.triggers.transport,
      coordinatorTimeoutMs: config.triggers.coordinatorTimeoutMs,
      allowInsecureTransport: parts.allowInsecureTransport,
      // What is handed over in any case is so after a cancellation, too.
      signal: when === "always" ? cancellation.insisted : cancellation.asked,
    });
  }
  if (when === "never" || queue.size === 0) return [];
  const text = queue.pending.map(({ name }) => name).join(", ");
  parts.logger.warn("triggers", `Not handed over, as the job failed: ${text}`);
  queue.clear();
  return [];
}
