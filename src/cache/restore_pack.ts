import { dirname } from "@std/path/posix/dirname";
import { join } from "@std/path/posix/join";
import { decompressed } from "../archive/decompress.ts";
import { type ArchiveEntry, Budget } from "../archive/entry.ts";
import { tarEntries } from "../archive/tar_entries.ts";
import { unpack } from "../archive/unpack.ts";
import { lstatIfThere } from "../fs/files.ts";
import { mountsBelow } from "../fs/mounts.ts";
import {
  privateDirectory,
  TEMPORARY_DIRECTORY,
} from "../fs/temporary_directory.ts";
import { guardPath } from "../workspace/guard.ts";
import { emptyDirectory } from "../workspace/remove.ts";
import type { CacheEntry } from "./cache_entry.ts";
import type { PackContext } from "./pack.ts";

/** Maximum size of content that is decompressed in this process, in bytes. */
export const SMALL_BYTES = 4 * 1024 * 1024;

/** Minimum size of the memory of a decompressor, in bytes. */
const MIN_CHUNK_BYTES = 64;

/**
 * Restores the paths of an entry from its pack, whose checksum was verified.
 *
 * The pack is unpacked into a private directory in the directory of the job. Then
 * each path is renamed to its place. If that fails, the previous files are put
 * back. Anything else in the pack is ignored.
 *
 * @param pack Absolute path of the pack, or its bytes if its content is small.
 * @param root Absolute path of the directory of the job, without links.
 * @throws {Error} If the pack does not match its entry, or cannot be restored.
 */
export async function restorePack(
  pack: string | Uint8Array<ArrayBuffer>,
  entry: Pick<CacheEntry, "bytes" | "count" | "format" | "paths">,
  root: string,
  context: PackContext,
): Promise<void> {
  using temporary = privateDirectory([`${root}/${TEMPORARY_DIRECTORY}`]);
  const [fresh, old] = [`${temporary.path}/new`, `${temporary.path}/old`];
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
    await emptyDirectory(temporary.path);
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
    // The entry says how large the content is; there is no other limit.
    maxRatio: Infinity,
  };
  const budget = new Budget(limits, size);
  const stream = typeof pack !== "string" || bytes <= SMALL_BYTES
    ? decompressInProcess(pack, format, bytes)
    : decompressed(pack, format, { env, cwd: "/", cancellation });
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
  const decompress = format === "zstd" ? zstdDecompressSync : gunzipSync;
  const length = Math.max(bytes, MIN_CHUNK_BYTES);
  const limits = { maxOutputLength: length, chunkSize: length };
  const packed = typeof pack === "string" ? await Deno.readFile(pack) : pack;
  let content: Uint8Array;
  try {
    content = decompress(packed, limits);
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
      // A link in the path must not lead out of the directory of the job.
      const parent = await guardPath(root, dirname(join(root, path)));
      await Deno.mkdir(parent, { recursive: true });
      const target = join(parent, path.slice(path.lastIndexOf("/") + 1));
      if (await lstatIfThere(target) !== undefined) {
        // Removing the old tree would remove the content of mounts in it.
        const mounts = await mountsBelow(target);
        if (mounts !== undefined && mounts.length > 0) {
          throw new Error(`"${path}" contains a mount point`);
        }
        await renamePath(target, `${old}/${at}`);
        undo.push(() => renamePath(`${old}/${at}`, target));
      }
      await renamePath(join(fresh, path), target);
      undo.push(() => renamePath(target, join(fresh, path)));
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
