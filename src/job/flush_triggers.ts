import type { Trigger } from "../triggers/trigger.ts";
import { writeTriggers } from "../triggers/triggers_file.ts";
import { guardPath } from "../workspace/guard.ts";
import { recordMade } from "../workspace/made.ts";
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
  const { triggers, workspace, logger, startedAt } = parts;
  if (triggers === undefined || triggers.size === 0) return [];
  const { pending } = triggers;
  await Deno.mkdir(workspace.base, { recursive: true });
  const path = await guardPath(workspace.base, workspace.pathOf(file));
  if (!workspace.inContainer) {
    await removeStale(path, startedAt);
    await recordMade(workspace, path);
  }
  await writeTriggers(path, pending);
  triggers.clear();
  logger.debug("triggers", `Wrote "${path}"`, { jobs: pending.length });
  return pending;
}

/**
 * Removes the follow-up jobs of an earlier run, which nobody takes away on a
 * laptop. Those of this run, whoever wrote them, stay.
 */
async function removeStale(path: string, startedAt: number): Promise<void> {
  const { mtime } = await Deno.stat(path).catch(() => ({ mtime: null }));
  if (mtime !== null && mtime.getTime() < startedAt) await Deno.remove(path);
}
