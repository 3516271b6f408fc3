import { joinBytes } from "../bytes.ts";
import { writeAll, writeAllSync } from "../fs/files.ts";
import { WorkQueue } from "../work_queue.ts";
import { type ArchiveEntry, forEntry } from "./entry.ts";

/** Maximum number of small files that are written concurrently. */
const PARALLEL_COUNT = 8;

/**
 * Number of slow writes in a row after which writes overlap. Before that, files
 * are written one after the other, because moving a system call to another
 * thread costs more than the call itself.
 */
const MAX_SLOW_COUNT = 32;
/** Duration above which a write is slow, in milliseconds. */
const SLOW_MS = 3;

/** Number of files after which sequential writing is tried again. */
const OVERLAP_COUNT = 1_000;

/** Maximum size of a file that is written in one piece, in bytes. */
const SMALL_BYTES = 64 * 1024;

/** Writes the files of an archive, as fast as the file system allows. */
export class FileWriter {
  readonly #queue = new WorkQueue(PARALLEL_COUNT);
  /** Number of slow writes in a row. */
  #slowCount = 0;
  #overlapCount = 0;

  /**
   * Creates the file of an entry. A small one may be written later.
   *
   * @param path Absolute path, which must not exist, even as a link.
   */
  async write(path: string, entry: ArchiveEntry): Promise<void> {
    const { content = new Uint8Array() } = entry;
    if (content instanceof Uint8Array) {
      return await this.#writeWhole(path, entry, content);
    }
    const pieces: Uint8Array<ArrayBuffer>[] = [];
    let length = 0;
    let file: Deno.FsFile | undefined;
    try {
      for await (const bytes of content) {
        length += bytes.length;
        if (length <= SMALL_BYTES) {
          pieces.push(bytes.slice());
          continue;
        }
        file ??= await beginFile(path, pieces);
        if (this.#isSlow) await writeAll(file, bytes);
        else this.#watch(() => writeAllSync(file!, bytes));
      }
      if (file !== undefined) return await endFile(file, path, entry);
    } finally {
      file?.close();
    }
    await this.#writeWhole(path, entry, joinBytes(pieces));
  }

  /** Waits until all files are written. */
  async drain(): Promise<void> {
    await this.#queue.drain();
  }

  /** Waits until no write is in progress. Ignores failures. */
  async settle(): Promise<void> {
    await this.#queue.settle();
  }

  async #writeWhole(
    path: string,
    entry: ArchiveEntry,
    bytes: Uint8Array,
  ): Promise<void> {
    if (!this.#isSlow) {
      return this.#watch(() => writeWholeSync(path, bytes, entry));
    }
    if (++this.#overlapCount % OVERLAP_COUNT === 0) this.#slowCount = 0;
    // It is written while the next entries are read.
    const copy = bytes.slice();
    await this.#queue.add(() =>
      forEntry(entry, async () => {
        using file = await beginFile(path, [copy]);
        await endFile(file, path, entry);
      })
    );
  }

  get #isSlow(): boolean {
    return this.#slowCount >= MAX_SLOW_COUNT;
  }

  /** Counts slow writes in a row. */
  #watch(write: () => void): void {
    const startMs = performance.now();
    write();
    const isSlow = performance.now() - startMs > SLOW_MS;
    this.#slowCount = isSlow ? this.#slowCount + 1 : 0;
  }
}

/** Creates a file. Its mode is exact, as the umask does not apply to it. */
function writeWholeSync(
  path: string,
  bytes: Uint8Array,
  { mode, modifiedAt }: ArchiveEntry,
): void {
  Deno.writeFileSync(path, bytes, { createNew: true, mode: mode & 0o777 });
  if (modifiedAt) Deno.utimeSync(path, modifiedAt, modifiedAt);
}

/** Creates a file and writes the start of its content. */
async function beginFile(
  path: string,
  pieces: readonly Uint8Array[],
): Promise<Deno.FsFile> {
  const file = await Deno.open(path, { write: true, createNew: true });
  for (const bytes of pieces) await writeAll(file, bytes);
  return file;
}

/** Sets the time and permissions of a file after its content was written. */
async function endFile(
  file: Deno.FsFile,
  path: string,
  { mode, modifiedAt }: ArchiveEntry,
): Promise<void> {
  if (modifiedAt) await file.utime(modifiedAt, modifiedAt);
  // The umask of the process does not apply to `chmod`.
  await Deno.chmod(path, mode & 0o777);
}
