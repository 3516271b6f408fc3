/** Options for {@linkcode lockFile}. */
export interface LockFileOptions {
  /** Longest time to wait for others, in milliseconds. */
  patienceMs: number;
  /** Makes the error of a lock that others keep longer than that. */
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
 * The lock ends with the process. Where the system knows no such locks, as on
 * some network file systems, the work goes on without: losing a race there is
 * less likely than having to give up.
 *
 * @param file What is locked; it is closed with the lock, or after an error.
 * @param options Patience.
 * @returns The lock, which ends when disposed.
 * @throws What `busyError` gives, or the reason of the signal.
 */
export async function lockFile(
  file: Deno.FsFile,
  options: LockFileOptions,
): Promise<Disposable> {
  const { patienceMs, busyError, signal } = options;
  const start = performance.now();
  using stack = new DisposableStack();
  stack.use(file);
  while (!await tryLock(file)) {
    signal?.throwIfAborted();
    if (performance.now() - start > patienceMs) throw busyError();
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
  return stack.move();
}

async function tryLock(file: Deno.FsFile): Promise<boolean> {
  try {
    return await file.tryLock(true);
  } catch {
    // There are no locks here.
    return true;
  }
}
