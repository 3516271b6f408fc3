import type { Trigger } from "../triggers/trigger.ts";
import { osReason } from "../workspace/os_reason.ts";
import type { RunnerParts } from "./runner_parts.ts";

/**
 * Hands the queued follow-up jobs over and empties the queue.
 *
 * @param parts What the runner owns.
 * @param file Where they are written, as the job knows it.
 * @returns The follow-up jobs.
 * @throws {RunnerError} `invalid-trigger`, `output-failed` or `workspace`; the
 * queue is left as it is then.
 */
export async function flushTriggers(
  parts: RunnerParts,
  file: string,
): Promise<readonly Trigger[]> {
  const { triggers, workspace, logger } = parts;
  const { pending } = triggers;
  if (pending.length === 0) return [];
  const { guardPath } = await import("../workspace/guard.ts");
  const { writeTriggers } = await import("../triggers/triggers_file.ts");
  await Deno.mkdir(workspace.base, { recursive: true });
  const path = await guardPath(workspace.base, workspace.pathOf(file));
  await writeTriggers(path, pending);
  triggers.clear();
  logger.debug("triggers", `Wrote "${path}"`, { jobs: pending.length });
  return pending;
}

/**
 * Removes the follow-up jobs that an earlier run left on a laptop, where
 * nobody takes them away.
 *
 * @param parts What the runner owns.
 * @param file Where they are, as the job knows it.
 */
export async function dropStaleTriggers(
  parts: RunnerParts,
  file: string,
): Promise<void> {
  const { workspace, logger } = parts;
  if (workspace.inContainer || parts.jobCount > 1) return;
  try {
    await Deno.remove(workspace.pathOf(file));
    logger.debug("triggers", "Removed those of an earlier run");
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    // What is in the way of removing them is in the way of writing them, too.
    logger.debug(
      "triggers",
      `Kept those of an earlier run: ${osReason(error)}`,
    );
  }
}
