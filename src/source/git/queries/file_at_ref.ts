import { CAPTURE_LIMIT_BYTES } from "../../../process/capture.ts";
import {
  type GitQueryOptions,
  openQuery,
  resolveRevision,
} from "./open_query.ts";
import { queryError } from "./query_error.ts";
import { wholeOutput } from "./whole_output.ts";
import { withHistory } from "./with_history.ts";

/** Options for {@linkcode fileAtRef}. */
export type FileAtRefOptions = GitQueryOptions;

/**
 * Reads a file as it is in a revision, whatever is in the work tree.
 *
 * In a partial clone, the content of the file may not be there. It is not
 * fetched: use `git fetch` or `git show` for that.
 *
 * @param ref Revision.
 * @param path Path, relative to the top of the repository.
 * @param options Additional options.
 * @returns Text of the file, of a symbolic link its target; `undefined` if the
 * revision has no such file.
 * @throws {RunnerError} With code `source-failed`, if the revision is not known
 * here, or the file has more than 16 MiB.
 */
export async function fileAtRef(
  ref: string,
  path: string,
  options: FileAtRefOptions = {},
): Promise<string | undefined> {
  const action = `read ${JSON.stringify(path)} at "${ref}"`;
  if (path === "" || path.includes("\0")) {
    throw queryError(action, "not a path");
  }
  using query = await openQuery(options);
  const commit = await withHistory(
    query,
    options,
    [ref],
    () => resolveRevision(query, ref),
  );
  const listed = await query.git(
    ...["--literal-pathspecs", "ls-tree", "-z", "--full-tree", commit, "--"],
    path.replace(/\/+$/, ""),
  );
  const [, type, id] =
    /^\d+ (\w+) ([0-9a-f]+)\t/.exec(wholeOutput(listed, action)) ?? [];
  if (type !== "blob") return undefined;
  const size = await query.git("cat-file", "-s", id);
  if (size.exitCode !== 0) {
    throw queryError(action, "its content was not fetched");
  }
  if (Number(size.stdout) > CAPTURE_LIMIT_BYTES) {
    throw queryError(action, "it is larger than 16 MiB");
  }
  return wholeOutput(await query.git("cat-file", "blob", id), action);
}
