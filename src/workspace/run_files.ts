/**
 * Files that a job leaves for those who started it: follow-up jobs, variables
 * and outputs. On a laptop they are not collected, so a run finds those of
 * earlier runs and must neither add to them nor lose its own.
 *
 * 1. Every such file belongs to one run. `.reactorcide/run.json` holds the id
 *    of that run and the files that are its own. No clock is involved: the time
 *    of a file and that of the process come from two clocks.
 * 2. A run begins with {@linkcode beginRun}: what earlier runs left goes, and
 *    from then on everything in these places is of this run, whichever program writes it.
 * 3. A writer calls {@linkcode lockRunFile}, which does the same for code
 *    that runs outside a job, and locks the directory until the file is written.
 * 4. Another run is over unless its process is alive, or it holds the lock of
 *    the workspace. Until it is over, what others write is added to its files.
 */

import { dirname } from "@std/path/posix/dirname";
import { osReason, RunnerError } from "../errors.ts";
import { lockDirectory, pathExists } from "../fs/files.ts";
import { isInside } from "../job_path.ts";
import { realPath } from "./guard.ts";
import type { Workspace } from "./layout.ts";
import { isWorkspaceLocked } from "./lock.ts";
import {
  ownDirectory,
  readOwnFile,
  RUN_RECORD,
  writeOwnFile,
} from "./own_files.ts";
import { removeTree } from "./remove.ts";
import { isProcessAlive, type RunIdentity } from "./run_identity.ts";

/** Maximum number of bytes of the record. */
const MAX_BYTES = 64 * 1024;

/** To which run files belong. */
interface RunRecord {
  /** Id of the run. */
  readonly run: string;
  /** Absolute paths of its files. */
  readonly files: readonly string[];
}

/**
 * Removes what earlier runs left in some places, for a run that begins.
 *
 * Nothing happens in a container, where each run has a workspace of its own, or
 * where the workspace does not exist yet.
 *
 * @param workspace The workspace.
 * @param paths Absolute paths of the files.
 * @param run The run that begins.
 * @throws {RunnerError} `output-failed`, if a file cannot be removed or the
 * record cannot be written.
 */
export async function beginRun(
  workspace: Workspace,
  paths: readonly string[],
  run: RunIdentity,
): Promise<void> {
  if (workspace.inContainer) return;
  if (await pathExists(workspace.base)) {
    const base = await realPath(workspace.base);
    using _ = await lockDirectory(base);
    const files = await Promise.all(paths.map(placeOf));
    await claim(workspace, files, run, { isRunBeginning: true });
  }
  run.begunIn.add(workspace.base);
}

/** Options for {@linkcode lockRunFile}. */
export interface LockRunFileOptions {
  /**
   * Whether what an earlier run left there stays, because this one adds to it.
   *
   * @default {false}
   */
  readonly keepsEarlier?: boolean;
}

/**
 * Locks a file of a run, after what an earlier run left there is gone.
 *
 * @param workspace The workspace.
 * @param path Absolute path of the file; its directory must exist.
 * @param run The run that writes.
 * @param options Additional options.
 * @returns The lock, to be disposed of once the file is written.
 * @throws {RunnerError} `output-failed`, if another process keeps the lock for
 * 5 seconds, or as {@linkcode beginRun}.
 */
export async function lockRunFile(
  workspace: Workspace,
  path: string,
  run: RunIdentity,
  { keepsEarlier = false }: LockRunFileOptions = {},
): Promise<Disposable> {
  if (workspace.inContainer) return await lockDirectory(dirname(path));
  const file = await placeOf(path);
  const directory = dirname(file);
  const base = await realPath(workspace.base);
  using stack = new DisposableStack();
  stack.use(await lockDirectory(directory));
  {
    using _ = directory === base ? undefined : await lockDirectory(base);
    await claim(workspace, [file], run, {
      isRunBeginning: false,
      keepsEarlier,
    });
  }
  return stack.move();
}

async function claim(
  workspace: Workspace,
  files: readonly string[],
  run: RunIdentity,
  { isRunBeginning, keepsEarlier = false }: LockRunFileOptions & {
    readonly isRunBeginning: boolean;
  },
): Promise<void> {
  const record = await readRecord(workspace);
  const hasBegun = run.isInherited || run.begunIn.has(workspace.base);
  if (record === undefined && hasBegun) {
    // There was nothing when the run began, or it would be on record.
    return await writeRecord(workspace, { run: run.id, files });
  }
  const goesOn = record !== undefined &&
    (record.run === run.id || isProcessAlive(record.run) ||
      !isRunBeginning && await isWorkspaceLocked(workspace));
  const own = goesOn ? record.files : [];
  const added = files.filter((file) => !own.includes(file));
  if (goesOn && added.length === 0) return;
  const base = await realPath(workspace.base);
  for (const file of added) {
    const isOutside = !isInside(base, file);
    // The run around this one may have a workspace of its own, and files there.
    if (keepsEarlier || isOutside && run.isInherited) continue;
    await remove(file, isOutside);
  }
  await writeRecord(workspace, {
    run: goesOn ? record.run : run.id,
    files: [...own, ...added],
  });
}

/** A step could have written anything there; then it is as if nothing were there. */
async function readRecord(
  workspace: Workspace,
): Promise<RunRecord | undefined> {
  const path = `${await ownDirectory(workspace)}/${RUN_RECORD}`;
  try {
    const { run, files } = JSON.parse(await readOwnFile(path, MAX_BYTES));
    const isRecord = typeof run === "string" && Array.isArray(files) &&
      files.every((file) => typeof file === "string");
    return isRecord ? { run, files } : undefined;
  } catch {
    return undefined;
  }
}

async function writeRecord(
  workspace: Workspace,
  record: RunRecord,
): Promise<void> {
  await writeOwnFile(workspace, RUN_RECORD, `${JSON.stringify(record)}\n`);
}

async function remove(path: string, isOutside: boolean): Promise<void> {
  try {
    if (!isOutside) await removeTree(path);
    else if (await pathExists(path)) await Deno.remove(path);
  } catch (cause) {
    throw new RunnerError(
      `Cannot remove "${path}", which an earlier run left: ${osReason(cause)}`,
      { code: "output-failed", cause },
    );
  }
}

/** The last part is not followed: a link there is replaced, as the file would be. */
async function placeOf(path: string): Promise<string> {
  const name = path.slice(path.lastIndexOf("/") + 1);
  return `${await realPath(dirname(path))}/${name}`;
}
