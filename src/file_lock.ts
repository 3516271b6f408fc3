/** Options for {@linkcode lockFile}. */
export interface LockFileOptions {
  /** Longest time to wait for others, in milliseconds. */
  timeoutMs: number;
  /** Creates the error of a lock that others keep longer than that. */
  busyError: () => Error;
  /**
   * Ends the waiting.
   *
   * @default {nothing does}
   */
  signal?: AbortSignal;
}

/** Pause between two tries, in milliseconds. */
const PAUSE_MS = 20;

/**
 * Waits until no other process has a file, or directory, and takes it.
 *
 * @param file What is locked; it is closed with the lock, or after an error.
 * @param options How long to wait.
 * @returns The lock, which ends when disposed.
 * @throws What `busyError` gives, or the reason of the signal.
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
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
  return stack.move();
}

/**
 * Locks a file or directory, unless another open file has the lock.
 *
 * The system releases the lock when the file is closed, and so when the process
 * ends, however it ends; programs that the process starts do not inherit it.
 * Some network file systems have no locks. There, the work goes on without one:
 * losing a race is less likely than having to give up.
 *
 * @param file What is locked.
 * @returns Whether no other open file has the lock.
 */
export function tryLockFile(file: Deno.FsFile): boolean {
  try {
    return file.tryLockSync(true);
  } catch {
    // There are no locks here.
    return true;
  }
}
