import { osReason, RunnerError } from "../../errors.ts";
import { sourceError } from "../source_error.ts";

/** One thing in an archive, as the archive describes it: nothing is believed yet. */
export interface ArchiveEntry {
  /**
   * Name with all folders, as it stands in the archive; lone surrogates stand
   * for bytes that are not UTF-8.
   */
  readonly name: string;
  /** Its type; `other` cannot be unpacked. */
  readonly type: "file" | "directory" | "link" | "hard link" | "other";
  /** What cannot be unpacked, in words, for type `other`. */
  readonly kind?: string;
  /** Permission bits; anything above them does not count. */
  readonly mode: number;
  /** When its content was changed last. */
  readonly modifiedAt?: Date;
  /** Where a link leads, or the name of the file that a hard link stands for. */
  readonly target?: string;
  /** Content of a file; to be read before the next entry is asked for. */
  readonly content?: AsyncIterable<Uint8Array>;
}

/**
 * Finds where an entry belongs, and refuses names that lead elsewhere.
 *
 * @param name Name as it stands in the archive.
 * @returns Path below the directory in which it is unpacked, empty for that
 * directory itself.
 * @throws {RunnerError} With code `source-failed`, if the name leads out.
 */
export function entryPath(name: string): string {
  const problem = nameProblem(name);
  if (problem !== undefined) throw entryError(name, problem);
  return name.split("/").filter((part) => part !== "" && part !== ".")
    .join("/");
}

/**
 * Creates the error of an entry that is refused.
 *
 * @param name Name as it stands in the archive.
 * @param reason What is wrong with it.
 * @param cause What was thrown, if anything was.
 * @returns The error.
 */
export function entryError(
  name: string,
  reason: string,
  cause?: unknown,
): RunnerError {
  return sourceError(
    `unpack ${JSON.stringify(shortened(name))}`,
    reason,
    cause,
  );
}

/**
 * Runs an action for an entry, and names the entry in the error when
 * it fails.
 *
 * @param entry The entry.
 * @param action What is done.
 * @throws {RunnerError} With code `source-failed`, if it fails.
 */
export async function forEntry(
  { name }: ArchiveEntry,
  action: () => Promise<void>,
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
  if (name === "") return "the archive gives it no name";
  if (name.includes("\0")) return "its name contains a NUL character";
  if (name.startsWith("/")) return "its name is absolute";
  return name.split("/").includes("..") ? 'its name contains ".."' : undefined;
}

function shortened(name: string): string {
  return name.length > 200 ? `${name.slice(0, 200)}…` : name;
}

/** A stream of bytes that is read in pieces of any length. */
export class ByteSource {
  readonly #iterator: AsyncIterator<Uint8Array>;
  #chunk: Uint8Array = new Uint8Array();

  /**
   * Starts to read a stream.
   *
   * @param stream Bytes in pieces of any length.
   */
  constructor(stream: AsyncIterable<Uint8Array>) {
    this.#iterator = stream[Symbol.asyncIterator]();
  }

  /**
   * Reads the next bytes, whatever is there.
   *
   * @param maxBytes How many at most; at least 1.
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
   * Reads a number of bytes.
   *
   * @param count How many.
   * @returns The bytes, fewer than asked for only at the end of the stream.
   */
  async read(count: number): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = new Uint8Array(count);
    let length = 0;
    while (length < count) {
      const some = await this.readSome(count - length);
      if (some === undefined) return bytes.subarray(0, length);
      bytes.set(some, length);
      length += some.length;
    }
    return bytes;
  }

  /** Ends the stream, read or not. */
  async close(): Promise<void> {
    await this.#iterator.return?.();
  }
}

/**
 * Creates the error of an archive that cannot be unpacked.
 *
 * @param reason Why.
 * @param cause Error that led to it.
 * @returns The error.
 */
export function unpackError(reason: string, cause?: unknown): RunnerError {
  return sourceError("unpack the archive", reason, cause);
}
