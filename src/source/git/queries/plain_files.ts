import { queryError } from "./query_error.ts";

/** Largest file of a repository that is copied, in bytes. */
const MAX_FILE_BYTES = 64 * 1024 * 1024;

/**
 * Reads a file that somebody else wrote: a regular one, of bounded size. Opening
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
  const info = await lstatIfThere(path);
  if (info === undefined) return undefined;
  if (!info.isFile) throw queryError(`read "${path}"`, "not a regular file");
  if (info.size > maxBytes) {
    throw queryError(`read "${path}"`, `it is larger than ${maxBytes} bytes`);
  }
  return await Deno.readFile(path);
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
 * Lists the regular files below a directory that somebody else wrote.
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
    throw queryError(`read "${directory}"`, "not a directory");
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
    if (
      cause instanceof Deno.errors.NotFound ||
      cause instanceof Deno.errors.NotADirectory
    ) return undefined;
    throw cause;
  }
}
