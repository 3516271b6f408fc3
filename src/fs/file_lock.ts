import { RunnerError } from "../errors.ts";
import { pause } from "../process/time_limit.ts";
import { lstatIfThere } from "./files.ts";

/** Delay between two attempts, in milliseconds. */
const PAUSE_MS = 20;

/** Options for {@linkcode lockFile}. */
export interface LockFileOptions {
  /** Maximum time to wait for the lock, in milliseconds. */
  timeoutMs: number;
  /** Creates the error for a lock that is still held after this time. */
  createBusyError: () => Error;
  /**
   * Stops waiting.
   *
   * @default {none}
   */
  signal?: AbortSignal;
}

/**
 * Locks a file or directory, and waits while another process holds the lock.
 *
 * @param file What to lock. It is closed when the lock is released, or after an
 * error.
 * @returns Handle that releases the lock when disposed.
 * @throws The error of `createBusyError`, or the reason of the signal.
 */
export async function lockFile(
  file: Deno.FsFile,
  options: LockFileOptions,
): Promise<Disposable> {
  const { timeoutMs, createBusyError, signal } = options;
  const start = performance.now();
  using stack = new DisposableStack();
  stack.use(file);
  while (tryLockFile(file) === false) {
    signal?.throwIfAborted();
    if (performance.now() - start > timeoutMs) throw createBusyError();
    await pause(PAUSE_MS, signal);
  }
  return stack.move();
}

/**
 * Locks a file or directory, unless another open file holds the lock.
 *
 * The system releases the lock when the file is closed, and therefore also when
 * the process is killed. Child processes do not inherit it. Some network file
 * systems do not support locks. There, callers continue without a lock, because
 * a race is less likely than a failure.
 *
 * @returns Whether the lock was free; `undefined` if the file system does not
 * support locks.
 */
export function tryLockFile(file: Deno.FsFile): boolean | undefined {
  try {
    return file.tryLockSync(true);
  } catch {
    return undefined;
  }
}

/** Number of attempts to open a file that others keep replacing. */
const MAX_OPENINGS = 5;

/**
 * Opens a file to lock it, which others could have replaced with a link or a
 * pipe. It is created if it is missing.
 *
 * Opening a pipe for reading and writing does not block, and nothing is created
 * where a link leads.
 *
 * @throws {Error} If it is not a regular file or cannot be opened.
 */
export async function openLockFile(path: string): Promise<Deno.FsFile> {
  for (let count = 1;; count++) {
    const there = await lstatIfThere(path);
    if (there?.isFile === false) throw new Error("it is not a regular file");
    let file: Deno.FsFile;
    try {
      const isNew = there === undefined;
      file = await Deno.open(path, {
        read: true,
        write: true,
        createNew: isNew,
      });
    } catch (error) {
      const isReplaced = error instanceof Deno.errors.AlreadyExists ||
        error instanceof Deno.errors.NotFound;
      if (!isReplaced || count === MAX_OPENINGS) throw error;
      continue;
    }
    const [opened, named] = await Promise.all([
      file.stat(),
      lstatIfThere(path),
    ]);
    if (
      opened.isFile && opened.dev === named?.dev && opened.ino === named.ino
    ) return file;
    file.close();
    if (count === MAX_OPENINGS) throw new Error("it is being replaced");
  }
}

/** Options for {@linkcode lockDirectory}. */
export interface LockDirectoryOptions {
  /**
   * Maximum time to wait for the lock, in milliseconds.
   *
   * @default {5_000}
   */
  timeoutMs?: number;
}

/**
 * Locks a directory for a short time, and waits while another process holds the
 * lock.
 *
 * The lock is on the directory itself, so it leaves no file behind. A directory
 * that cannot be opened is not locked, because using it will fail anyway, with
 * the actual reason.
 *
 * @returns Handle that releases the lock when disposed.
 * @throws {RunnerError} `output-failed`, if another process holds the lock for
 * too long.
 */
export async function lockDirectory(
  directory: string,
  options: LockDirectoryOptions = {},
): Promise<Disposable> {
  const { timeoutMs = 5_000 } = options;
  let file: Deno.FsFile;
  try {
    // With the trailing dot, opening a pipe in its place fails instead of
    // blocking.
    file = await Deno.open(`${directory}/.`);
  } catch {
    return { [Symbol.dispose]() {} };
  }
  return await lockFile(file, {
    timeoutMs,
    createBusyError: () =>
      new RunnerError(
        `Cannot lock "${directory}": another process holds it`,
        { code: "output-failed" },
      ),
  });
}
