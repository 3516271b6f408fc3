import { join } from "@std/path/posix/join";
import { decompress } from "../archive/decompress.ts";
import { type ArchiveEntry, Budget } from "../archive/entry.ts";
import { tarEntries } from "../archive/tar_entries.ts";
import { unpack } from "../archive/unpack.ts";
import { joinBytes } from "../bytes.ts";
import type { ChildEnvironment } from "../environment/child_environment.ts";
import { RunnerError } from "../errors.ts";
import { lstatIfThere, sha256Hex, writeAll } from "../fs/files.ts";
import { isInside } from "../job_path.ts";
import { emptyDirectory, mountsBelow } from "../workspace/remove.ts";
import {
  type PrivateDirectory,
  privateDirectory,
  TEMPORARY_DIRECTORY,
} from "../fs/temporary_directory.ts";
import { type Cancellation, onAbort } from "../process/cancellation.ts";
import { type RunningProcess, spawn } from "../process/spawn.ts";
import { openParent } from "../workspace/held_parent.ts";
import type { CacheEntry } from "./cache_entry.ts";
import type { CacheStore } from "./cache_store.ts";
import {
  type PackedEntry,
  type PackSelection,
  treeBytes,
} from "./tree_bytes.ts";

/** Maximum size of content that is decompressed in this process, in bytes. */
export const SMALL_PACK_BYTES = 4 * 1024 * 1024;

/** Minimum size of the memory of a decompressor, in bytes. */
const MIN_CHUNK_BYTES = 64;

/** Number of bytes that are written to the compressor at once. */
const CHUNK_BYTES = 256 * 1024;

/**
 * Maximum size of archives that are compressed in this process, in bytes, because
 * starting another process would take longer.
 */
const SMALL_BYTES = 1024 * 1024;

/** Compression level of zstd. */
const ZSTD_LEVEL = 3;

/** Compressors, the best first. */
const COMPRESSORS: readonly [CacheEntry["format"], readonly string[]][] = [
  ["zstd", ["zstd", "-q", "-c", "-T0", `-${ZSTD_LEVEL}`]],
  ["gzip", ["gzip", "-c", "-n", "-6"]],
];

/** Options for {@linkcode writePack}. */
export interface PackContext {
  /** Environment of the compressor. */
  readonly env: ChildEnvironment;
  /** Maximum size of the unpacked archive, in bytes. */
  readonly maxBytes: number;
  readonly cancellation: Cancellation;
  /**
   * Called for each entry of the pack, in its order.
   *
   * @default {no hashes are computed}
   */
  readonly onEntry?: (entry: PackedEntry) => void;
}

/** Properties of a pack. */
export type PackInfo = Pick<
  CacheEntry,
  "format" | "sha256" | "packBytes" | "bytes" | "count"
>;

/**
 * Packs paths into a compressed tar. Packs of equal trees are equal, because the
 * order of the entries, and everything else that is not part of the tree, is
 * fixed.
 *
 * @param root Absolute path of the directory of the job, without links.
 * @param paths Paths relative to the root, or a selection.
 * @param file Absolute path of the file to write, which must not exist.
 * @throws {RunnerError} `workspace` if a path cannot be saved: it does not
 * exist, is a device, or a link leads out of the root.
 * @throws {RangeError} If the tree is larger than the limit.
 * @throws {Error} If the file cannot be written.
 */
export async function writePack(
  root: string,
  paths: readonly string[] | PackSelection,
  file: string,
  context: PackContext,
): Promise<PackInfo> {
  const { cancellation, onEntry, maxBytes } = context;
  const counts = { bytes: 0, count: 0 };
  const items = limitBytes(
    treeBytes(root, paths, { counts, onEntry }),
    counts,
    maxBytes,
  );
  const { start, isAll } = await readStart(items, cancellation.graceful);
  if (isAll) {
    return { format: "zstd", ...await writeSmall(start, file), ...counts };
  }
  const [format, child] = startCompressor(root, context);
  using _ = onAbort(cancellation.graceful, () => child.signal("SIGKILL"));
  const output = storeOutput(child, file);
  const input = writeInput(child, concatenate(start, items));
  const [written, stored] = await Promise.allSettled([input, output]);
  const { exitCode } = await child.status;
  cancellation.graceful.throwIfAborted();
  // A failed write ends the compressor, which then fails as well.
  if (stored.status === "rejected") throw stored.reason;
  if (written.status === "rejected") throw written.reason;
  if (exitCode !== 0) {
    throw new Error(`"${format}" ended with exit code ${exitCode}`);
  }
  return { format, ...stored.value, ...counts };
}

/** Counts the bytes of an archive, and limits them. */
async function* limitBytes(
  items: AsyncIterable<Uint8Array>,
  counts: { bytes: number },
  maxBytes: number,
): AsyncGenerator<Uint8Array> {
  for await (const bytes of items) {
    counts.bytes += bytes.length;
    if (counts.bytes > maxBytes) {
      throw new RangeError(`it is larger than ${maxBytes} bytes`);
    }
    yield bytes;
  }
}

/** Takes the start of an archive, or all of it if it is small. */
async function readStart(
  items: AsyncGenerator<Uint8Array>,
  signal: AbortSignal,
): Promise<{ start: Uint8Array[]; isAll: boolean }> {
  const start: Uint8Array[] = [];
  let length = 0;
  while (length <= SMALL_BYTES) {
    const { value, done } = await items.next();
    signal.throwIfAborted();
    if (done) return { start, isAll: true };
    start.push(value);
    length += value.length;
  }
  return { start, isAll: false };
}

async function* concatenate(
  start: readonly Uint8Array[],
  rest: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  yield* start;
  yield* rest;
}

async function writeSmall(
  archive: readonly Uint8Array[],
  path: string,
): Promise<{ sha256: string; packBytes: number }> {
  const { constants, zstdCompressSync } = await import("node:zlib");
  const pack = new Uint8Array(zstdCompressSync(joinBytes(archive), {
    params: { [constants.ZSTD_c_compressionLevel]: ZSTD_LEVEL },
  }));
  await Deno.writeFile(path, pack, { createNew: true, mode: 0o600 });
  return { sha256: await sha256Hex(pack), packBytes: pack.length };
}

function startCompressor(
  cwd: string,
  { env }: PackContext,
): [CacheEntry["format"], RunningProcess] {
  for (const [format, argv] of COMPRESSORS) {
    try {
      const child = spawn(argv, {
        cwd,
        env,
        stdin: "piped",
        stderr: "separate",
      });
      void child.stderr!.pipeTo(new WritableStream()).catch(() => {});
      return [format, child];
    } catch (error) {
      const isMissing = error instanceof RunnerError &&
        error.code === "command-not-found";
      if (!isMissing) throw error;
    }
  }
  throw new Error("neither zstd nor gzip is installed");
}

async function writeInput(
  child: RunningProcess,
  items: AsyncIterable<Uint8Array>,
): Promise<void> {
  const writer = child.stdin!.getWriter();
  let buffer = new Uint8Array(CHUNK_BYTES);
  let length = 0;
  const flush = async () => {
    await writer.write(buffer.subarray(0, length));
    buffer = new Uint8Array(CHUNK_BYTES);
    length = 0;
  };
  try {
    for await (let bytes of items) {
      while (bytes.length > 0) {
        const part = bytes.subarray(0, CHUNK_BYTES - length);
        buffer.set(part, length);
        length += part.length;
        bytes = bytes.subarray(part.length);
        if (length === CHUNK_BYTES) await flush();
      }
    }
    await flush();
    await writer.close();
  } catch (error) {
    child.signal("SIGKILL");
    await writer.abort().catch(() => {});
    throw error;
  }
}

async function storeOutput(
  child: RunningProcess,
  path: string,
): Promise<{ sha256: string; packBytes: number }> {
  const { createHash } = await import("node:crypto");
  const hash = createHash("sha256");
  let packBytes = 0;
  try {
    using file = await Deno.open(path, {
      write: true,
      createNew: true,
      mode: 0o600,
    });
    for await (const bytes of child.stdout) {
      hash.update(bytes);
      packBytes += bytes.length;
      await writeAll(file, bytes);
    }
  } catch (error) {
    child.signal("SIGKILL");
    throw error;
  }
  return { sha256: hash.digest("hex"), packBytes };
}

/** Where {@linkcode restorePack} can unpack a pack. */
export interface RestoreContext extends PackContext {
  /** Absolute paths of directories for temporary files. */
  readonly temporaryParents: readonly string[];
  readonly store: Pick<CacheStore, "temporaryParents">;
  readonly runExclusively?: RunExclusively;
}

/**
 * Runs an action while no untrusted step of the job runs; returns `undefined` if
 * one is running. Without it, the action is run in any case.
 */
export type RunExclusively = <T>(
  action: () => Promise<T>,
) => Promise<T> | undefined;

/**
 * Restores the paths of an entry from its pack, whose checksum was verified.
 *
 * The pack is unpacked into a private directory: outside of the directory of
 * the job if it can be on the same file system, because a step that runs at the
 * same time can change everything in it. Otherwise, the pack is restored only
 * while no untrusted step runs. Then each path is renamed to its place.
 * If that fails, the previous files are put back. Anything else in the pack is
 * ignored.
 *
 * @param pack Absolute path of the pack, or its bytes if its content is small.
 * @param root Absolute path of the directory of the job, without links.
 * @throws {Error} If the pack does not match its entry, or cannot be restored.
 */
export async function restorePack(
  pack: string | Uint8Array<ArrayBuffer>,
  entry: Pick<CacheEntry, "bytes" | "count" | "format" | "paths">,
  root: string,
  context: RestoreContext,
): Promise<void> {
  const parents = [
    ...context.store.temporaryParents,
    ...context.temporaryParents,
  ].filter((parent) => !isInside(root, parent) && areOnOneDevice(parent, root));
  for (const parent of parents) {
    let temporary: PrivateDirectory;
    try {
      temporary = privateDirectory([parent]);
    } catch {
      continue;
    }
    using _ = temporary;
    try {
      return await restoreThrough(temporary.path, pack, entry, root, context);
    } catch (error) {
      // One file system may be mounted at both places.
      const isDivided = error instanceof Error && "code" in error &&
        error.code === "EXDEV";
      if (!isDivided) throw error;
    }
  }
  const { runExclusively = (action) => action() } = context;
  const restored = runExclusively(async () => {
    using temporary = privateDirectory([`${root}/${TEMPORARY_DIRECTORY}`]);
    await restoreThrough(temporary.path, pack, entry, root, context);
  });
  if (restored === undefined) {
    throw new Error(
      "an untrusted step is running, which could change files that are unpacked in the directory of the job",
    );
  }
  await restored;
}

function areOnOneDevice(...paths: readonly string[]): boolean {
  try {
    const [first, ...others] = paths.map((path) => Deno.statSync(path).dev);
    return others.every((device) => device === first);
  } catch {
    return false;
  }
}

async function restoreThrough(
  temporary: string,
  ...[pack, entry, root, context]: Parameters<typeof restorePack>
): Promise<void> {
  const [fresh, old] = [`${temporary}/new`, `${temporary}/old`];
  await Deno.mkdir(fresh);
  await Deno.mkdir(old);
  try {
    await unpackPack(pack, entry, fresh, context);
    for (const path of entry.paths) {
      if (await lstatIfThere(join(fresh, path)) === undefined) {
        throw new Error(`its pack does not contain "${path}"`);
      }
    }
    context.cancellation.graceful.throwIfAborted();
    await replacePaths(entry.paths, { fresh, old, root });
  } finally {
    // It also removes names that are not UTF-8 in directories without write
    // permission.
    await emptyDirectory(temporary);
  }
}

/**
 * Unpacks a pack into an empty directory.
 *
 * @param pack The pack, as for {@linkcode restorePack}.
 * @param directory Absolute path of the directory, without links.
 * @param check Checks the entries of the pack before they are unpacked.
 * @throws {Error} If the pack does not match its description.
 */
export async function unpackPack(
  pack: string | Uint8Array<ArrayBuffer>,
  { bytes, count, format }: Pick<CacheEntry, "bytes" | "count" | "format">,
  directory: string,
  { env, cancellation }: PackContext,
  check = (entries: AsyncIterable<ArchiveEntry>) => entries,
): Promise<void> {
  const size = typeof pack === "string"
    ? (await Deno.stat(pack)).size
    : pack.length;
  const limits = {
    maxBytes: bytes,
    maxEntries: count,
    allowsImpliedDirectories: true,
    // The only limit is the size that the entry states.
    maxRatio: Infinity,
  };
  const budget = new Budget(limits, size);
  const stream = typeof pack !== "string" || bytes <= SMALL_PACK_BYTES
    ? decompressInProcess(pack, format, bytes)
    : decompress(pack, format, { env, cwd: "/", cancellation });
  const entries = check(tarEntries(budget.counted(stream), budget));
  await unpack(entries, directory, {
    stripTop: false,
    budget,
    signal: cancellation.graceful,
  });
}

/**
 * Decompresses a small pack in this process, because starting another process
 * would take longer.
 *
 * @throws {Error} If it is damaged, or larger than its entry says.
 */
async function* decompressInProcess(
  pack: string | Uint8Array<ArrayBuffer>,
  format: CacheEntry["format"],
  bytes: number,
): AsyncGenerator<Uint8Array> {
  const { gunzipSync, zstdDecompressSync } = await import("node:zlib");
  const decompressSync = format === "zstd" ? zstdDecompressSync : gunzipSync;
  const length = Math.max(bytes, MIN_CHUNK_BYTES);
  const limits = { maxOutputLength: length, chunkSize: length };
  const packed = typeof pack === "string" ? await Deno.readFile(pack) : pack;
  let content: Uint8Array;
  try {
    content = decompressSync(packed, limits);
  } catch (cause) {
    const reason = cause instanceof RangeError
      ? `its content is larger than ${bytes} bytes`
      : "its pack is damaged";
    throw new Error(reason, { cause });
  }
  yield content;
}

/** Directories of a restore; the first two are on the file system of the root. */
interface Places {
  fresh: string;
  old: string;
  root: string;
}

async function replacePaths(
  paths: readonly string[],
  { fresh, old, root }: Places,
): Promise<void> {
  const undo: (() => Promise<void>)[] = [];
  try {
    for (const [at, path] of paths.entries()) {
      using parent = await openParent(root, path, { creates: true });
      const name = path.slice(path.lastIndexOf("/") + 1);
      const target = join(parent.path, name);
      // The directory may be another one by then.
      const putBack = (from: (target: string) => Promise<void>) => async () => {
        using parent = await openParent(root, path, { creates: true });
        await from(join(parent.path, name));
      };
      if (await lstatIfThere(target) !== undefined) {
        // Removing the old tree would remove the content of mounts in it.
        const mounts = await mountsBelow(target);
        if (mounts !== undefined && mounts.length > 0) {
          throw new Error(`"${path}" contains a mount point`);
        }
        await renamePath(target, `${old}/${at}`);
        undo.push(putBack((target) => renamePath(`${old}/${at}`, target)));
      }
      await renamePath(join(fresh, path), target);
      undo.push(putBack((target) => renamePath(target, join(fresh, path))));
    }
  } catch (error) {
    const failures: unknown[] = [];
    for (const action of undo.reverse()) {
      await action().catch((cause) => failures.push(cause));
    }
    if (failures.length === 0) throw error;
    throw new AggregateError(
      [error, ...failures],
      "not all paths were put back",
    );
  }
}

/**
 * Renames a path. Only root can move a directory that is not writable to
 * another directory, because its entry `..` changes.
 */
export async function renamePath(from: string, to: string): Promise<void> {
  const { isDirectory, mode } = await Deno.lstat(from);
  const isLocked = isDirectory && mode !== null && (mode & 0o200) === 0;
  if (!isLocked) return await Deno.rename(from, to);
  await Deno.chmod(from, mode & 0o777 | 0o200);
  try {
    await Deno.rename(from, to);
  } catch (error) {
    await Deno.chmod(from, mode & 0o777);
    throw error;
  }
  await Deno.chmod(to, mode & 0o777);
}
