import { basename } from "@std/path/posix/basename";
import { dirname } from "@std/path/posix/dirname";
import { isMissing, lstatIfThere } from "../fs/files.ts";
import { lockDirectory } from "../fs/file_lock.ts";
import { HeldDirectory } from "../fs/held_directory.ts";
import {
  openUntrusted,
  readableError,
  type UntrustedFile,
} from "../fs/untrusted_file.ts";
import { privateDirectory } from "../fs/temporary_directory.ts";
import type { CacheStore, NewObject, StoredObject } from "./cache_store.ts";

/** Size of the chunks in which an object is read, in bytes. */
const CHUNK_BYTES = 256 * 1024;

/** Folder of objects that are being written, on the same file system. */
const TEMPORARY = "tmp";

/** Maximum time to wait for another process, in milliseconds. */
const LOCK_TIMEOUT_MS = 30_000;

/**
 * A store in a directory.
 *
 * - An object is written to a private directory in the store and renamed, so
 *   that no part of it is visible, even after a kill or on a full disk.
 * - The private directory is locked while its process lives; the next writer
 *   removes those of dead processes.
 * - No link, pipe or device below the directory is opened or followed. Files
 *   are renamed and removed in a directory that is open, so that a link that
 *   replaces it meanwhile leads nowhere.
 */
export class DirectoryStore implements CacheStore {
  readonly displayName: string;
  readonly hasLocks = true;
  readonly assumedMs = 0;
  readonly #root: string;

  private constructor(root: string) {
    this.#root = root;
    this.displayName = root;
  }

  /**
   * Opens a store. Its directory is created, for its owner only.
   *
   * @param root Absolute path of the directory.
   * @throws {Error} The error of the system.
   */
  static async open(root: string): Promise<DirectoryStore> {
    await Deno.mkdir(root, { recursive: true, mode: 0o700 });
    const store = new DirectoryStore(await Deno.realPath(root));
    // A store that cannot be written can still be read.
    await store.#makeDirectory(TEMPORARY).catch(() => {});
    return store;
  }

  get temporaryParents(): readonly string[] {
    return [`${this.#root}/${TEMPORARY}`];
  }

  async get(
    name: string,
    { maxBytes }: { maxBytes: number },
  ): Promise<AsyncIterable<Uint8Array> | undefined> {
    const path = `${this.#root}/${name}`;
    let file: UntrustedFile;
    try {
      file = await openUntrusted(path, { base: this.#root });
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
    if (file.size <= maxBytes) return readChunks(file, maxBytes);
    await file[Symbol.asyncDispose]();
    throw new Error(`it is larger than ${maxBytes} bytes`);
  }

  /** Synchronous for speed: most steps of a job only check whether a result exists. */
  // deno-lint-ignore require-await
  async getSize(name: string): Promise<number | undefined> {
    try {
      const info = Deno.lstatSync(`${this.#root}/${name}`);
      return info.isFile ? info.size : undefined;
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  async put(name: string, content: NewObject): Promise<boolean> {
    await this.#makeDirectory(TEMPORARY);
    await this.#makeDirectory(dirname(name));
    using folder = await this.#open(dirname(name));
    const path = `${folder.path}/${basename(name)}`;
    if (!(content instanceof Uint8Array)) {
      await Deno.rename(content.file, path);
      return true;
    }
    using temporary = privateDirectory(this.temporaryParents);
    const file = `${temporary.path}/object`;
    await Deno.writeFile(file, content, { createNew: true, mode: 0o600 });
    await Deno.rename(file, path);
    return true;
  }

  async list(folder: string): Promise<string[]> {
    if (!await this.#isDirectory(folder)) return [];
    const entries = await Array.fromAsync(
      Deno.readDir(`${this.#root}/${folder}`),
    );
    return entries.map(({ name }) => name);
  }

  async remove(name: string): Promise<void> {
    try {
      using folder = await this.#open(dirname(name));
      await Deno.remove(`${folder.path}/${basename(name)}`);
    } catch (error) {
      // What is behind a link does not belong to the store.
      if (!await this.#isDirectory(dirname(name)) || isMissing(error)) return;
      throw error;
    }
  }

  /** The time of the last use is the time of the file. */
  // deno-lint-ignore require-await
  async touch(name: string): Promise<void> {
    const now = new Date();
    Deno.utimeSync(`${this.#root}/${name}`, now, now);
  }

  async lock(): Promise<Disposable> {
    return await lockDirectory(this.#root, { timeoutMs: LOCK_TIMEOUT_MS });
  }

  async *objects(folder: string): AsyncGenerator<StoredObject> {
    for (const part of await this.list(folder)) {
      const name = `${folder}/${part}`;
      const info = await lstatIfThere(`${this.#root}/${name}`);
      if (info?.isDirectory) yield* this.objects(name);
      else if (info !== undefined) {
        const bytes = info.isFile ? info.size : undefined;
        yield { name, bytes, usedMs: info.mtime?.getTime() ?? 0 };
      }
    }
  }

  /** Creates a folder part by part, because a recursive mkdir follows links. */
  async #makeDirectory(folder: string): Promise<void> {
    let path = this.#root;
    for (const part of folder.split("/")) {
      path += `/${part}`;
      try {
        await Deno.mkdir(path, { mode: 0o700 });
      } catch (error) {
        if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
        if ((await Deno.lstat(path)).isDirectory) continue;
        throw new Error(`"${path}" is not a directory`);
      }
    }
  }

  async #open(folder: string): Promise<HeldDirectory> {
    try {
      return await HeldDirectory.open(`${this.#root}/${folder}`);
    } catch (error) {
      throw readableError(error);
    }
  }

  async #isDirectory(folder: string): Promise<boolean> {
    let path = this.#root;
    for (const part of folder.split("/")) {
      path += `/${part}`;
      if (!(await lstatIfThere(path))?.isDirectory) return false;
    }
    return true;
  }
}

async function* readChunks(
  file: UntrustedFile,
  maxBytes: number,
): AsyncGenerator<Uint8Array> {
  try {
    let total = 0;
    const buffer = new Uint8Array(CHUNK_BYTES);
    while (true) {
      const count = await file.read(buffer);
      if (count === 0) return;
      total += count;
      if (total > maxBytes) throw new Error("it grew while it was being read");
      yield buffer.subarray(0, count);
    }
  } finally {
    await file[Symbol.asyncDispose]();
  }
}
