import { dirname } from "@std/path/posix/dirname";
import { join } from "@std/path/posix/join";
import { relative } from "@std/path/posix/relative";
import { RunnerError } from "../errors.ts";
import { guardPath } from "./guard.ts";
import type { Workspace } from "./layout.ts";
import {
  isRecordable,
  readRecord,
  recordFile,
  writeRecord,
} from "./made_record.ts";
import { osReason } from "../os_reason.ts";
import { realPath } from "./real_path.ts";
import { removeIfEmpty, removeTree } from "./remove.ts";

/** Where the outputs of steps wait for a later run, relative to the workspace. */
export const KEPT_OUTPUTS = ".reactorcide/outputs.json";

/**
 * Records that a path in the workspace is the runner's, to be replaced and
 * removed at will.
 *
 * Recorded before it is made, so that what an interrupted run left can be told
 * from what a user put there.
 *
 * @param workspace Workspace; its directory is made when missing.
 * @param path Absolute path below the workspace; it need not exist yet.
 * @throws {RunnerError} With code `workspace`, if the path leaves the workspace,
 * is the workspace itself or the record is damaged; `output-failed`, if the
 * record cannot be written.
 */
export async function recordMade(
  workspace: Workspace,
  path: string,
): Promise<void> {
  const entry = await entryOf(workspace, path);
  if (!isRecordable(entry)) {
    throw new RunnerError(
      `Cannot use "${path}": it holds files of the runner itself`,
      { code: "workspace" },
    );
  }
  const entries = await readRecord(workspace);
  if (entries.includes(entry)) return;
  await writeRecord(workspace, [...entries, entry]);
}

/**
 * Takes a path off the record, because nothing of the runner is there any more.
 *
 * @param workspace Workspace.
 * @param path Absolute path below the workspace.
 * @throws {RunnerError} As {@linkcode recordMade}.
 */
export async function forgetMade(
  workspace: Workspace,
  path: string,
): Promise<void> {
  const entry = await entryOf(workspace, path);
  const entries = await readRecord(workspace);
  if (!entries.includes(entry)) return;
  await writeRecord(workspace, entries.filter((other) => other !== entry));
}

/**
 * Tells whether the runner made what is at a path.
 *
 * @param workspace Workspace.
 * @param path Absolute path below the workspace.
 * @returns Whether the path itself, not a directory around it, is on record.
 * @throws {RunnerError} With code `workspace`, if the path leaves the workspace
 * or the record is damaged.
 */
export async function wasMade(
  workspace: Workspace,
  path: string,
): Promise<boolean> {
  const entry = await entryOf(workspace, path);
  return (await readRecord(workspace)).includes(entry);
}

/**
 * Removes what the runner made, and only that: the recorded paths, then the
 * record, then the directories around them as far as they are empty. In a
 * container the workspace itself stays.
 *
 * A recorded path that has become a symbolic link is removed as a link.
 *
 * @param workspace Workspace.
 * @returns Absolute paths of the recorded things that were there.
 * @throws {RunnerError} With code `workspace`, if the record is damaged or a
 * path on it leads out of the workspace, in which case nothing is removed;
 * also if something cannot be removed.
 */
export async function removeMade(workspace: Workspace): Promise<string[]> {
  const base = await realPath(workspace.base);
  const entries = await readRecord(workspace);
  const paths = await Promise.all(entries.map((entry) => placeOf(base, entry)));
  const removed: string[] = [];
  for (const path of paths) {
    if (await remove(path)) removed.push(path);
    await removeEmptyAround(path, base);
  }
  const record = await recordFile(workspace);
  await remove(await guardPath(base, KEPT_OUTPUTS));
  await remove(record);
  await removeEmptyAround(record, base);
  if (!workspace.inContainer) await removeIfEmpty(base);
  return removed;
}

async function entryOf(workspace: Workspace, path: string): Promise<string> {
  return relative(
    await realPath(workspace.base),
    await guardPath(workspace.base, path),
  );
}

/** Follows the directories to an entry, but not the entry itself. */
async function placeOf(base: string, entry: string): Promise<string> {
  const directory = await guardPath(base, dirname(entry));
  return join(directory, entry.slice(entry.lastIndexOf("/") + 1));
}

async function remove(path: string): Promise<boolean> {
  try {
    return await removeTree(path);
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
