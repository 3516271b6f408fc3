import type { JobConfig } from "../config/job_config.ts";
import type { Workspace } from "../workspace/layout.ts";

/** Longest line that every worker takes, in bytes: one of them reads no more than 64 KiB. */
const WORKER_LINE_BYTES = 60_000;

/**
 * Finds the longest line that is printed.
 *
 * @param config Configuration of the job.
 * @param workspace Where the job's files are.
 * @returns Bytes, without the line break; `undefined` for no limit.
 */
export function maxLineBytes(
  { maxLineBytes }: JobConfig,
  { inContainer }: Workspace,
): number | undefined {
  return maxLineBytes ?? (inContainer ? WORKER_LINE_BYTES : undefined);
}
