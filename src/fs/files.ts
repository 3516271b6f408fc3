import { RunnerError } from "../errors.ts";
import { pause } from "../process/time_limit.ts";

/** Checks whether a path exists. A symbolic link exists even if it is dangling. */
export async function pathExists(path: string): Promise<boolean> {
  return await Deno.lstat(path).then(() => true, () => false);
}

/** Like {@linkcode pathExists}, but synchronous. */
export function pathExistsSync(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

/** Checks whether a path is a file, or a link to one, that can be accessed. */
export async function isFile(path: string): Promise<boolean> {
  return await Deno.stat(path).then(({ isFile }) => isFile, () => false);
}

/** Checks whether a path is a directory, or a link to one, that can be accessed. */
export function isDirectorySync(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false;
  }
}

/**
 * Returns information about a path without following a link.
 *
 * @returns The information; `undefined` if the path does not exist.
 */
export async function lstatIfThere(
  path: string,
): Promise<Deno.FileInfo | undefined> {
  try {
    return await Deno.lstat(path);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** Checks whether an error means that a path, or a parent directory, does not exist. */
export function isMissing(error: unknown): boolean {
  return error instanceof Deno.errors.NotFound ||
    error instanceof Deno.errors.NotADirectory;
}

/** Writes all bytes to a file or a connection. */
export async function writeAll(
  writer: { write(bytes: Uint8Array): Promise<number> },
  bytes: Uint8Array,
): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    at += await writer.write(bytes.subarray(at));
  }
}

/** Like {@linkcode writeAll}, but synchronous. */
export function writeAllSync(
  writer: { writeSync(bytes: Uint8Array): number },
  bytes: Uint8Array,
): void {
  for (let at = 0; at < bytes.length;) {
    at += writer.writeSync(bytes.subarray(at));
  }
}

/**
 * Sets the times of a symbolic link, not of its target, if the file system
 * supports it.
 */
export async function setLinkTime(
  path: string,
  accessedAt: Date,
  modifiedAt: Date,
): Promise<void> {
  const { lutimes } = await import("node:fs/promises");
  try {
    await lutimes(path, accessedAt, modifiedAt);
  } catch {
    // Nothing depends on the times of a link.
  }
}

/** Options for {@linkcode lockFile}. */
export interface LockFileOptions {
  /** Maximum time to wait for the lock, in milliseconds. */
  timeoutMs: number;
  /** Creates the error that is thrown after this time. */
  busyError: () => Error;
  /**
   * Stops waiting.
   *
   * @default {none}
   */
  signal?: AbortSignal;
}

/** Delay between two attempts, in milliseconds. */
const PAUSE_MS = 20;

/**
 * Locks a file or directory, and waits while another process holds the lock.
 *
 * @param file What to lock. It is closed when the lock is released, or after an
 * error.
 * @returns Handle that releases the lock when disposed.
 * @throws The error of `busyError`, or the reason of the signal.
 */
export async function lockFile(
  file: Deno.FsFile,
  options: LockFileOptions,
): Promise<Disposable> {
  const { timeoutMs, busyError, signal } = options;
  const start = performance.now();
  using stack = new DisposableStack();
  stack.use(file);
  while (tryLockFile(file) === false) {
    signal?.throwIfAborted();
    if (performance.now() - start > timeoutMs) throw busyError();
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
    busyError: () =>
      new RunnerError(
        `Cannot lock "${directory}": another process holds it`,
        { code: "output-failed" },
      ),
  });
}
