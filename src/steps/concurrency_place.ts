/**
 * Places in concurrency groups, which the jobs of one user on one machine
 * share.
 *
 * Each place is a file, and the process that holds the lock of the file has the
 * place. The system releases the lock when that process ends, even if it is killed.
 * The files are kept, because another process may be waiting for the lock of a
 * removed file.
 *
 * @module
 */
import type { ConcurrencyGroup } from "../config/step_config.ts";
import { findStateDirectory } from "../environment/child_environment.ts";
import type { Environment } from "../environment/variables.ts";
import { osReason, RunnerError } from "../errors.ts";
import { openLockFile, tryLockFile } from "../fs/file_lock.ts";
import { pause } from "../process/time_limit.ts";

/** Delay between two attempts to get a place, in milliseconds. */
const PAUSE_MS = 100;

/** Options for {@linkcode takePlace}. */
export interface TakePlaceOptions {
  /** Environment of the runner, which names the directory of the user. */
  readonly env: Environment;
  /** Ends the wait. */
  readonly signal: AbortSignal;
  /** Called once, before waiting. */
  readonly onWait: () => void;
}

/**
 * Takes a place in a concurrency group, and waits while all are taken.
 *
 * @returns The place, to be disposed of when the step has ended; `undefined` if
 * the wait was cancelled.
 * @throws {RunnerError} `invalid-config` if there is no directory for locks.
 */
export async function takePlace(
  { group, limit = 1 }: ConcurrencyGroup,
  { env, signal, onWait }: TakePlaceOptions,
): Promise<Disposable | undefined> {
  const directory = await openDirectory(env);
  for (let count = 0; !signal.aborted; count++) {
    for (let place = 1; place <= limit; place++) {
      const file = await lockPlace(`${directory}/${group}.${place}`);
      if (file !== undefined) return file;
    }
    if (count === 0) onWait();
    await pause(PAUSE_MS, signal);
  }
  return undefined;
}

async function openDirectory(env: Environment): Promise<string> {
  const base = findStateDirectory(env);
  if (base === undefined) {
    throw groupError("neither XDG_STATE_HOME nor HOME is an absolute path");
  }
  const directory = `${base}/concurrency`;
  try {
    await Deno.mkdir(directory, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw groupError(`"${directory}" cannot be created: ${osReason(cause)}`);
  }
  return directory;
}

async function lockPlace(path: string): Promise<Deno.FsFile | undefined> {
  using stack = new DisposableStack();
  let file: Deno.FsFile;
  try {
    // A step may have replaced the file.
    file = stack.use(await openLockFile(path));
  } catch (cause) {
    throw groupError(`"${path}" cannot be opened: ${osReason(cause)}`);
  }
  const isLocked = tryLockFile(file);
  if (isLocked === undefined) {
    throw groupError(`the file system of "${path}" has no locks`);
  }
  if (!isLocked) return undefined;
  stack.move();
  return file;
}

function groupError(problem: string): RunnerError {
  return new RunnerError(`Cannot use a concurrency group: ${problem}`, {
    code: "invalid-config",
  });
}
