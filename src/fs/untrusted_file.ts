import { dirname } from "@std/path/posix/dirname";
import { withinTime } from "../within_time.ts";

/** Default time limit for opening and reading, in milliseconds. */
const TIMEOUT_MS = 10_000;

/** Size of the chunks in which a file is hashed, in bytes. */
const HASH_BYTES = 1024 * 1024;

/** Options for {@linkcode openUntrusted}. */
export interface OpenUntrustedOptions {
  /**
   * Absolute path of a parent directory of the file. No path component below it
   * may be a symbolic link.
   *
   * @default {the directory of the file}
   */
  base?: string;
  /**
   * Maximum time of a system call, in milliseconds.
   *
   * @default {10_000}
   */
  timeoutMs?: number;
}

/** Options for {@linkcode readUntrusted}. */
export interface ReadUntrustedOptions extends OpenUntrustedOptions {
  /** Maximum size of the file, in bytes. */
  maxBytes: number;
}

/** A regular file that is open for reading. */
export interface UntrustedFile extends AsyncDisposable {
  /** Size when the file was opened, in bytes. */
  readonly size: number;
  /** Time of the last modification, in milliseconds since 1970. */
  readonly modifiedMs: number;
  /** Identifies the file as long as it exists, under any name. */
  readonly id: string;
  /**
   * Reads the next bytes, or those at a position.
   *
   * @param position Position in the file, in bytes.
   * @returns Number of bytes read; 0 at the end of the file.
   */
  read(buffer: Uint8Array, position?: number): Promise<number>;
  /**
   * Checks whether a process holds an exclusive lock on the file.
   *
   * @returns `undefined` if that is unknown: the file system has no locks, or
   * the file was replaced by now.
   */
  isLocked(): Promise<boolean | undefined>;
}

/**
 * Reads a file that others could have replaced with a link, a pipe without a
 * writer, a device, or an endless file.
 *
 * @returns The entire content.
 * @throws {Deno.errors.NotFound} If the file does not exist.
 * @throws {Error} If it is not a regular file or is too large. The message
 * follows "Cannot read …:".
 */
export async function readUntrusted(
  path: string,
  options: ReadUntrustedOptions,
): Promise<Uint8Array<ArrayBuffer>> {
  const { maxBytes, timeoutMs = TIMEOUT_MS } = options;
  // Loading `node:fs` takes 25 ms, and most steps leave no or empty files.
  const info = await withinTime(Deno.lstat(path), timeoutMs);
  checkKind(info);
  if (info.size === 0) return new Uint8Array();
  if (info.size > maxBytes) throw createSizeError(maxBytes);
  await using file = await openUntrusted(path, options);
  if (file.size > maxBytes) throw createSizeError(maxBytes);
  // One more byte shows whether the file is growing.
  const bytes = new Uint8Array(Math.min(file.size, maxBytes) + 1);
  let length = 0;
  while (length < bytes.length) {
    const count = await file.read(bytes.subarray(length));
    if (count === 0) return bytes.subarray(0, length);
    length += count;
  }
  throw new Error("it changed while it was being read");
}

/**
 * Opens a file that others could have replaced.
 *
 * The file is opened without blocking (`O_NONBLOCK`) and without following a
 * link (`O_NOFOLLOW`), and is checked only when it is open, so that it cannot
 * be replaced between check and use. On Linux, each directory below `base` is
 * opened the same way and the next name is looked up in it. `Deno.open` has no
 * such flags, so this uses `node:fs`. No call blocks the event loop, and none
 * is awaited longer than `timeoutMs`.
 *
 * @throws {Deno.errors.NotFound} If the file does not exist.
 * @throws {Error} If it is not a regular file.
 */
export async function openUntrusted(
  path: string,
  options: OpenUntrustedOptions = {},
): Promise<UntrustedFile> {
  const { base = dirname(path), timeoutMs = TIMEOUT_MS } = options;
  const opening = open(path, base);
  let file: NodeFile;
  try {
    file = await withinTime(opening, timeoutMs);
  } catch (error) {
    // Close a file that is opened after the time limit.
    opening.then((file) => file.close(), () => {});
    throw readableError(error);
  }
  try {
    const info = await withinTime(file.stat(), timeoutMs);
    if (!info.isFile()) throw createTypeError();
    return {
      size: info.size,
      modifiedMs: info.mtimeMs,
      id: `${info.dev}:${info.ino}`,
      async read(buffer, position) {
        const at = position ?? null;
        const reading = file.read(buffer, 0, buffer.length, at);
        return (await withinTime(reading, timeoutMs)).bytesRead;
      },
      isLocked: () =>
        withinTime(isLocked(path, file.fd, info), timeoutMs)
          .catch(() => undefined),
      [Symbol.asyncDispose]: () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw readableError(error);
  }
}

/**
 * Reads a part of a file.
 *
 * @param from Position of the first byte.
 * @param to Position after the last one.
 * @returns Bytes; fewer if the file is shorter.
 */
export async function readAt(
  file: UntrustedFile,
  from: number,
  to: number,
): Promise<Uint8Array> {
  const bytes = new Uint8Array(Math.max(0, to - from));
  let length = 0;
  while (length < bytes.length) {
    const count = await file.read(bytes.subarray(length), from + length);
    if (count === 0) break;
    length += count;
  }
  return bytes.subarray(0, length);
}

/** Options for {@linkcode hashUntrusted}. */
export interface HashUntrustedOptions extends OpenUntrustedOptions {
  /**
   * Size in bytes; reading stops within one chunk after it.
   *
   * @default {no limit}
   */
  maxBytes?: number;
  /** Stops reading. */
  signal: AbortSignal;
}

/**
 * Computes the SHA-256 of a file that others could have replaced.
 *
 * @returns Checksum in lowercase hexadecimal digits.
 * @throws {unknown} Like {@linkcode openUntrusted}, or the reason of the signal.
 */
export async function hashUntrusted(
  path: string,
  options: HashUntrustedOptions,
): Promise<string> {
  const { maxBytes = Infinity, signal } = options;
  const { createHash } = await import("node:crypto");
  const hash = createHash("sha256");
  await using file = await openUntrusted(path, options);
  const buffer = new Uint8Array(Math.min(maxBytes + 1, HASH_BYTES));
  for (let count = 0; count <= maxBytes;) {
    signal.throwIfAborted();
    const length = await file.read(buffer);
    if (length === 0) break;
    hash.update(buffer.subarray(0, length));
    count += length;
  }
  return hash.digest("hex");
}

/** Size of the chunks in which a growing file is read, in bytes. */
const CHUNK_BYTES = 64 * 1024;

/**
 * Reads a file that may be growing, to its current end.
 *
 * @param from Position of the first byte.
 * @param maxBytes Maximum number of bytes that are read.
 */
export async function readToEnd(
  file: UntrustedFile,
  from: number,
  maxBytes: number,
): Promise<Uint8Array> {
  let limit = Math.max(CHUNK_BYTES, file.size - from + 1);
  while (true) {
    const length = Math.min(limit, maxBytes);
    const bytes = await readAt(file, from, from + length);
    if (bytes.length < length || length === maxBytes) return bytes;
    limit *= 2;
  }
}

/** The used part of a `node:fs` file handle. */
interface NodeFile {
  readonly fd: number;
  stat(): Promise<{
    size: number;
    dev: number;
    ino: number;
    mtimeMs: number;
    isFile(): boolean;
  }>;
  read(
    buffer: Uint8Array,
    offset: number,
    length: number,
    position: number | null,
  ): Promise<{ bytesRead: number }>;
  close(): Promise<void>;
}

async function open(path: string, base: string): Promise<NodeFile> {
  const { open, constants } = await import("node:fs/promises");
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK, O_DIRECTORY } = constants;
  const flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK;
  if (dirname(path) === base) {
    return await checkPlace(await open(path, flags), path);
  }
  if (!path.startsWith(`${base}/`)) {
    throw new TypeError(`"${path}" is not below "${base}"`);
  }
  const names = path.slice(base.length + 1).split("/").filter(Boolean);
  const name = names.pop()!;
  if (!canUseDescriptors()) {
    for (let at = 0; at < names.length; at++) {
      const directory = [base, ...names.slice(0, at + 1)].join("/");
      const info = await Deno.lstat(directory);
      if (!info.isDirectory) throw createComponentError();
    }
    return await checkPlace(await open(path, flags), path);
  }
  let directory = await open(base, O_RDONLY | O_DIRECTORY | O_NONBLOCK);
  try {
    for (const part of names) {
      const next = await open(
        `/proc/self/fd/${directory.fd}/${part}`,
        flags | O_DIRECTORY,
      );
      await directory.close();
      directory = next;
    }
    return await open(`/proc/self/fd/${directory.fd}/${name}`, flags);
  } finally {
    await directory.close();
  }
}

/** Without all permissions, Deno follows links in spite of `O_NOFOLLOW`. */
async function checkPlace(file: NodeFile, path: string): Promise<NodeFile> {
  try {
    if (!canUseDescriptors()) checkSame(await file.stat(), path);
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}

/**
 * Checks that an open file is the one at a path, and not the target of a link.
 *
 * @throws {Error} If it is another one.
 */
export function checkSame(
  opened: { readonly dev: number; readonly ino: number },
  path: string,
): void {
  const { dev, ino, isSymlink } = Deno.lstatSync(path);
  if (isSymlink) throw createLinkError();
  if (dev !== opened.dev || ino !== opened.ino) {
    throw new Error("it was replaced while it was opened");
  }
}

/**
 * Checks whether files can be reached through descriptors of this process. Deno
 * allows access to `/proc` only with all permissions.
 */
export function canUseDescriptors(): boolean {
  if (Deno.build.os !== "linux") return false;
  try {
    return Deno.statSync("/proc/self/fd").isDirectory;
  } catch {
    // Without `/proc`, each directory is checked before the file is opened.
    return false;
  }
}

async function isLocked(
  path: string,
  descriptor: number,
  { dev, ino }: { dev: number; ino: number },
): Promise<boolean | undefined> {
  try {
    // `node:fs` has no locks. With `/proc`, the name cannot lead elsewhere by
    // now; otherwise, that is checked before the lock.
    const name = canUseDescriptors() ? `/proc/self/fd/${descriptor}` : path;
    using file = await Deno.open(name);
    const there = await file.stat();
    if (there.dev !== dev || there.ino !== ino) return undefined;
    // A shared lock does not block readers.
    return !file.tryLockSync(false);
  } catch {
    // The file system has no locks.
    return undefined;
  }
}

function checkKind({ isFile, isSymlink }: Deno.FileInfo): void {
  if (isSymlink) throw createLinkError();
  if (!isFile) throw createTypeError();
}

function createLinkError(): Error {
  return new Error("it is a symbolic link");
}

function createTypeError(): Error {
  return new Error("it is not a regular file");
}

function createComponentError(): Error {
  return new Error("a component of its path is not a directory");
}

function createSizeError(maxBytes: number): Error {
  return new Error(`it is larger than ${maxBytes} bytes`);
}

/**
 * Converts an error of `node:fs`, which contains paths, and has a code instead
 * of a class.
 */
export function readableError(error: unknown): unknown {
  if (!(error instanceof Error) || !("code" in error)) return error;
  const [reason] = error.message.replace(/^[A-Z0-9]+: /, "").split(", ");
  switch (error.code) {
    case "ENOENT":
      return new Deno.errors.NotFound(reason, { cause: error });
    case "ELOOP":
    case "EMLINK":
      return createLinkError();
    case "ENOTDIR":
      return createComponentError();
    // A socket, or a device without a driver.
    case "ENXIO":
      return createTypeError();
    default:
      return new Error(reason, { cause: error });
  }
}

/**
 * Appends to a file that others could have replaced with a link, a pipe without
 * a reader, or a device.
 *
 * The file is opened without blocking and without following a link, and is
 * checked only when it is open.
 *
 * @param path Path of the file, which is created if it is missing.
 * @throws {Error} If it is not a regular file or cannot be written. The message
 * follows "Cannot write …:".
 */
export async function appendUntrusted(
  path: string,
  text: string,
): Promise<void> {
  const { open, constants } = await import("node:fs/promises");
  const { O_WRONLY, O_APPEND, O_CREAT, O_NOFOLLOW, O_NONBLOCK } = constants;
  const flags = O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK;
  try {
    const file = await open(path, flags, 0o644);
    try {
      if (!canUseDescriptors()) checkSame(await file.stat(), path);
      if (!(await file.stat()).isFile()) throw createTypeError();
      await file.writeFile(text);
    } finally {
      await file.close();
    }
  } catch (error) {
    throw readableError(error);
  }
}
