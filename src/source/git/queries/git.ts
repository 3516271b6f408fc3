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
 * Questions to a git repository. Nothing that the repository configures is run
 * or followed.
 */
export interface Git {
  /**
   * Lists the files that differ between two revisions; a renamed file under both
   * names. An empty list means that nothing differs: what cannot be known from
   * the history that was fetched is an error.
   *
   * @param base Revision to compare with. @default {"HEAD^"}
   * @param options Additional options.
   * @returns Paths relative to the top of the repository.
   * @throws {RunnerError} `source-failed`, if a revision or the history between
   * the two was not fetched.
   */
  changedFiles(base?: string, options?: ChangedFilesOptions): Promise<string[]>;
  /**
   * Lists the commits in the history of one revision that are not in the history
   * of another one, newest first.
   *
   * @param base Revision whose history is left out.
   * @param options Additional options.
   * @returns The commits.
   * @throws {RunnerError} `source-failed`, if a revision or a part of the history
   * was not fetched.
   */
  commitsBetween(
    base: string,
    options?: CommitsBetweenOptions,
  ): Promise<CommitInfo[]>;
  /**
   * Reads a file as it was at a revision.
   *
   * @param ref Revision.
   * @param path Path relative to the top of the repository.
   * @param options Additional options.
   * @returns Text of the file, or the target of a symbolic link; `undefined` if
   * the revision has no such file.
   * @throws {RunnerError} `source-failed`, if the revision was not fetched or the
   * file is larger than 16 MiB.
   */
  fileAtRef(
    ref: string,
    path: string,
    options?: FileAtRefOptions,
  ): Promise<string | undefined>;
  /**
   * Describes what is checked out.
   *
   * @param options Additional options.
   * @returns What is known; every field is `null` outside a repository.
   * @throws {RunnerError} `source-failed`, if git is not installed.
   */
  info(options?: GitQueryOptions): Promise<GitInfo>;
}

/**
 * Questions to a git repository.
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
