import { osReason, RunnerError } from "../errors.ts";
import type { ArchiveConfig } from "../config/job_config.ts";

/**
 * An entry of an archive as the archive describes it. Nothing is validated yet.
 */
export interface ArchiveEntry {
  /**
   * Full name as written in the archive; lone surrogates stand for bytes that
   * are not UTF-8.
   */
  readonly name: string;
  /** Type of the entry; `other` cannot be unpacked. */
  readonly type: "file" | "directory" | "link" | "hard link" | "other";
  /** Description of an entry of type `other`. */
  readonly kind?: string;
  /** Permission bits; higher bits are ignored. */
  readonly mode: number;
  /** Time of the last modification. */
  readonly modifiedAt?: Date;
  /**
   * Target of a symbolic link, or name of the file that a hard link refers to.
   */
  readonly target?: string;
  /**
   * Content of a file: all of it, or a stream. It must be read before the next
   * entry, and a chunk before the next chunk, since their memory is reused.
   */
  readonly content?: Uint8Array | AsyncIterable<Uint8Array>;
}

/**
 * Resolves the path of an entry, and rejects names that lead out of the
 * directory.
 *
 * @returns Path relative to the target directory, empty for that directory
 * itself.
 * @throws {RunnerError} With code `source-failed`, if the name leads out of it.
 */
export function entryPath(name: string): string {
  const problem = nameProblem(name);
  if (problem !== undefined) throw entryError(name, problem);
  return name.split("/").filter((part) => part !== "" && part !== ".")
    .join("/");
}

/** Creates the error of a rejected entry. */
export function entryError(
  name: string,
  reason: string,
  cause?: unknown,
): RunnerError {
  return createUnpackError(quotedName(name), reason, cause);
}

/**
 * Runs an action for an entry, and names the entry if it fails.
 *
 * @throws {RunnerError} With code `source-failed`, if the action fails.
 */
export async function forEntry(
  { name }: ArchiveEntry,
  action: () => Promise<void> | void,
): Promise<void> {
  try {
    await action();
  } catch (cause) {
    if (cause instanceof RunnerError || cause instanceof DOMException) {
      throw cause;
    }
    throw entryError(name, osReason(cause), cause);
  }
}

function nameProblem(name: string): string | undefined {
  if (name === "") return "it has no name";
  if (name.includes("\0")) return "its name contains a NUL character";
  if (name.startsWith("/")) return "its name is absolute";
  return name.split("/").includes("..") ? 'its name contains ".."' : undefined;
}

/** Maximum length of a link target on Linux, in bytes. */
export const MAX_TARGET_LENGTH = 4_096;

/** Returns a name from an archive as one short line, in quotation marks. */
export function quotedName(name: string): string {
  return JSON.stringify(name.length > 200 ? `${name.slice(0, 200)}…` : name);
}

/**
 * Reads any number of bytes from a stream of chunks. What it returns may share
 * memory with the stream, which reuses it when more is read.
 */
export class ByteSource {
  readonly #iterator: AsyncIterator<Uint8Array>;
  #chunk: Uint8Array = new Uint8Array();

  constructor(stream: AsyncIterable<Uint8Array>) {
    this.#iterator = stream[Symbol.asyncIterator]();
  }

  /**
   * Reads an exact number of bytes without waiting.
   *
   * @returns The bytes; `undefined` if fewer are available.
   */
  take(count: number): Uint8Array | undefined {
    if (this.#chunk.length < count) return undefined;
    const bytes = this.#chunk.subarray(0, count);
    this.#chunk = this.#chunk.subarray(count);
    return bytes;
  }

  /**
   * Reads the bytes that are available.
   *
   * @param maxBytes Maximum number of bytes; at least 1.
   * @returns At least one byte; `undefined` at the end.
   */
  async readSome(maxBytes: number): Promise<Uint8Array | undefined> {
    while (this.#chunk.length === 0) {
      const { value, done } = await this.#iterator.next();
      if (done) return undefined;
      this.#chunk = value;
    }
    const bytes = this.#chunk.subarray(0, maxBytes);
    this.#chunk = this.#chunk.subarray(bytes.length);
    return bytes;
  }

  /**
   * Reads an exact number of bytes.
   *
   * @param bytes Memory for them.
   * @returns The bytes; fewer only at the end of the stream.
   */
  async read(
    count: number,
    bytes: Uint8Array<ArrayBuffer> = new Uint8Array(count),
  ): Promise<Uint8Array<ArrayBuffer>> {
    let length = 0;
    while (length < count) {
      const some = await this.readSome(count - length);
      if (some === undefined) return bytes.subarray(0, length);
      bytes.set(some, length);
      length += some.length;
    }
    return bytes.subarray(0, count);
  }

  /** Ends the stream, even if it was not read to its end. */
  async close(): Promise<void> {
    await this.#iterator.return?.();
  }
}

/** Creates the error of an archive that cannot be unpacked. */
export function unpackError(reason: string, cause?: unknown): RunnerError {
  return createUnpackError("the archive", reason, cause);
}

function createUnpackError(
  what: string,
  reason: string,
  cause: unknown,
): RunnerError {
  return new RunnerError(`Cannot unpack ${what}: ${reason}`, {
    code: "source-failed",
    cause,
  });
}

/**
 * Size up to which the compression ratio is not limited, in bytes: small
 * archives are often very compressible.
 */
const UNLIMITED_RATIO_BYTES = 16 * 1024 * 1024;

/** Limits of an archive. */
export type ArchiveLimits =
  & Pick<ArchiveConfig, "maxEntries" | "maxBytes" | "maxRatio">
  & {
    /**
     * Whether directories without an entry of their own are not counted.
     *
     * @default {false}
     */
    readonly allowsImpliedDirectories?: boolean;
  };

/** Counts the entries and bytes of an archive, and stops it at the limits. */
export class Budget {
  readonly #limits: ArchiveLimits;
  readonly #archiveBytes: number;
  #entryCount = 0;
  #bytes = 0;

  /** @param archiveBytes Size of the archive itself. */
  constructor(limits: ArchiveLimits, archiveBytes: number) {
    this.#limits = limits;
    this.#archiveBytes = archiveBytes;
  }

  /**
   * Counts an entry.
   *
   * @throws {RunnerError} With code `source-failed`, if there are too many.
   */
  addEntry(): void {
    const { maxEntries } = this.#limits;
    if (++this.#entryCount > maxEntries) {
      throw unpackError(`it has more than ${maxEntries} entries`);
    }
  }

  /**
   * Counts a directory that has no entry but is in the path of one.
   *
   * @throws {RunnerError} With code `source-failed`, if there are too many.
   */
  addImpliedDirectory(): void {
    if (!this.#limits.allowsImpliedDirectories) this.addEntry();
  }

  /** Forwards a stream of unpacked bytes, and counts them. */
  async *counted(
    stream: AsyncIterable<Uint8Array>,
  ): AsyncGenerator<Uint8Array> {
    for await (const bytes of stream) {
      this.addBytes(bytes.length);
      yield bytes;
    }
  }

  /**
   * Counts unpacked bytes.
   *
   * @throws {RunnerError} With code `source-failed`, if there are too many.
   */
  addBytes(count: number): void {
    const { maxBytes, maxRatio } = this.#limits;
    this.#bytes += count;
    if (this.#bytes > maxBytes) {
      throw unpackError(`its contents are larger than ${maxBytes} bytes`);
    }
    if (
      this.#bytes > UNLIMITED_RATIO_BYTES &&
      this.#bytes > this.#archiveBytes * maxRatio
    ) {
      throw unpackError(
        `its contents are more than ${maxRatio} times its size`,
      );
    }
  }
}
