import { RunnerError } from "../../../errors.ts";
import { processHost } from "../../../host.ts";
import { CAPTURE_LIMIT_BYTES } from "../../../process/capture.ts";
import type { ConfigEntry } from "../config_entries.ts";
import {
  type GitQuery,
  type GitQueryOptions,
  openQuery,
  readUserSettings,
} from "./open_query.ts";
import { copyPlainFile, lstatIfThere } from "./plain_files.ts";
import { configText, userSettings } from "./repository_config.ts";

/** Longest time that each look at the work tree may take, in milliseconds. */
const TIMEOUT_MS = 60_000;

/** Largest index that is read, in bytes; that of a million files is smaller. */
const MAX_INDEX_BYTES = 512 * 1024 * 1024;

/**
 * Finds out whether a work tree is as its commit is, with all of its submodules,
 * and has no other files.
 *
 * What counts as a change depends on a few settings of the user and of the
 * repository, such as those of line ends. A file in Git LFS is compared with its
 * pointer by `git-lfs`, which does not see the tree. No other filter is run.
 *
 * @param query Repository.
 * @param options Options of the question.
 * @param timeoutMs Longest time that each look may take, in milliseconds.
 * @returns Whether it is; `null` if that cannot be known.
 */
export async function isCleanTree(
  query: GitQuery,
  options: GitQueryOptions,
  timeoutMs: number = TIMEOUT_MS,
): Promise<boolean | null> {
  try {
    return await compare(query, options, timeoutMs);
  } catch (error) {
    if (error instanceof RunnerError) return null;
    throw error;
  }
}

async function compare(
  query: GitQuery,
  options: GitQueryOptions,
  timeoutMs: number,
): Promise<boolean | null> {
  const { ownDirectory, parts: { gitDirectory, workTree }, settings } = query;
  const { env = processHost().env } = options;
  const copy = (name: string) =>
    copyPlainFile(
      `${gitDirectory}/${name}`,
      `${ownDirectory}/${name}`,
      MAX_INDEX_BYTES,
    );
  await copy("index");
  for (const name of await sharedIndexes(gitDirectory)) await copy(name);
  const user = userSettings(await readUserSettings(query, env, timeoutMs));
  const repository = settings.map(([key]) => key);
  const file = `${ownDirectory}/tree-config`;
  await Deno.writeTextFile(
    file,
    configText([
      ...user.filter(([key]) => !repository.includes(key)),
      ...await lfsFilter(ownDirectory),
    ]),
  );
  const { exitCode, stdout } = await query.gitWithin(
    timeoutMs,
    ...["-c", `include.path=${file}`, "status", "--porcelain"],
    // A submodule has settings of its own, which git would follow.
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
    // One that is not checked out has no changes.
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

/** An index may be split, and name the file with its larger part. */
async function sharedIndexes(gitDirectory: string): Promise<string[]> {
  const names: string[] = [];
  for await (const { name, isFile } of Deno.readDir(gitDirectory)) {
    if (isFile && /^sharedindex\.[0-9a-f]+$/.test(name)) names.push(name);
  }
  return names;
}

/** Runs `git-lfs` in an empty repository, where no setting of the tree counts. */
async function lfsFilter(ownDirectory: string): Promise<ConfigEntry[]> {
  const client = `${ownDirectory}/lfs/.git`;
  await Deno.mkdir(`${client}/objects`, { recursive: true });
  await Deno.mkdir(`${client}/refs`);
  await Deno.writeTextFile(`${client}/HEAD`, "ref: refs/heads/none\n");
  const directory = `${ownDirectory}/lfs`.replaceAll("'", `'\\''`);
  const command = "unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE GIT_PREFIX; " +
    `cd '${directory}' && exec git-lfs clean`;
  return [["filter.lfs.clean", command], ["filter.lfs.required", "false"]];
}
