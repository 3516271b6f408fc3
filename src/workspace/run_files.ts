/**
 * Files that a job leaves for its worker: follow-up jobs, variables and outputs.
 * On a laptop they are not collected, so a run finds the files of earlier runs.
 * It must not add to them, or lose its own.
 *
 * 1. Every such file belongs to one run. `.reactorcide/run.json` contains the
 *    ID of the run and the list of its files. Times are not compared, because
 *    files and processes use different clocks.
 * 2. A run starts with {@linkcode beginRun}, which removes the files of earlier
 *    runs. From then on, all files at these paths belong to this run, no matter
 *    which program writes them.
 * 3. A writer calls {@linkcode lockRunFile}, which does the same for code
 *    outside a job, and locks the directory until the file is written.
 * 4. Another run has ended unless its process is alive, or a job holds the lock
 *    of the workspace. Until it has ended, files of other writers are added to
 *    its files.
 *
 * @module
 */

import { dirname } from "@std/path/posix/dirname";
import { osReason, RunnerError } from "../errors.ts";
import { pathExists } from "../fs/files.ts";
import { lockDirectory } from "../fs/file_lock.ts";
import { isInside } from "../job_path.ts";
import { realParent, realPath } from "./guard.ts";
import { isProcessAlive, type RunIdentity, type Workspace } from "./layout.ts";
import { isWorkspaceLocked } from "./lock.ts";
import {
  ownDirectory,
  readOwnFile,
  RUN_RECORD,
  writeOwnFile,
} from "./own_directory.ts";
import { removeTree } from "./remove.ts";

/** Maximum size of the record, in bytes. */
const MAX_BYTES = 64 * 1024;

/** Run that owns files. */
interface RunFiles {
  /** ID of the run. */
  readonly run: string;
  /** Absolute paths of the files. */
  readonly files: readonly string[];
}

/**
 * Removes files of earlier runs when a run starts.
 *
 * Nothing is removed in a container, where each run has its own workspace, or
 * if the workspace does not exist yet.
 *
 * @param paths Absolute paths of the files.
 * @param run The run that starts.
 * @throws {RunnerError} `output-failed` if a file cannot be removed or the
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
    const files = await Promise.all(paths.map(realParent));
    await claim(workspace, files, run, { isRunBeginning: true });
  }
  run.begunIn.add(workspace.base);
}

/** Options for {@linkcode lockRunFile}. */
export interface LockRunFileOptions {
  /**
   * Whether to keep the file of an earlier run, because this run adds to it.
   *
   * @default {false}
   */
  readonly keepsEarlier?: boolean;
}

/**
 * Removes the file of an earlier run if there is one, and locks the path for
 * writing.
 *
 * @param path Absolute path of the file; its directory must exist.
 * @param run The run that writes.
 * @returns The lock, to dispose of when the file is written.
 * @throws {RunnerError} `output-failed` if another process holds the lock for 5
 * seconds, or if an earlier file cannot be removed or the record cannot be
 * written.
 */
export async function lockRunFile(
  workspace: Workspace,
  path: string,
  run: RunIdentity,
  { keepsEarlier = false }: LockRunFileOptions = {},
): Promise<Disposable> {
  if (workspace.inContainer) return await lockDirectory(dirname(path));
  const file = await realParent(path);
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
  const record = await readRunFiles(workspace);
  const hasBegun = run.isInherited || run.begunIn.has(workspace.base);
  if (record === undefined && hasBegun) {
    // Without a record, there were no files when the run started.
    return await writeRunFiles(workspace, { run: run.id, files });
  }
  const isContinued = record !== undefined &&
    (record.run === run.id || isProcessAlive(record.run) ||
      !isRunBeginning && await isWorkspaceLocked(workspace));
  const own = isContinued ? record.files : [];
  const added = files.filter((file) => !own.includes(file));
  if (isContinued && added.length === 0) return;
  const base = await realPath(workspace.base);
  for (const file of added) {
    const isOutside = !isInside(base, file);
    // The outer run may have its own workspace with files.
    if (keepsEarlier || isOutside && run.isInherited) continue;
    await remove(file, isOutside);
  }
  await writeRunFiles(workspace, {
    run: isContinued ? record.run : run.id,
    files: [...own, ...added],
  });
}

/** Reads the record. A step may have damaged it, which counts as no record. */
async function readRunFiles(
  workspace: Workspace,
): Promise<RunFiles | undefined> {
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

async function writeRunFiles(
  workspace: Workspace,
  record: RunFiles,
): Promise<void> {
  await writeOwnFile(workspace, RUN_RECORD, `${JSON.stringify(record)}\n`);
}

async function remove(path: string, isOutside: boolean): Promise<void> {
  try {
    if (!isOutside) await removeTree(path);
    else if (await pathExists(path)) await Deno.remove(path);
  } catch (cause) {
    throw new RunnerError(
      `Cannot remove "${path}", a leftover of an earlier run: ${
        osReason(cause)
      }`,
      { code: "output-failed", cause },
    );
  }
}
