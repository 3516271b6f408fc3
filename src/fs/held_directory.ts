import type * as NodeFs from "node:fs";
import { readLinkTarget } from "./byte_names.ts";
import { canUseDescriptors, checkSame } from "./untrusted_file.ts";

/** A file that is open for reading. */
export interface HeldFile extends Disposable {
  readonly info: Pick<Deno.FileInfo, "mode" | "mtime" | "size"> & {
    readonly id: string;
  };
  /** Whether it is a regular file. */
  readonly isRegular: boolean;
  /**
   * Path of the open file, which programs can use, too; `undefined` if the
   * system has none.
   */
  readonly path: string | undefined;
  /** Reads the next bytes; 0 at the end of the file. */
  read(buffer: Uint8Array): number;
}

/**
 * A directory that is held open. What it contains is reached through its
 * descriptor, so that no link that replaces it, or a directory on the way to
 * it, leads elsewhere. Where the system has no `/proc`, or Deno must not use it,
 * files are reached by their paths.
 *
 * Calls are synchronous, which takes a fraction of the time for small files. A
 * pipe does not block them.
 */
export class HeldDirectory implements Disposable {
  readonly #fs: typeof NodeFs;
  readonly #descriptor: number;
  /** Whether {@linkcode HeldDirectory.path} leads through the descriptor. */
  readonly #isSafe: boolean;
  /** Path of the directory, which programs can use, too. */
  readonly path: string;

  private constructor(fs: typeof NodeFs, descriptor: number, path: string) {
    this.#fs = fs;
    this.#descriptor = descriptor;
    this.#isSafe = canUseDescriptors();
    this.path = this.#isSafe ? descriptorPath(descriptor) : path;
  }

  /**
   * Opens a directory.
   *
   * @param path Absolute path without links.
   * @throws {Error} If a link is on the way, or the error of the system.
   */
  static async open(path: string): Promise<HeldDirectory> {
    const fs = await import("node:fs");
    const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW } = fs.constants;
    const flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;
    const directory = new HeldDirectory(fs, fs.openSync(path, flags), path);
    try {
      await directory.#checkPlace(directory.#descriptor, path);
      return directory;
    } catch (error) {
      directory[Symbol.dispose]();
      throw error;
    }
  }

  /**
   * Opens a directory in this one.
   *
   * @param name Name; lone surrogates stand for bytes that are not UTF-8.
   * @param path Path below that of this directory, or of a link to it.
   */
  async openDirectory(name: string, path: string): Promise<HeldDirectory> {
    const { O_DIRECTORY } = this.#fs.constants;
    const descriptor = await this.#open(name, path, O_DIRECTORY);
    return new HeldDirectory(this.#fs, descriptor, path);
  }

  /** Opens a file in this directory, see {@linkcode openDirectory}. */
  async openFile(name: string, path: string): Promise<HeldFile> {
    const { fstatSync, readSync, closeSync } = this.#fs;
    const descriptor = await this.#open(name, path, 0);
    try {
      const info = fstatSync(descriptor);
      return {
        info: {
          mode: info.mode,
          // The rounding of Node.js differs from that of Deno.
          mtime: new Date(info.mtimeMs),
          size: info.size,
          id: `${info.dev}:${info.ino}`,
        },
        isRegular: info.isFile(),
        path: this.#isSafe ? descriptorPath(descriptor) : undefined,
        read: (buffer) => readSync(descriptor, buffer),
        [Symbol.dispose]: () => closeSync(descriptor),
      };
    } catch (error) {
      closeSync(descriptor);
      throw error;
    }
  }

  [Symbol.dispose](): void {
    this.#fs.closeSync(this.#descriptor);
  }

  async #open(name: string, path: string, kind: number): Promise<number> {
    const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = this.#fs.constants;
    // A name that is not UTF-8 is reached by a link from elsewhere.
    const isAlias = !name.isWellFormed();
    const flags = O_RDONLY | O_NONBLOCK | kind | (isAlias ? 0 : O_NOFOLLOW);
    const descriptor = this.#fs.openSync(path, flags);
    if (isAlias ? !this.#isSafe : this.#isSafe) return descriptor;
    try {
      if (!isAlias) {
        await this.#checkPlace(descriptor, path);
        return descriptor;
      }
      const own = await readLinkTarget(this.path);
      await this.#checkPlace(descriptor, `${own}/${name}`);
      return descriptor;
    } catch (error) {
      this.#fs.closeSync(descriptor);
      throw error;
    }
  }

  async #checkPlace(descriptor: number, expected: string): Promise<void> {
    if (!this.#isSafe) {
      // Without all permissions, Deno follows links in spite of `O_NOFOLLOW`.
      return checkSame(this.#fs.fstatSync(descriptor), expected);
    }
    const place = await readLinkTarget(descriptorPath(descriptor));
    if (place === expected) return;
    throw new Error("it was replaced while it was opened");
  }
}

function descriptorPath(descriptor: number): string {
  return `/proc/${Deno.pid}/fd/${descriptor}`;
}
