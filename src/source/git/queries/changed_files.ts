import {
  type GitQuery,
  type GitQueryOptions,
  openQuery,
  resolveRevision,
} from "./open_query.ts";
import { isHistoryBetweenKnown } from "../history.ts";
import { missingHistory } from "./query_error.ts";
import { historyOf, withHistory } from "./with_history.ts";
import { wholeOutput } from "./whole_output.ts";

/** Options for {@linkcode changedFiles}. */
export interface ChangedFilesOptions extends GitQueryOptions {
  /**
   * Revision with which the base is compared.
   *
   * @default {"HEAD"}
   */
  head?: string;
  /**
   * Whether a base from which the histories have parted counts as it was when
   * they did, so that what others changed there since is left out.
   *
   * @default {true}
   */
  mergeBase?: boolean;
}

/**
 * Lists the files that differ between two revisions; a renamed one under both
 * of its names.
 *
 * An empty list means that nothing differs. What cannot be known, because a
 * revision or the history between the two was not fetched, is an error.
 *
 * @param base Revision with which the comparison begins.
 * @param options Additional options.
 * @returns Paths, relative to the top of the repository.
 * @throws {RunnerError} With code `source-failed`, if it cannot be known.
 */
export async function changedFiles(
  base = "HEAD^",
  options: ChangedFilesOptions = {},
): Promise<string[]> {
  const { head = "HEAD", mergeBase = true } = options;
  using query = await openQuery(options);
  const action = `compare "${base}" with "${head}"`;
  const [from, to] = await withHistory(
    query,
    options,
    [head, base],
    async () => {
      const to = await resolveRevision(query, head);
      const from = await resolveRevision(query, base);
      return mergeBase
        ? [await commonCommit(query, from, to, action), to]
        : [from, to];
    },
  );
  const result = await query.git(
    ...["diff-tree", "-r", "-z", "--name-only", "--no-renames"],
    // A submodule may ask not to be looked at.
    ...["--no-ext-diff", "--ignore-submodules=none"],
    from,
    to,
  );
  const names = wholeOutput(result, action);
  return names.split("\0").slice(0, -1);
}

async function commonCommit(
  query: GitQuery,
  base: string,
  head: string,
  action: string,
): Promise<string> {
  const { exitCode, stdout } = await query.git("merge-base", base, head);
  const isKnown = await isHistoryBetweenKnown(historyOf(query), base, head);
  if (exitCode === 0 && isKnown) return stdout.trim();
  throw missingHistory(
    action,
    "the commit at which they parted is not known here",
  );
}
