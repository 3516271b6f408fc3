import { gitError } from "./failure.ts";
import { gitReason } from "./reason.ts";
import type { Repository } from "./repository.ts";
import type { Retry } from "./retry.ts";

/** What `git lfs install` would write, so that it need not have been run. */
const LFS_FILTER = [
  "filter.lfs.clean=git-lfs clean -- %f",
  "filter.lfs.smudge=git-lfs smudge -- %f",
  "filter.lfs.process=git-lfs filter-process",
  "filter.lfs.required=true",
].flatMap((option) => ["-c", option]);

/**
 * Puts files of Git LFS into the place of their pointers, if the commit that is
 * checked out has any.
 *
 * @param repository Repository.
 * @param retry Does what connects.
 * @throws {RunnerError} With code `source-failed`, if there are such files and
 * `git-lfs` is not installed, or they cannot be fetched.
 */
export async function fetchLfs(
  repository: Repository,
  retry: Retry,
): Promise<void> {
  const { git, url, shownUrl } = repository;
  const { exitCode } = await git([
    ...["grep", "--quiet", "--extended-regexp", "-e", "filter=lfs( |$)", "--"],
    ...[".gitattributes", "*/.gitattributes"],
  ]);
  if (exitCode !== 0) return;
  const action = `fetch the files in Git LFS of "${shownUrl}"`;
  if ((await git(["lfs", "version"])).exitCode !== 0) {
    throw gitError(action, "git-lfs is not installed");
  }
  const result = await retry(() => git([...LFS_FILTER, "lfs", "pull"]));
  if (result.exitCode !== 0) throw gitError(action, gitReason(result, url));
}
