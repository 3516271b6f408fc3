import type { ArchiveEntry } from "./entry.ts";

/**
 * Does things side by side, a few at a time, while more of them come in.
 *
 * After a failure nothing new is begun.
 */
export class WorkQueue {
  readonly #limitCount: number;
  readonly #running = new Set<Promise<void>>();
  readonly #failures: unknown[] = [];

  /**
   * Creates a queue with nothing in it.
   *
   * @param limitCount How many things are done at a time.
   */
  constructor(limitCount: number) {
    this.#limitCount = limitCount;
  }

  /**
   * Begins something, once there is room for it.
   *
   * @param work What is done.
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

  /** Waits until nothing is being done any more, whatever came of it. */
  async settle(): Promise<void> {
    await Promise.all(this.#running);
  }

  /**
   * Waits until everything is done.
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
 * Creates a file and writes what there is of it.
 *
 * @param path Absolute path, at which nothing may be, not even a link.
 * @param pieces The first pieces of its content.
 * @returns The open file.
 */
export async function beginFile(
  path: string,
  pieces: readonly Uint8Array[],
): Promise<Deno.FsFile> {
  const file = await Deno.open(path, { write: true, createNew: true });
  for (const bytes of pieces) await writeAll(file, bytes);
  return file;
}

/**
 * Returns a file that is written the time and permission bits of its entry.
 *
 * @param file The open file.
 * @param path Absolute path of the file.
 * @param entry Entry of the archive.
 */
export async function endFile(
  file: Deno.FsFile,
  path: string,
  { mode, modifiedAt }: ArchiveEntry,
): Promise<void> {
  if (modifiedAt) await file.utime(modifiedAt, modifiedAt);
  // After the content: a mask of the process would take bits away before.
  await Deno.chmod(path, mode & 0o777);
}

/**
 * Writes a piece of a file, all of it.
 *
 * @param file The open file.
 * @param bytes The piece.
 */
export async function writeAll(
  file: Deno.FsFile,
  bytes: Uint8Array,
): Promise<void> {
  let written = 0;
  while (written < bytes.length) {
    written += await file.write(bytes.subarray(written));
  }
}
