import type { StepLog } from "../output/job_log.ts";
import type { JobRun } from "./job_run.ts";

/** Maximum number of lines of the output in which git's messages are looked for. */
const SEARCHED_LINES = 1_000;

/**
 * Explains a failed command to the user, if git says that it misses something.
 *
 * @param log Log of the command.
 * @returns What the log of the runner says; `undefined` if nothing.
 */
export type HistoryHint = (log: StepLog) => string | undefined;

/**
 * Creates what explains failures of commands that need more of the history than
 * was fetched. The output is looked at only once a command has failed.
 *
 * @param run The run, with its sources in their places.
 * @returns The function; `undefined` if nothing of the history is missing.
 */
export async function historyHint(
  { sourcePath, ciSourcePath, parts: { logger } }: JobRun,
): Promise<HistoryHint | undefined> {
  const paths = [sourcePath, ciSourcePath].filter((path) => path !== undefined);
  if (paths.length === 0) return undefined;
  const git = await import("../source/git/history.ts");
  const arePartial = await Promise.all(paths.map(git.isPartial));
  if (!arePartial.includes(true)) return undefined;
  let isSaid = false;
  return (log) => {
    if (!git.missesHistory(log.tail(SEARCHED_LINES))) return undefined;
    if (!isSaid) logger.warn("source", git.MISSING_HISTORY);
    isSaid = true;
    return git.MISSING_HISTORY;
  };
}
