import { join } from "@std/path/posix/join";
import {
  TAR_END,
  tarHeader,
  type TarItem,
  tarPadding,
} from "../archive/tar_writer.ts";
import type { ChildEnvironment } from "../environment/child_environment.ts";
import { osReason, RunnerError } from "../errors.ts";
import { DirectoryReader, readLinkTarget } from "../fs/byte_names.ts";
import { writeAll } from "../fs/files.ts";
import { HeldDirectory } from "../fs/held_directory.ts";
import { readableError } from "../fs/untrusted_file.ts";
import { type Cancellation, onAbort } from "../process/cancellation.ts";
import { type RunningProcess, spawn } from "../process/spawn.ts";
import { guardPath } from "../workspace/guard.ts";
import type { CacheEntry } from "./cache_entry.ts";

/** Number of bytes that are written to the compressor at once. */
const CHUNK_BYTES = 256 * 1024;

/** Compressors, the best first. */
const COMPRESSORS: readonly [CacheEntry["format"], readonly string[]][] = [
  ["zstd", ["zstd", "-q", "-c", "-T0", "-3"]],
  ["gzip", ["gzip", "-c", "-n", "-6"]],
];

/** What {@linkcode writePack} needs. */
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

/** An entry of a pack. */
export interface PackedEntry extends TarItem {
  /** SHA-256 of the content of a file, in hexadecimal digits. */
  readonly sha256?: string;
}

/**
 * Selects what is packed: `all` of a path, only what is selected `inside` a
 * directory, or `none` of it.
 *
 * @param path Path relative to the root.
 * @param isWhole Whether all of its parent directory is selected.
 */
export type PackSelection = (
  path: string,
  isWhole: boolean,
) => "all" | "inside" | "none";

/** Properties of a pack. */
export type PackFacts = Pick<
  CacheEntry,
  "format" | "sha256" | "packBytes" | "bytes" | "count"
>;

/**
 * Packs paths into a compressed tar. The order of the entries and everything
 * else that is not part of the tree is fixed, so that equal trees are equal
 * packs.
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
): Promise<PackFacts> {
  const { cancellation } = context;
  const [format, child] = startCompressor(root, context);
  using _ = onAbort(cancellation.graceful, () => child.signal("SIGKILL"));
  const counts = { bytes: 0, count: 0 };
  const items = treeBytes(root, paths, { counts, onEntry: context.onEntry });
  const output = storeOutput(child, file);
  const input = feedInput(child, items, counts, context.maxBytes);
  const [fed, stored] = await Promise.allSettled([input, output]);
  const { exitCode } = await child.status;
  cancellation.graceful.throwIfAborted();
  // A failed write ends the compressor, which then fails as well.
  if (stored.status === "rejected") throw stored.reason;
  if (fed.status === "rejected") throw fed.reason;
  if (exitCode !== 0) {
    throw new Error(`"${format}" ended with exit code ${exitCode}`);
  }
  return { format, ...stored.value, ...counts };
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

async function feedInput(
  child: RunningProcess,
  items: AsyncIterable<Uint8Array>,
  counts: { bytes: number },
  maxBytes: number,
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
      counts.bytes += bytes.length;
      if (counts.bytes > maxBytes) {
        throw new RangeError(`it is larger than ${maxBytes} bytes`);
      }
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

/** The state of a walk through the saved trees. */
interface Walk {
  readonly reader: DirectoryReader;
  readonly counts: { count: number };
  readonly onEntry?: PackContext["onEntry"];
  /**
   * Whether links may lead out of the root.
   *
   * @default {false}
   */
  readonly allowsAnyLink?: boolean;
  readonly select?: PackSelection;
  /** Names of files with several names, by device and inode. */
  readonly linked: Map<string, string>;
}

/**
 * Yields the bytes of a tar of files, links and directories.
 *
 * @param root Absolute path of a directory, without links.
 * @param paths Paths relative to the root, or a selection.
 * @throws {RunnerError} `workspace` if a path cannot be saved.
 */
export async function* treeBytes(
  root: string,
  paths: readonly string[] | PackSelection,
  shared: Pick<Walk, "counts" | "onEntry" | "allowsAnyLink">,
): AsyncGenerator<Uint8Array> {
  using reader = new DirectoryReader([]);
  const walk: Walk = { reader, ...shared, linked: new Map() };
  if (typeof paths === "function") {
    using directory = await HeldDirectory.open(root);
    yield* contentBytes("", directory, { ...walk, select: paths }, false);
    yield TAR_END;
    return;
  }
  for (const path of [...paths].sort()) {
    const at = path.lastIndexOf("/");
    // A link on the way must not lead out of the directory of the job.
    const parent = await guardPath(root, join(root, path.slice(0, at + 1)));
    yield* startBytes(path, parent, walk);
  }
  yield TAR_END;
}

/** @param parent Absolute path of the directory of the entry, without links. */
async function* startBytes(
  name: string,
  parent: string,
  walk: Walk,
): AsyncGenerator<Uint8Array> {
  const own = name.slice(name.lastIndexOf("/") + 1);
  let directory: HeldDirectory;
  try {
    directory = await HeldDirectory.open(parent);
  } catch (cause) {
    throw problem(name, osReason(readableError(cause)), cause);
  }
  using _ = directory;
  const path = join(directory.path, own);
  yield* entryBytes({ name, own, path, directory }, walk);
}

/** A file, link or directory that is packed. */
interface Place {
  /** Path relative to the root. */
  readonly name: string;
  /** Name in its directory. */
  readonly own: string;
  /** Path that Deno can open, see {@linkcode DirectoryReader}. */
  readonly path: string;
  readonly directory: HeldDirectory;
}

/** Yields the bytes of a file, link or directory with everything in it. */
async function* entryBytes(
  place: Place,
  walk: Walk,
  isAlias = false,
): AsyncGenerator<Uint8Array> {
  const { name, path } = place;
  try {
    // The alias of a file or directory whose name is not UTF-8 is a link to it.
    const info = infoOf(path, isAlias);
    walk.counts.count++;
    if (info.isDirectory) yield* directoryBytes(place, info, walk);
    else if (info.isSymlink) yield await linkBytes(name, path, info, walk);
    else if (info.isFile) yield* fileBytes(place, info, walk);
    else throw problem(name, "it is not a file, directory or link");
  } catch (cause) {
    if (cause instanceof RunnerError) throw cause;
    throw problem(name, osReason(readableError(cause)), cause);
  }
}

function infoOf(path: string, follows: boolean): Deno.FileInfo {
  return follows ? Deno.statSync(path) : Deno.lstatSync(path);
}

async function* directoryBytes(
  { name, own, path, directory }: Place,
  info: Deno.FileInfo,
  walk: Walk,
): AsyncGenerator<Uint8Array> {
  using opened = await directory.openDirectory(own, path);
  const item = { ...itemOf(`${name}/`, info), type: "directory" } as const;
  yield tarHeader(item);
  walk.onEntry?.({ ...item, name });
  yield* contentBytes(name, opened, walk, true);
}

/** @param isWhole Whether all of the directory is packed. */
async function* contentBytes(
  name: string,
  directory: HeldDirectory,
  walk: Walk,
  isWhole: boolean,
): AsyncGenerator<Uint8Array> {
  const entries = await walk.reader.read(directory.path);
  entries.sort((a, b) => a.name < b.name ? -1 : 1);
  for (const entry of entries) {
    const child = name === "" ? entry.name : `${name}/${entry.name}`;
    const part = walk.select?.(child, isWhole) ?? "all";
    const { name: own, path } = entry;
    if (part === "all") {
      const isAlias = !own.isWellFormed() && !entry.isSymlink;
      yield* entryBytes({ name: child, own, path, directory }, walk, isAlias);
    } else if (part === "inside" && entry.isDirectory) {
      using inside = await directory.openDirectory(own, path);
      yield* contentBytes(child, inside, walk, false);
    }
  }
}

async function linkBytes(
  name: string,
  path: string,
  info: Deno.FileInfo,
  { onEntry, allowsAnyLink = false }: Walk,
): Promise<Uint8Array> {
  const target = await readLinkTarget(path);
  if (!allowsAnyLink && leadsOut(name, target)) {
    throw problem(
      name,
      `the link leads to "${target}", outside the directory of the job`,
    );
  }
  const item = { ...itemOf(name, info), type: "link", target } as const;
  onEntry?.(item);
  return tarHeader(item);
}

async function* fileBytes(
  { name, own, path, directory }: Place,
  info: Deno.FileInfo,
  { linked, onEntry }: Walk,
): AsyncGenerator<Uint8Array> {
  if ((info.nlink ?? 1) > 1) {
    const id = `${info.dev}:${info.ino}`;
    const target = linked.get(id);
    if (target !== undefined) {
      const item = {
        ...itemOf(name, info),
        type: "hard link",
        target,
      } as const;
      onEntry?.(item);
      yield tarHeader(item);
      return;
    }
    linked.set(id, name);
  }
  using file = await directory.openFile(own, path);
  const { id, size } = file.info;
  // A link or a pipe may have replaced the file in the meantime.
  if (id !== `${info.dev}:${info.ino}`) {
    throw problem(name, "it changed while it was saved");
  }
  const item = { ...itemOf(name, file.info), type: "file", size } as const;
  yield tarHeader(item);
  const hash = onEntry && (await import("node:crypto")).createHash("sha256");
  let left = size;
  while (left > 0) {
    const buffer = new Uint8Array(Math.min(left, CHUNK_BYTES));
    const count = file.read(buffer);
    if (count === 0) throw problem(name, "it changed while it was saved");
    left -= count;
    hash?.update(buffer.subarray(0, count));
    yield buffer.subarray(0, count);
  }
  onEntry?.({ ...item, sha256: hash?.digest("hex") });
  yield tarPadding(size);
}

function itemOf(
  name: string,
  { mode, mtime }: Pick<Deno.FileInfo, "mode" | "mtime">,
): Omit<TarItem, "type"> {
  const modifiedMs = mtime?.getTime() ?? 0;
  return { name, mode: mode ?? 0o644, modifiedMs, size: 0 };
}

function leadsOut(name: string, target: string): boolean {
  if (target.startsWith("/")) return true;
  let depth = name.split("/").length - 1;
  for (const part of target.split("/")) {
    if (part === "..") depth--;
    else if (part !== "" && part !== ".") depth++;
    if (depth < 0) return true;
  }
  return false;
}

function problem(name: string, reason: string, cause?: unknown): RunnerError {
  return new RunnerError(`Cannot save ${JSON.stringify(name)}: ${reason}`, {
    code: "workspace",
    cause,
  });
}
