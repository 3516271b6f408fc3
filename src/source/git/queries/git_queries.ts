import { type GitInfo, gitInfo } from "./git_info.ts";
import type { GitQueryOptions } from "./open_query.ts";
import {
  changedFiles,
  type ChangedFilesOptions,
  type CommitInfo,
  commitsBetween,
  type CommitsBetweenOptions,
  fileAtRef,
  type FileAtRefOptions,
} from "./revisions.ts";

/**
 * Queries of a git repository. They never run or follow anything that the
 * repository configures.
 */
export interface Git {
  /**
   * Lists the files that differ between two revisions; a renamed file with both
   * names. An empty list means that nothing differs: if history is missing, an
   * error is thrown instead.
   *
   * @param base Revision to compare with. @default {"HEAD^"}
   * @param options Additional options.
   * @returns Paths relative to the top of the repository.
   * @throws {RunnerError} `source-failed`, if a revision or the history between
   * the two was not fetched.
   */
  changedFiles(base?: string, options?: ChangedFilesOptions): Promise<string[]>;
  /**
   * Lists the commits that one revision has and another one does not, newest
   * first.
   *
   * @param base Revision whose commits are excluded.
   * @param options Additional options.
   * @returns The commits.
   * @throws {RunnerError} `source-failed`, if a revision or part of the history
   * was not fetched.
   */
  commitsBetween(
    base: string,
    options?: CommitsBetweenOptions,
  ): Promise<CommitInfo[]>;
  /**
   * Reads a file at a revision.
   *
   * @param ref Revision.
   * @param path Path relative to the top of the repository.
   * @param options Additional options.
   * @returns Text of the file, or the target of a symbolic link; `undefined` if
   * the revision has no such file.
   * @throws {RunnerError} `source-failed`, if the revision was not fetched or
   * the file is larger than 16 MiB.
   */
  fileAtRef(
    ref: string,
    path: string,
    options?: FileAtRefOptions,
  ): Promise<string | undefined>;
  /**
   * Describes the current checkout.
   *
   * @param options Additional options.
   * @returns The checkout; every field is `null` outside a repository.
   * @throws {RunnerError} `source-failed`, if git is not installed.
   */
  info(options?: GitQueryOptions): Promise<GitInfo>;
}

/**
 * Queries of a git repository.
 *
 * @example Build the documentation only if it changed
 * ```ts
 * import { git } from "@reactorcide/runnerlib";
 * import { assertEquals } from "@std/assert";
 *
 * const files = await git.changedFiles("origin/main", { directory: "/nowhere" })
 *   .catch(() => undefined);
 *
 * // Build it as well if it is unknown what changed.
 * const isBuilt = files?.some((file) => file.startsWith("docs/")) ?? true;
 * assertEquals(isBuilt, true);
 * ```
 */
export const git: Git = {
  changedFiles,
  commitsBetween,
  fileAtRef,
  info: gitInfo,
};
