import { openUntrusted, readUntrusted } from "../../../fs/read_untrusted.ts";
import { osReason } from "../../../errors.ts";
import { writeAll } from "../../archive/write_queue.ts";
import { sourceError } from "../../source_error.ts";

/** Maximum size of a file of a repository that is copied, in bytes. */
const MAX_FILE_BYTES = 64 * 1024 * 1024;

/** How much of a file is copied at a time, in bytes. */
const CHUNK_BYTES = 1024 * 1024;

/**
 * Reads a file that is not trusted: a regular one, of bounded size. Opening
 * anything else might block, read without end, or lead elsewhere.
 *
 * @param path Absolute path.
 * @param maxBytes Largest size.
 * @returns The bytes; `undefined` if there is no file.
 * @throws {RunnerError} With code `source-failed`, if it is anything else.
 */
export async function readPlainFile(
  path: string,
  maxBytes = MAX_FILE_BYTES,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  try {
    return await readUntrusted(path, { maxBytes });
  } catch (cause) {
    if (isMissing(cause)) return undefined;
    throw sourceError(`read "${path}"`, osReason(cause), cause);
  }
}

/**
 * Copies a file as {@linkcode readPlainFile} reads it, but not all at once.
 *
 * @param from Absolute path; a file that is absent is not copied.
 * @param to Absolute path of the copy.
 * @param maxBytes Largest size.
 * @throws {RunnerError} With code `source-failed`, if it is anything else.
 */
export async function copyPlainFile(
  from: string,
  to: string,
  maxBytes: number,
): Promise<void> {
  try {
    await using file = await openUntrusted(from);
    if (file.size > maxBytes) {
      throw new Error(`it is larger than ${maxBytes} bytes`);
    }
    using copy = await Deno.open(to, { write: true, createNew: true });
    const buffer = new Uint8Array(Math.min(file.size, CHUNK_BYTES));
    for (let left = file.size; left > 0;) {
      const count = await file.read(buffer.subarray(0, left));
      if (count === 0) throw new Error("it changes while it is read");
      await writeAll(copy, buffer.subarray(0, count));
      left -= count;
    }
  } catch (cause) {
    if (isMissing(cause)) return;
    throw sourceError(`read "${from}"`, osReason(cause), cause);
  }
}

/**
 * Reads a text as {@linkcode readPlainFile} does.
 *
 * @param path Absolute path.
 * @returns The text; empty if there is no file.
 * @throws {RunnerError} With code `source-failed`, if it is anything else.
 */
export async function readPlainText(path: string): Promise<string> {
  return new TextDecoder().decode(await readPlainFile(path));
}

/**
 * Lists the regular files below a directory that is not trusted.
 *
 * @param directory Absolute path; an absent directory has no files.
 * @param onOther Gets the absolute path of whatever is neither a regular file
 * nor a directory.
 * @returns Paths relative to the directory.
 * @throws {RunnerError} With code `source-failed`, if it is not a directory.
 */
export async function listPlainFiles(
  directory: string,
  onOther: (path: string) => void,
): Promise<string[]> {
  const info = await lstatIfThere(directory);
  if (info === undefined) return [];
  if (!info.isDirectory) {
    throw sourceError(`read "${directory}"`, "not a directory");
  }
  const files: string[] = [];
  const visit = async (prefix: string) => {
    for await (const entry of Deno.readDir(`${directory}/${prefix}`)) {
      const path = `${prefix}${entry.name}`;
      if (entry.isDirectory) await visit(`${path}/`);
      else if (entry.isFile) files.push(path);
      else onOther(`${directory}/${path}`);
    }
  };
  await visit("");
  return files;
}

/**
 * Looks at a path without following it.
 *
 * @param path Absolute path.
 * @returns What is there; `undefined` if nothing is.
 */
export async function lstatIfThere(
  path: string,
): Promise<Deno.FileInfo | undefined> {
  try {
    return await Deno.lstat(path);
  } catch (cause) {
    if (isMissing(cause)) return undefined;
    throw cause;
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Deno.errors.NotFound ||
    error instanceof Deno.errors.NotADirectory;
}
