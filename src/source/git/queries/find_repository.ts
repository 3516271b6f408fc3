import { basename } from "@std/path/posix/basename";
import { dirname } from "@std/path/posix/dirname";
import { resolve } from "@std/path/posix/resolve";
import { isInside } from "../../../job_path.ts";
import { readPlainText } from "./untrusted_files.ts";
import { sourceError } from "../../source.ts";
import { lstatIfThere } from "../../../fs/files.ts";

/** Paths of a repository. */
export interface RepositoryParts {
  /** Absolute path of the work tree. */
  readonly workTree: string;
  /** Absolute path of the data of this work tree only, such as its index. */
  readonly gitDirectory: string;
  /**
   * Absolute path of the data that all work trees share: objects, refs,
   * configuration.
   */
  readonly commonDirectory: string;
}

/** Reads a git configuration file without its includes. */
export type ReadConfig = (path: string) => Promise<ReadonlyMap<string, string>>;

/**
 * Finds the repository in exactly this directory. A repository in a parent
 * directory does not count.
 *
 * The directory may come from an archive or a step, so its `.git` file alone is
 * not trusted. A repository elsewhere, as for submodules and `git worktree`, is
 * used only if it names this directory as its work tree.
 *
 * @throws {RunnerError} With code `source-failed`, if no repository is found.
 */
export async function findRepository(
  path: string,
  readConfig: ReadConfig,
): Promise<RepositoryParts> {
  const action = `read "${path}"`;
  const info = await Deno.stat(path).catch(() => undefined);
  if (!info?.isDirectory) throw sourceError(action, "no such directory");
  const workTree = await Deno.realPath(path);
  const dotGit = `${workTree}/.git`;
  const entry = await lstatIfThere(dotGit);
  if (entry === undefined) throw sourceError(action, "not a git repository");
  if (entry.isDirectory) {
    return { workTree, ...await withCommon(dotGit, dotGit) };
  }
  const target = entry.isSymlink ? dotGit : await gitFileTarget(dotGit);
  const gitDirectory = await realPath(target, action);
  const parts = { workTree, ...await withCommon(gitDirectory, dotGit) };
  const isOwn = isInside(workTree, gitDirectory) &&
    isInside(workTree, parts.commonDirectory);
  if (!isOwn && !await namesWorkTree(parts, readConfig)) {
    throw sourceError(
      action,
      `its repository "${gitDirectory}" is elsewhere and belongs to another directory`,
    );
  }
  return parts;
}

async function gitFileTarget(dotGit: string): Promise<string> {
  const [, target] =
    /^gitdir: ([^\n]+)\n*$/.exec(await readPlainText(dotGit)) ??
      [];
  if (target === undefined) {
    throw sourceError(`read "${dotGit}"`, "not a git repository");
  }
  return resolve(dirname(dotGit), target);
}

/** The repository of a linked work tree is in `worktrees` of the shared one. */
async function withCommon(
  gitDirectory: string,
  dotGit: string,
): Promise<Omit<RepositoryParts, "workTree">> {
  const action = `read "${dotGit}"`;
  const text = (await readPlainText(`${gitDirectory}/commondir`)).trim();
  if (text === "") return { gitDirectory, commonDirectory: gitDirectory };
  const commonDirectory = await realPath(resolve(gitDirectory, text), action);
  const folder = dirname(gitDirectory);
  if (
    basename(folder) !== "worktrees" || dirname(folder) !== commonDirectory
  ) {
    throw sourceError(
      action,
      "its common directory is not its parent directory",
    );
  }
  return { gitDirectory, commonDirectory };
}

async function namesWorkTree(
  { workTree, gitDirectory, commonDirectory }: RepositoryParts,
  readConfig: ReadConfig,
): Promise<boolean> {
  if (gitDirectory !== commonDirectory) {
    const text = (await readPlainText(`${gitDirectory}/gitdir`)).trim();
    return text !== "" && resolve(gitDirectory, text) === `${workTree}/.git`;
  }
  const config = await readConfig(`${gitDirectory}/config`);
  const named = config.get("core.worktree");
  if (named === undefined) return false;
  const real = await Deno.realPath(resolve(gitDirectory, named))
    .catch(() => undefined);
  return real === workTree;
}

async function realPath(path: string, action: string): Promise<string> {
  try {
    return await Deno.realPath(path);
  } catch (cause) {
    throw sourceError(action, "not a git repository", cause);
  }
}
