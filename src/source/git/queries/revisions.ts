import { CAPTURE_LIMIT_BYTES } from "../../../process/capture.ts";
import { isHistoryBetweenKnown } from "../history.ts";
import {
  type GitQuery,
  type GitQueryOptions,
  openQuery,
  resolveRevision,
} from "./open_query.ts";
import { completeOutput, missingHistory } from "./run_query.ts";
import { partialHistory, withHistory } from "./fetch_missing_history.ts";
import { sourceError } from "../../source.ts";

/** Options for {@linkcode changedFiles}. */
export interface ChangedFilesOptions extends GitQueryOptions {
  /**
   * Revision to compare with the base.
   *
   * @default {"HEAD"}
   */
  head?: string;
  /**
   * Whether to compare with the merge base, which excludes later changes of the
   * base branch.
   *
   * @default {true}
   */
  mergeBase?: boolean;
}

/** Implements {@linkcode Git.changedFiles}. */
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
    // A submodule's own configuration could hide it.
    ...["--no-ext-diff", "--ignore-submodules=none"],
    from,
    to,
  );
  const names = completeOutput(result, action);
  return names.split("\0").slice(0, -1);
}

async function commonCommit(
  query: GitQuery,
  base: string,
  head: string,
  action: string,
): Promise<string> {
  const { exitCode, stdout } = await query.git("merge-base", base, head);
  const isKnown = await isHistoryBetweenKnown(
    partialHistory(query),
    base,
    head,
  );
  if (exitCode === 0 && isKnown) return stdout.trim();
  throw missingHistory(
    action,
    "their common ancestor was not fetched",
  );
}

/** Options for {@linkcode commitsBetween}. */
export interface CommitsBetweenOptions extends GitQueryOptions {
  /**
   * Revision whose commits are listed.
   *
   * @default {"HEAD"}
   */
  head?: string;
}

/** A commit that {@linkcode commitsBetween} lists. */
export interface CommitInfo {
  /** ID of the commit. */
  readonly id: string;
  /** IDs of the parents; a merge has several. */
  readonly parents: readonly string[];
  /** Name of the author. */
  readonly author: string;
  /** Email address of the author. */
  readonly email: string;
  /** Time of the commit, in milliseconds since 1970. */
  readonly committedAt: number;
  /** First line of the message. */
  readonly subject: string;
}

/** Implements {@linkcode Git.commitsBetween}. */
export async function commitsBetween(
  base: string,
  options: CommitsBetweenOptions = {},
): Promise<CommitInfo[]> {
  const { head = "HEAD" } = options;
  using query = await openQuery(options);
  const action = `list the commits from "${base}" to "${head}"`;
  const [from, to] = await withHistory(
    query,
    options,
    [head, base],
    async () => {
      const from = await resolveRevision(query, base);
      const to = await resolveRevision(query, head);
      if (await isHistoryBetweenKnown(partialHistory(query), from, to)) {
        return [from, to];
      }
      throw missingHistory(action, "part of the history was not fetched");
    },
  );
  const result = await query.git(
    ...["log", "-z", "--no-show-signature", "--encoding=UTF-8", "--no-mailmap"],
    ...["--format=%H%n%P%n%an%n%ae%n%ct%n%s", `^${from}`, to, "--"],
  );
  return completeOutput(result, action).split("\0")
    .filter((text) => text !== "").map(readCommit);
}

function readCommit(text: string): CommitInfo {
  const [id, parents, author, email, time, ...subject] = text.split("\n");
  return {
    id,
    parents: parents === "" ? [] : parents.split(" "),
    author,
    email,
    committedAt: Number(time) * 1_000,
    subject: subject.join("\n").trimEnd(),
  };
}

/** Options for {@linkcode fileAtRef}. */
export type FileAtRefOptions = GitQueryOptions;

/** Implements {@linkcode Git.fileAtRef}. */
export async function fileAtRef(
  ref: string,
  path: string,
  options: FileAtRefOptions = {},
): Promise<string | undefined> {
  const action = `read ${JSON.stringify(path)} at "${ref}"`;
  if (path === "" || path.includes("\0")) {
    throw sourceError(action, "not a path");
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
    /^\d+ (\w+) ([0-9a-f]+)\t/.exec(completeOutput(listed, action)) ?? [];
  if (type !== "blob") return undefined;
  const size = await query.git("cat-file", "-s", id);
  if (size.exitCode !== 0) {
    throw sourceError(action, "its contents were not fetched");
  }
  if (Number(size.stdout) > CAPTURE_LIMIT_BYTES) {
    throw sourceError(action, "it is larger than 16 MiB");
  }
  return completeOutput(await query.git("cat-file", "blob", id), action);
}
