import type { ArchiveEntry } from "./entry.ts";

/**
 * Runs tasks with limited concurrency while more are added.
 *
 * After a failure, no more tasks start.
 */
export class WorkQueue {
  readonly #limitCount: number;
  readonly #running = new Set<Promise<void>>();
  readonly #failures: unknown[] = [];

  /** @param limitCount Maximum number of concurrent tasks. */
  constructor(limitCount: number) {
    this.#limitCount = limitCount;
  }

  /**
   * Starts a task as soon as fewer than the maximum are running.
   *
   * @throws {unknown} The first failure so far.
   */
  async add(work: () => Promise<void>): Promise<void> {
    while (this.#running.size >= this.#limitCount) {
      await Promise.race(this.#running);
    }
    this.#throwFailure();
    const running = work()
      .catch((error) => void this.#failures.push(error))
      .finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  /** Waits until no task is running. Ignores failures. */
  async settle(): Promise<void> {
    await Promise.all(this.#running);
  }

  /**
   * Waits until all tasks are done.
   *
   * @throws {unknown} The first failure.
   */
  async drain(): Promise<void> {
    await this.settle();
    this.#throwFailure();
  }

  #throwFailure(): void {
    if (this.#failures.length > 0) throw this.#failures[0];
  }
}

/**
 * Creates a file and writes the start of its content.
 *
 * @param path Absolute path, which must not exist, even as a link.
 * @param pieces First chunks of the content.
 */
export async function beginFile(
  path: string,
  pieces: readonly Uint8Array[],
): Promise<Deno.FsFile> {
  const file = await Deno.open(path, { write: true, createNew: true });
  for (const bytes of pieces) await writeAll(file, bytes);
  return file;
}

/** Sets the time and permissions of a file after its content was written. */
export async function endFile(
  file: Deno.FsFile,
  path: string,
  { mode, modifiedAt }: ArchiveEntry,
): Promise<void> {
  if (modifiedAt) await file.utime(modifiedAt, modifiedAt);
  // The umask of the process does not apply to `chmod`.
  await Deno.chmod(path, mode & 0o777);
}

/** Writes all bytes to a file. */
export async function writeAll(
  file: Deno.FsFile,
  bytes: Uint8Array,
): Promise<void> {
  let written = 0;
  while (written < bytes.length) {
    written += await file.write(bytes.subarray(written));
  }
}
