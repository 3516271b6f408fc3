import type { StepLog } from "../output/job_log.ts";
import { withoutSequences } from "../terminal/text.ts";
import type { RunState } from "./run_state.ts";

/** Maximum number of lines of output that are searched for messages of git. */
const SEARCHED_LINES = 1_000;

/**
 * Explains a failed command to the user if git reported missing history.
 *
 * @param log Log of the command.
 * @returns The logged explanation; `undefined` if git reported nothing.
 */
export type HistoryHint = (log: StepLog) => string | undefined;

/**
 * Creates a function that explains failures of commands which need more history
 * than was fetched. Output is searched only after a command has failed.
 *
 * @param run The run, after its sources were prepared.
 * @returns The function; `undefined` if the history is complete.
 */
export async function historyHint(
  { sourcePath, ci, runner: { logger } }: RunState,
): Promise<HistoryHint | undefined> {
  const paths = [sourcePath, ci.path].filter((path) => path !== undefined);
  if (paths.length === 0) return undefined;
  const git = await import("../source/git/history.ts");
  const arePartial = await Promise.all(paths.map(git.isPartial));
  if (!arePartial.includes(true)) return undefined;
  let isLogged = false;
  return (log) => {
    const lines = log.tail(SEARCHED_LINES).map(withoutSequences);
    if (!git.missesHistory(lines)) return undefined;
    if (!isLogged) logger.warn("source", git.MISSING_HISTORY);
    isLogged = true;
    return git.MISSING_HISTORY;
  };
}
