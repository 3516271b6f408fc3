import { osReason, RunnerError } from "../errors.ts";

/** Size of the chunks in which files are read, in bytes. */
const CHUNK_BYTES = 256 * 1024;

/** Checks whether a path exists. A symbolic link exists even if it is dangling. */
export async function pathExists(path: string): Promise<boolean> {
  return await Deno.lstat(path).then(() => true, () => false);
}

/** Like {@linkcode pathExists}, but synchronous. */
export function pathExistsSync(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

/** Checks whether a path is a file, or a link to one, that can be accessed. */
export async function isFile(path: string): Promise<boolean> {
  return await Deno.stat(path).then(({ isFile }) => isFile, () => false);
}

/** Checks whether a path is a directory, or a link to one, that can be accessed. */
export function isDirectorySync(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false;
  }
}

/**
 * Returns information about a path without following a link.
 *
 * @returns The information; `undefined` if the path does not exist.
 */
export async function lstatIfThere(
  path: string,
): Promise<Deno.FileInfo | undefined> {
  try {
    return await Deno.lstat(path);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** Like {@linkcode lstatIfThere}, but synchronous. */
export function lstatIfThereSync(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.lstatSync(path);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** Checks whether an error means that a path, or a parent directory, does not exist. */
export function isMissing(error: unknown): boolean {
  return error instanceof Deno.errors.NotFound ||
    error instanceof Deno.errors.NotADirectory;
}

/** Writes all bytes to a file or a connection. */
export async function writeAll(
  writer: { write(bytes: Uint8Array): Promise<number> },
  bytes: Uint8Array,
): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    at += await writer.write(bytes.subarray(at));
  }
}

/** Like {@linkcode writeAll}, but synchronous. */
export function writeAllSync(
  writer: { writeSync(bytes: Uint8Array): number },
  bytes: Uint8Array,
): void {
  for (let at = 0; at < bytes.length;) {
    at += writer.writeSync(bytes.subarray(at));
  }
}

/**
 * Sets the times of a symbolic link, not of its target, if the file system
 * supports it.
 */
export async function setLinkTime(
  path: string,
  accessedAt: Date,
  modifiedAt: Date,
): Promise<void> {
  const { lutimes } = await import("node:fs/promises");
  try {
    await lutimes(path, accessedAt, modifiedAt);
  } catch {
    // Nothing depends on the times of a link.
  }
}

/**
 * Computes the SHA-256 of a file in chunks.
 *
 * WebCrypto is not used because it needs the whole file in memory.
 *
 * @returns Checksum in lowercase hexadecimal digits.
 * @throws {unknown} The error of the system, or the reason of the signal.
 */
export async function hashFile(
  path: string,
  signal: AbortSignal,
): Promise<string> {
  const { createHash } = await import("node:crypto");
  const hash = createHash("sha256");
  using file = await Deno.open(path);
  const buffer = new Uint8Array(CHUNK_BYTES);
  while (true) {
    signal.throwIfAborted();
    const count = await file.read(buffer);
    if (count === null) return hash.digest("hex");
    hash.update(buffer.subarray(0, count));
  }
}

/** Computes the SHA-256 of text in UTF-8 or of bytes, in hexadecimal digits. */
export async function sha256Hex(
  data: string | Uint8Array<ArrayBuffer>,
): Promise<string> {
  const bytes = typeof data === "string"
    ? new TextEncoder().encode(data)
    : data;
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
}

/** Checks whether a value is a SHA-256 in lowercase hexadecimal digits. */
export function isSha256(value: unknown): value is string {
  return typeof value === "string" && /^[0-9a-f]{64}$/.test(value);
}

/**
 * Creates a directory and its parents, unless they exist.
 *
 * @throws {RunnerError} `workspace` if that fails.
 */
export async function createDirectory(path: string): Promise<void> {
  try {
    await Deno.mkdir(path, { recursive: true });
  } catch (cause) {
    throw new RunnerError(`Cannot create "${path}": ${osReason(cause)}`, {
      code: "workspace",
      cause,
    });
  }
}
