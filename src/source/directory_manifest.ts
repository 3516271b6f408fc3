import { dirname } from "@std/path/posix/dirname";
import { osReason, RunnerError } from "../errors.ts";
import { DirectoryReader, readLinkTarget } from "../fs/byte_names.ts";
import { hashFile } from "../fs/files.ts";
import { hashUntrusted } from "../fs/untrusted_file.ts";
import { forEachLimited, PARALLEL_CALLS } from "../work_queue.ts";

/** Maximum size of a file that is read in one piece, in bytes. */
const MAX_BYTES_AT_ONCE = 1024 * 1024;

/** Write permission bits. */
const WRITE_BITS = 0o222;

/** Files that version control systems rewrite even when they only read. */
const REFRESHED = /^\.(?:git\/index|hg\/(?:dirstate|w?cache))(?:\/|$)/;

/**
 * The contents of a directory: one line with type, permissions and checksum for
 * each path.
 */
export type Manifest = ReadonlyMap<string, string>;

/** A path that is being listed. */
interface Listed {
  /**
   * Path relative to the directory; lone surrogates stand for bytes that are
   * not UTF-8.
   */
  readonly name: string;
  /** Path to use for file operations. */
  readonly path: string;
  /** Whether `path` is a symbolic link to the actual entry. */
  readonly isAlias: boolean;
}

/** Options for {@linkcode takeManifest}. */
export interface TakeManifestOptions {
  /**
   * Whether to remove write permission from everything that is listed.
   *
   * @default {false}
   */
  makesReadOnly?: boolean;
  /**
   * Earlier manifest of a directory that may be changing. Files with a
   * different type, size or permissions are not read, new directories are not
   * listed, and no read waits.
   *
   * @default {everything is read}
   */
  expected?: Manifest;
  /** Stops the listing. */
  signal: AbortSignal;
}

/**
 * Lists everything in a directory, with the checksum of each file.
 *
 * Symbolic links are listed as links and not followed. Owners, times and the
 * file state that version control systems record are ignored.
 *
 * @param root Absolute path of the directory.
 * @returns The manifest, which includes the directory itself.
 * @throws {RunnerError} With code `source-failed`, if something cannot be read.
 * @throws {unknown} The reason of the signal once it is aborted.
 */
export async function takeManifest(
  root: string,
  options: TakeManifestOptions,
): Promise<Manifest> {
  const { expected, signal } = options;
  const { createHash } = await import("node:crypto");
  const sumOf = (bytes: Uint8Array) =>
    createHash("sha256").update(bytes).digest("hex");
  const manifest = new Map<string, string>();
  try {
    using reader = new DirectoryReader([dirname(root)]);
    const top: Listed = { name: "", path: root, isAlias: false };
    for (let level = [top]; level.length > 0;) {
      const below: Listed[] = [];
      await forEachLimited(level, PARALLEL_CALLS, async (listed) => {
        signal.throwIfAborted();
        const { name, path, isAlias } = listed;
        const info = await (isAlias ? Deno.stat(path) : Deno.lstat(path));
        if (REFRESHED.test(name)) return;
        manifest.set(name, await describe(listed, info, { ...options, sumOf }));
        if (!info.isDirectory || expected?.has(name) === false) return;
        for (const entry of await reader.read(path)) {
          below.push({
            name: name === "" ? entry.name : `${name}/${entry.name}`,
            path: entry.path,
            isAlias: !entry.isSymlink && !entry.name.isWellFormed(),
          });
        }
      });
      level = below;
    }
    return manifest;
  } catch (cause) {
    signal.throwIfAborted();
    throw new RunnerError(`Cannot list "${root}": ${osReason(cause)}`, {
      code: "source-failed",
      cause,
    });
  }
}

/**
 * Compares two manifests.
 *
 * @returns Sorted paths, each with `added`, `changed` or `removed`.
 */
export function changesBetween(
  before: Manifest,
  after: Manifest,
): [path: string, change: "added" | "changed" | "removed"][] {
  const paths = new Set([...before.keys(), ...after.keys()]);
  return [...paths].sort()
    .filter((path) => before.get(path) !== after.get(path))
    .map((path) => [
      path,
      !before.has(path) ? "added" : after.has(path) ? "changed" : "removed",
    ]);
}

async function describe(
  listed: Listed,
  info: Deno.FileInfo,
  options: TakeManifestOptions & { sumOf: (bytes: Uint8Array) => string },
): Promise<string> {
  const { name, path, isAlias } = listed;
  const { makesReadOnly = false, expected, signal, sumOf } = options;
  const { isDirectory, isFile, isSymlink, size } = info;
  if (isSymlink) return `link ${JSON.stringify(await readLinkTarget(path))}`;
  const mode = makesReadOnly
    ? await makeReadOnly(path, info)
    : permissionBits(info);
  const bits = mode.toString(8);
  if (isDirectory) return `directory ${bits}`;
  // Opening a pipe would block until it has a writer.
  if (!isFile) return `other ${bits}`;
  const shape = `file ${bits} ${size}`;
  if (expected !== undefined) {
    if (expected.get(name)?.startsWith(`${shape} `) !== true) return shape;
    // An alias is a link, so it is opened as one.
    if (!isAlias) {
      return `${shape} ${await hashUntrusted(path, {
        maxBytes: size,
        signal,
      })}`;
    }
  }
  const sum = size > MAX_BYTES_AT_ONCE
    ? await hashFile(path, signal)
    : sumOf(await Deno.readFile(path));
  return `${shape} ${sum}`;
}

function permissionBits({ mode }: Deno.FileInfo): number {
  return (mode ?? 0) & 0o7777;
}

/**
 * A file with several hard links may belong to someone else, so its permissions
 * are not changed.
 */
async function makeReadOnly(
  path: string,
  info: Deno.FileInfo,
): Promise<number> {
  const { nlink, isFile, isDirectory } = info;
  const mode = permissionBits(info);
  const isOwn = isDirectory || (isFile && (nlink ?? 1) === 1);
  if (!isOwn || (mode & WRITE_BITS) === 0) return mode;
  await Deno.chmod(path, mode & ~WRITE_BITS);
  return mode & ~WRITE_BITS;
}
