import { gitError } from "./failure.ts";
import type { FoundCommit } from "./fetch_commit.ts";
import { lfsFailure, type LfsMode, lfsSettings } from "./lfs.ts";
import { gitReason } from "./reason.ts";
import { commitOf, type Repository } from "./repository.ts";
import type { Retry } from "./retry.ts";

/** What {@linkcode checkOut} checks out, and how. */
export interface CheckOutRequest extends FoundCommit {
  /** Name that the user gave it. */
  readonly ref: string | undefined;
  /**
   * Directories that are checked out.
   *
   * @default {all of them}
   */
  readonly sparsePaths?: readonly string[];
  /**
   * Whether files in Git LFS are fetched.
   *
   * @default {"auto"}
   */
  readonly lfs?: LfsMode;
  /** Does what connects. */
  readonly retry: Retry;
}

/**
 * Fills the work tree with a commit and verifies `HEAD`.
 *
 * As in a clone, a branch is checked out by its name, with that of `origin` as
 * its upstream. For a tag or a commit, `HEAD` is detached.
 *
 * @param repository Repository that has the commit.
 * @param request What to check out.
 * @returns Id of the commit.
 * @throws {RunnerError} With code `source-failed`, if git fails.
 */
export async function checkOut(
  repository: Repository,
  request: CheckOutRequest,
): Promise<string> {
  const { git, url, shownUrl, gitDirectory } = repository;
  const { id, ref = "HEAD", sparsePaths, lfs = "auto", retry } = request;
  const branch = branchOf(request);
  const action = `check out "${ref}" of "${shownUrl}"`;
  // In a partial clone, it is now that files are fetched.
  const run = async (
    args: readonly string[],
    variables?: Readonly<Record<string, string>>,
  ) => {
    const result = await retry(() => git(args, variables));
    if (result.exitCode === 0) return;
    const failure = lfsFailure(result);
    if (failure !== undefined) {
      const action = `fetch the files in Git LFS of "${shownUrl}"`;
      throw gitError(action, gitReason(failure, url));
    }
    const isCommit = await commitOf(repository, id) !== undefined;
    throw gitError(
      action,
      isCommit ? gitReason(result, url) : "it does not name a commit",
    );
  };
  if (sparsePaths !== undefined) {
    await run(["sparse-checkout", "set", "--cone", ...sparsePaths]);
  }
  const { options, variables } = lfsSettings(lfs);
  await run([
    ...[...options, "checkout", "--quiet", "--force"],
    ...branch === undefined
      ? ["--detach", id]
      : ["-B", branch, "--track", `refs/remotes/origin/${branch}`],
    "--",
  ], variables);
  await writeDefaultBranch(repository, request);
  const file = branch === undefined ? "HEAD" : `refs/heads/${branch}`;
  const head = (await Deno.readTextFile(`${gitDirectory}/${file}`)).trim();
  // The one call of git is spared unless a tag stands for the commit.
  if (head !== id && head !== await commitOf(repository, id)) {
    throw gitError(action, `git left HEAD at ${head}`);
  }
  return head;
}

/** Name of the branch that is checked out; git accepts fewer than servers do. */
function branchOf({ name }: FoundCommit): string | undefined {
  const [, branch] = /^refs\/heads\/(.+)$/.exec(name ?? "") ?? [];
  return branch === undefined || /^(?:-.*|@|HEAD)$/.test(branch)
    ? undefined
    : branch;
}

/** As in a clone, `origin/HEAD` stands for the default branch. */
async function writeDefaultBranch(
  { gitDirectory }: Repository,
  { defaultBranch }: FoundCommit,
): Promise<void> {
  const [, branch] = /^refs\/heads\/(.+)$/.exec(defaultBranch ?? "") ?? [];
  if (branch === undefined || branch === "HEAD") return;
  await Deno.writeTextFile(
    `${gitDirectory}/refs/remotes/origin/HEAD`,
    `ref: refs/remotes/origin/${branch}\n`,
  );
}
