import { osReason } from "../../../errors.ts";
import { isMissing, lstatIfThere, writeAll } from "../../../fs/files.ts";
import { openUntrusted, readUntrusted } from "../../../fs/untrusted_file.ts";
import { sourceError } from "../../source.ts";

/** Maximum size of a file that is copied from a repository, in bytes. */
const MAX_FILE_BYTES = 64 * 1024 * 1024;

/** Size of the chunks in which a file is copied, in bytes. */
const CHUNK_BYTES = 1024 * 1024;

/**
 * Reads an untrusted file only if it is a regular file of limited size. Opening
 * anything else could block, never end, or lead elsewhere.
 *
 * @returns The bytes; `undefined` if the file does not exist.
 * @throws {RunnerError} With code `source-failed`, if it is not a regular file,
 * or is too large.
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
 * Copies a file with the checks of {@linkcode readPlainFile}, in chunks.
 *
 * @param from Absolute path. A missing file is not copied.
 * @throws {RunnerError} With code `source-failed`, if it is not a regular file,
 * or is too large.
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
      if (count === 0) throw new Error("it changed while it was being read");
      await writeAll(copy, buffer.subarray(0, count));
      left -= count;
    }
  } catch (cause) {
    if (isMissing(cause)) return;
    throw sourceError(`read "${from}"`, osReason(cause), cause);
  }
}

/**
 * Reads text with the checks of {@linkcode readPlainFile}.
 *
 * @returns The text; empty if the file does not exist.
 * @throws {RunnerError} With code `source-failed`, if it is not a regular file,
 * or is too large.
 */
export async function readPlainText(path: string): Promise<string> {
  return new TextDecoder().decode(await readPlainFile(path));
}

/**
 * Lists the regular files in an untrusted directory and its subdirectories.
 *
 * @param directory Absolute path. A missing directory has no files.
 * @param onOther Called with the absolute path of everything that is neither a
 * regular file nor a directory.
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
