import { RunnerError } from "../errors.ts";
import { pause } from "../process/time_limit.ts";

/** Options for {@linkcode lockFile}. */
export interface LockFileOptions {
  /** Maximum time to wait for others, in milliseconds. */
  timeoutMs: number;
  /** Creates the error for a lock that others hold longer than that. */
  busyError: () => Error;
  /**
   * Ends the wait.
   *
   * @default {none}
   */
  signal?: AbortSignal;
}

/** Pause between two tries, in milliseconds. */
const PAUSE_MS = 20;

/**
 * Waits until no other process holds a file or directory, and locks it.
 *
 * @param file What is locked; it is closed with the lock, or after an error.
 * @param options How long to wait.
 * @returns The lock; disposing releases it.
 * @throws What `busyError` returns, or the reason of the signal.
 */
export async function lockFile(
  file: Deno.FsFile,
  options: LockFileOptions,
): Promise<Disposable> {
  const { timeoutMs, busyError, signal } = options;
  const start = performance.now();
  using stack = new DisposableStack();
  stack.use(file);
  while (!tryLockFile(file)) {
    signal?.throwIfAborted();
    if (performance.now() - start > timeoutMs) throw busyError();
    await pause(PAUSE_MS, signal);
  }
  return stack.move();
}

/**
 * Locks a file or directory, unless another open file holds the lock.
 *
 * The system releases the lock when the file is closed, and so when the process
 * ends, however it ends; programs that the process starts do not inherit it.
 * Some network file systems have no locks. There, the work goes on without one:
 * losing a race is less likely than having to give up.
 *
 * @param file What is locked.
 * @returns Whether no other open file holds the lock.
 */
export function tryLockFile(file: Deno.FsFile): boolean {
  try {
    return file.tryLockSync(true);
  } catch {
    // There are no locks here.
    return true;
  }
}

/** Options for {@linkcode lockDirectory}. */
export interface LockDirectoryOptions {
  /**
   * Maximum time to wait for others, in milliseconds.
   *
   * @default {5_000}
   */
  timeoutMs?: number;
}

/**
 * Waits until no other process holds a directory, and locks it for a moment.
 *
 * The lock is on the directory itself, so it leaves no file behind. A directory
 * that cannot be opened is not locked: using it fails as well, with the reason.
 *
 * @param directory Path of the directory.
 * @returns The lock; disposing releases it.
 * @throws {RunnerError} `output-failed`, if another process holds it too long.
 */
export async function lockDirectory(
  directory: string,
  options: LockDirectoryOptions = {},
): Promise<Disposable> {
  const { timeoutMs = 5_000 } = options;
  let file: Deno.FsFile;
  try {
    // With the dot, a pipe in its place is an error, and does not block.
    file = await Deno.open(`${directory}/.`);
  } catch {
    return { [Symbol.dispose]() {} };
  }
  return await lockFile(file, {
    timeoutMs,
    busyError: () =>
      new RunnerError(
        `Cannot lock "${directory}": another process holds it`,
        { code: "output-failed" },
      ),
  });
}
