import { RunnerError } from "../../../errors.ts";
import { processHost } from "../../../host.ts";
import { CAPTURE_LIMIT_BYTES } from "../../../process/capture.ts";
import { showUrl } from "../../../url_secrets.ts";
import { type ConfigEntry, configText, userSettings } from "../git_config.ts";
import {
  type GitQuery,
  type GitQueryOptions,
  openQuery,
  readUserSettings,
} from "./open_query.ts";
import { copyPlainFile } from "./private_repository.ts";
import { lstatIfThere } from "../../../fs/files.ts";
import { quoteWord } from "../../../command_text.ts";

/** Description of a checkout; `null` means absent or unknown. */
export interface GitInfo {
  /** Name of the branch; `null` if `HEAD` is detached. */
  readonly branch: string | null;
  /** ID of the commit. */
  readonly commit: string | null;
  /** First seven digits of the ID. */
  readonly shortCommit: string | null;
  /** A tag that points to the commit. */
  readonly tag: string | null;
  /** URL of the remote `origin`, without user and password. */
  readonly remoteUrl: string | null;
  /** Names of all remotes. */
  readonly remotes: readonly string[] | null;
  /** Whether the work tree has no changes and no untracked files. */
  readonly isClean: boolean | null;
}

const NOTHING: GitInfo = {
  branch: null,
  commit: null,
  shortCommit: null,
  tag: null,
  remoteUrl: null,
  remotes: null,
  isClean: null,
};

/** Implements {@linkcode Git.info}. */
export async function gitInfo(options: GitQueryOptions = {}): Promise<GitInfo> {
  try {
    return await readInfo(options);
  } catch (error) {
    if (!(error instanceof RunnerError) || isMissing(error)) throw error;
    return NOTHING;
  }
}

function isMissing({ cause }: RunnerError): boolean {
  return cause instanceof RunnerError && cause.code === "command-not-found";
}

/** Branch and commit that are checked out. */
export interface CheckedOut {
  /** Name of the branch; `null` if `HEAD` is detached. */
  readonly branch: string | null;
  /** ID of the commit; `null` if there is none. */
  readonly commit: string | null;
  /** Tags that point to the commit. */
  readonly tags: readonly string[];
}

/**
 * Reads the branch and commit that are checked out, without reading the work
 * tree.
 *
 * @param options Additional options.
 * @throws {RunnerError} `source-failed`, if it is not a repository.
 */
export async function checkedOut(
  options: GitQueryOptions,
): Promise<CheckedOut> {
  using query = await openQuery(options);
  return await readRefs(query);
}

async function readRefs(query: GitQuery): Promise<CheckedOut> {
  const answer = async (...args: string[]) => {
    const { exitCode, stdout } = await query.git(...args);
    return exitCode === 0 ? stdout.trimEnd() : null;
  };
  const [branch, commit, tags] = await Promise.all([
    answer("symbolic-ref", "--quiet", "HEAD"),
    answer("rev-parse", "--verify", "--quiet", "HEAD^{commit}"),
    answer("tag", "--points-at", "HEAD"),
  ]);
  return {
    // The short name would be "heads/main" if there is a tag "main".
    branch: branch?.replace(/^refs\/heads\//, "") ?? null,
    commit,
    tags: tags ? tags.split("\n") : [],
  };
}

async function readInfo(options: GitQueryOptions): Promise<GitInfo> {
  using query = await openQuery(options);
  const [{ branch, commit, tags }, isClean] = await Promise.all([
    readRefs(query),
    isCleanTree(query, options),
  ]);
  const url = query.settings.findLast(([key]) => key === "remote.origin.url");
  return {
    branch,
    commit,
    shortCommit: commit && commit.slice(0, 7),
    tag: tags[0] ?? null,
    remoteUrl: url === undefined ? null : showUrl(url[1]),
    remotes: query.remotes,
    isClean,
  };
}

/** Maximum time for each command that reads the work tree, in milliseconds. */
const TIMEOUT_MS = 60_000;

/** Maximum size of the index, in bytes; one with a million files is smaller. */
const MAX_INDEX_BYTES = 512 * 1024 * 1024;

/**
 * Checks whether a work tree and its submodules have no changes and no
 * untracked files.
 *
 * Some settings of the user and the repository, such as those for line endings,
 * affect what counts as a change. `git-lfs` compares Git LFS files with their
 * pointers without access to the tree. No other filter runs.
 *
 * @param timeoutMs Maximum time for each command, in milliseconds.
 * @returns Whether it is clean; `null` if that is unknown.
 */
export async function isCleanTree(
  query: GitQuery,
  options: GitQueryOptions,
  timeoutMs: number = TIMEOUT_MS,
): Promise<boolean | null> {
  try {
    return await compareTree(query, options, timeoutMs);
  } catch (error) {
    if (error instanceof RunnerError) return null;
    throw error;
  }
}

async function compareTree(
  query: GitQuery,
  options: GitQueryOptions,
  timeoutMs: number,
): Promise<boolean | null> {
  const { privatePath, parts: { gitDirectory, workTree }, settings } = query;
  const { env = processHost().env } = options;
  const copy = (name: string) =>
    copyPlainFile(
      `${gitDirectory}/${name}`,
      `${privatePath}/${name}`,
      MAX_INDEX_BYTES,
    );
  await copy("index");
  for (const name of await listSharedIndexes(gitDirectory)) await copy(name);
  const user = userSettings(await readUserSettings(query, env, timeoutMs));
  const repository = settings.map(([key]) => key);
  const file = `${privatePath}/tree-config`;
  await Deno.writeTextFile(
    file,
    configText([
      ...user.filter(([key]) => !repository.includes(key)),
      ...await createLfsFilter(privatePath),
    ]),
  );
  const { exitCode, stdout } = await query.gitWithin(
    timeoutMs,
    ...["-c", `include.path=${file}`, "status", "--porcelain"],
    // A submodule has its own configuration, which git would follow.
    ...["--untracked-files=normal", "--ignore-submodules=dirty"],
  );
  if (exitCode !== 0) return null;
  if (stdout !== "") return false;
  return await areSubmodulesClean(query, workTree, options, timeoutMs);
}

async function areSubmodulesClean(
  query: GitQuery,
  workTree: string,
  options: GitQueryOptions,
  timeoutMs: number,
): Promise<boolean | null> {
  const { exitCode, stdout } = await query.git("ls-files", "--stage", "-z");
  if (exitCode !== 0 || stdout.length >= CAPTURE_LIMIT_BYTES / 4) return null;
  for (const entry of stdout.split("\0")) {
    if (!entry.startsWith("160000 ")) continue;
    const directory = `${workTree}/${entry.slice(entry.indexOf("\t") + 1)}`;
    // A submodule that is not checked out has no changes.
    if (await lstatIfThere(`${directory}/.git`) === undefined) continue;
    using submodule = await openQuery({ ...options, directory });
    const isClean = await isCleanTree(
      submodule,
      { ...options, directory },
      timeoutMs,
    );
    if (!isClean) return isClean;
  }
  return true;
}

/** A split index refers to a second file. */
async function listSharedIndexes(gitDirectory: string): Promise<string[]> {
  const names: string[] = [];
  for await (const { name, isFile } of Deno.readDir(gitDirectory)) {
    if (isFile && /^sharedindex\.[0-9a-f]+$/.test(name)) names.push(name);
  }
  return names;
}

/**
 * Runs `git-lfs` in an empty repository, where it does not see settings of the
 * tree.
 */
async function createLfsFilter(privatePath: string): Promise<ConfigEntry[]> {
  const client = `${privatePath}/lfs/.git`;
  await Deno.mkdir(`${client}/objects`, { recursive: true });
  await Deno.mkdir(`${client}/refs`);
  await Deno.writeTextFile(`${client}/HEAD`, "ref: refs/heads/none\n");
  const directory = quoteWord(`${privatePath}/lfs`);
  const command = "unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE GIT_PREFIX; " +
    `cd ${directory} && exec git-lfs clean`;
  return [["filter.lfs.clean", command], ["filter.lfs.required", "false"]];
}
