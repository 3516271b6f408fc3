import type { JobConfig } from "../config/job_config.ts";
import { TriggerQueue } from "../triggers/queue.ts";
import type { Trigger } from "../triggers/trigger.ts";
import { flushTriggers } from "./flush_triggers.ts";
import type { FlushTriggers } from "./job_options.ts";
import type { JobRun } from "./job_run.ts";

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
