import { dirname } from "@std/path/posix/dirname";
import { join } from "@std/path/posix/join";
import { normalize } from "@std/path/posix/normalize";
import { relative } from "@std/path/posix/relative";
import { messageOf, osReason, RunnerError } from "../errors.ts";
import { lockDirectory } from "../fs/file_lock.ts";
import {
  privateDirectory,
  TEMPORARY_DIRECTORY,
} from "../fs/temporary_directory.ts";
import { isInside, OWN_DIRECTORY } from "../job_path.ts";
import { guardPath, realPath } from "./guard.ts";
import { removeIgnoreFiles } from "./ignore_files.ts";
import type { Workspace } from "./layout.ts";
import {
  KEPT_OUTPUTS,
  makeOwnDirectory,
  ownDirectory,
  readOwnFile,
  RUN_RECORD,
  writeOwnFile,
} from "./own_directory.ts";
import { removeIfEmpty, removeTree } from "./remove.ts";

/** Name of the record, in the directory for the runner's own files. */
const RECORD = "owned_paths.json";

/** Maximum size of the record, in bytes. */
const MAX_BYTES = 16 * 1024 * 1024;

/**
 * Files in the directory for the runner's own files, in addition to the record.
 */
const OWN_FILES: readonly string[] = [KEPT_OUTPUTS, RUN_RECORD];

/** Entries of the record when this process last claimed or released a path. */
const known = new WeakMap<Workspace, readonly string[]>();

/**
 * Records that the runner owns a path in the workspace, so that it can replace
 * and remove it.
 *
 * Paths are recorded before they are created. This distinguishes the leftovers
 * of an interrupted run from files of the user.
 *
 * @param workspace Workspace; its directory is created if missing.
 * @param path Absolute path below the workspace; it need not exist yet.
 * @throws {RunnerError} With code `workspace`, if the path leaves the workspace
 * or is the workspace itself, or the record is damaged; `output-failed`, if the
 * record cannot be written.
 */
export async function claimPath(
  workspace: Workspace,
  path: string,
): Promise<void> {
  const entry = await toEntry(workspace, path);
  if (!isRecordable(entry)) {
    throw new RunnerError(
      `Cannot use "${path}": it contains the runner's own files`,
      { code: "workspace" },
    );
  }
  using _ = await lockDirectory(await makeOwnDirectory(workspace));
  const entries = await readOwnedPaths(workspace);
  if (entries.includes(entry)) known.set(workspace, entries);
  else await write(workspace, [...entries, entry]);
}

/**
 * Removes a path from the record, because the runner's files there no longer
 * exist.
 *
 * @param path Absolute path below the workspace.
 * @throws {RunnerError} Same as {@linkcode claimPath}.
 */
export async function releasePath(
  workspace: Workspace,
  path: string,
): Promise<void> {
  const entry = await toEntry(workspace, path);
  using _ = await lockDirectory(await ownDirectory(workspace));
  const entries = await readOwnedPaths(workspace);
  if (!entries.includes(entry)) return;
  await write(workspace, entries.filter((other) => other !== entry));
}

/**
 * Restores the entries of this process if steps have removed or damaged the
 * record. Otherwise no later run could replace the files of this one.
 *
 * @throws {RunnerError} With code `output-failed`, if it cannot be written.
 */
export async function restoreOwnedPaths(workspace: Workspace): Promise<void> {
  const entries = known.get(workspace) ?? [];
  if (entries.length === 0) return;
  using _ = await lockDirectory(await makeOwnDirectory(workspace));
  const present = await readOwnedPaths(workspace).catch(() => undefined);
  const all = new Set([...present ?? [], ...entries]);
  if (present?.length === all.size) return;
  if (present === undefined) await remove(await findRecord(workspace));
  await write(workspace, [...all]);
}

/**
 * Checks whether the runner owns a path.
 *
 * @param path Absolute path below the workspace.
 * @returns Whether the path itself, not a directory around it, is in the
 * record.
 * @throws {RunnerError} With code `workspace`, if the path leaves the workspace
 * or the record is damaged.
 */
export async function ownsPath(
  workspace: Workspace,
  path: string,
): Promise<boolean> {
  const entry = await toEntry(workspace, path);
  return (await readOwnedPaths(workspace)).includes(entry);
}

/**
 * Removes only what the runner created: the recorded paths, the record, and
 * parent directories that are empty. In a container, the workspace itself
 * stays.
 *
 * If a recorded path has become a symbolic link, the link is removed. A path
 * that leads out of the workspace through a link is left. Mounts are left and
 * stay in the record. A damaged record is ignored: only the runner's own files
 * are removed.
 *
 * @param onLeft Called with the reason for each path that is left.
 * @returns Absolute paths of the removed recorded files and directories.
 * @throws {RunnerError} With code `workspace`, if something cannot be removed.
 */
export async function removeOwnedPaths(
  workspace: Workspace,
  onLeft: (reason: string) => void = () => {},
): Promise<string[]> {
  const base = await realPath(workspace.base);
  const removed: string[] = [];
  const kept: string[] = [];
  const reportDamage = (error: unknown): string[] => {
    onLeft(`Left the recorded paths: ${messageOf(error)}`);
    return [];
  };
  for (const entry of await readOwnedPaths(workspace).catch(reportDamage)) {
    const path = await resolveEntry(base, entry).catch((error) => {
      onLeft(messageOf(error));
    });
    if (path === undefined) continue;
    let hasMount = false;
    const onMount = (mountPoint: string) => {
      hasMount = true;
      onLeft(`Left "${mountPoint}": something is mounted there`);
    };
    if (await remove(path, onMount)) removed.push(path);
    if (hasMount) kept.push(entry);
    else await removeEmptyAround(path, base);
  }
  await removeOwnFiles(workspace, base);
  if (kept.length > 0) await writeOwnedPaths(workspace, kept);
  else if (!workspace.inContainer) await removeIfEmpty(base);
  return removed;
}

async function removeOwnFiles(
  workspace: Workspace,
  base: string,
): Promise<void> {
  const record = await findRecord(workspace);
  const directory = dirname(record);
  for (const name of OWN_FILES) await remove(join(directory, name));
  await remove(record);
  const temporary = `${base}/${TEMPORARY_DIRECTORY}`;
  for (const parent of [base, temporary]) removeAbandoned(parent);
  await removeIfEmpty(temporary);
  if (workspace.inContainer) return await removeEmptyAround(record, base);
  await removeIgnoreFiles(base, directory, { isCleanup: true });
}

async function write(
  workspace: Workspace,
  entries: readonly string[],
): Promise<void> {
  await writeOwnedPaths(workspace, entries);
  known.set(workspace, entries);
}

async function toEntry(workspace: Workspace, path: string): Promise<string> {
  return relative(
    await realPath(workspace.base),
    await guardPath(workspace.base, path),
  );
}

/**
 * Removes temporary directories of killed runs; those of other runs are in use.
 */
function removeAbandoned(parent: string): void {
  try {
    if (Deno.lstatSync(parent).isDirectory) {
      privateDirectory([parent])[Symbol.dispose]();
    }
  } catch {
    // The directory does not exist, or is not writable.
  }
}

/**
 * Resolves links in the parent directories of an entry, but not the entry
 * itself.
 */
async function resolveEntry(base: string, entry: string): Promise<string> {
  const directory = await guardPath(base, dirname(entry));
  return join(directory, entry.slice(entry.lastIndexOf("/") + 1));
}

async function remove(
  path: string,
  onMount?: (path: string) => void,
): Promise<boolean> {
  try {
    return await removeTree(path, { onMount });
  } catch (cause) {
    throw new RunnerError(`Cannot remove "${path}": ${osReason(cause)}`, {
      code: "workspace",
      cause,
    });
  }
}

async function removeEmptyAround(path: string, base: string): Promise<void> {
  let directory = dirname(path);
  while (directory !== base && await removeIfEmpty(directory)) {
    directory = dirname(directory);
  }
}

/**
 * Returns the path of the record.
 *
 * @returns Absolute path; no directory on the way to it is a link.
 * @throws {RunnerError} With code `workspace`, if the directory cannot be used.
 */
async function findRecord(workspace: Workspace): Promise<string> {
  return `${await ownDirectory(workspace)}/${RECORD}`;
}

/**
 * Reads the record of owned paths.
 *
 * A job may have written to the file, so paths outside the workspace are
 * refused.
 *
 * @returns Paths relative to the workspace; none if there is no record.
 * @throws {RunnerError} With code `workspace`, if the record is damaged.
 */
async function readOwnedPaths(workspace: Workspace): Promise<string[]> {
  const file = await findRecord(workspace);
  let text: string;
  try {
    text = await readOwnFile(file, MAX_BYTES);
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) return [];
    throw createRecordError(file, osReason(cause), cause);
  }
  try {
    return readPaths(JSON.parse(text));
  } catch (cause) {
    throw createRecordError(file, messageOf(cause), cause);
  }
}

/**
 * Writes the record of owned paths.
 *
 * @param paths Paths relative to the workspace.
 * @throws {RunnerError} With code `output-failed`, if it cannot be written, or
 * `workspace`, if a link leads elsewhere.
 */
async function writeOwnedPaths(
  workspace: Workspace,
  paths: readonly string[],
): Promise<void> {
  const text = `${JSON.stringify({ paths }, null, 2)}\n`;
  await writeOwnFile(workspace, RECORD, text);
}

/**
 * Checks whether a path can be in the record: it must be normalized, below the
 * workspace, and outside the directory for the runner's own files.
 *
 * @param path Path relative to the workspace.
 */
function isRecordable(path: string): boolean {
  return path !== "" && path !== "." && !path.includes("\0") &&
    !path.startsWith("/") && !path.endsWith("/") &&
    path === normalize(path) && !isInside("..", path) &&
    !isInside(OWN_DIRECTORY, path);
}

function readPaths(value: unknown): string[] {
  const paths = (value as { paths?: unknown } | null)?.paths;
  if (!Array.isArray(paths)) throw new TypeError('"paths" is not a list');
  const invalid = paths.find((path) =>
    typeof path !== "string" || !isRecordable(path)
  );
  if (invalid === undefined) return paths;
  throw new TypeError(
    `${JSON.stringify(invalid)} is not a path below the workspace`,
  );
}

function createRecordError(
  file: string,
  reason: string,
  cause: unknown,
): RunnerError {
  return new RunnerError(`Cannot read the record "${file}": ${reason}`, {
    code: "workspace",
    cause,
  });
}
