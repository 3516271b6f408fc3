import { join } from "@std/path/posix/join";
import {
  TAR_END,
  tarHeader,
  type TarItem,
  tarPadding,
} from "../archive/tar_header.ts";
import { osReason, RunnerError } from "../errors.ts";
import { DirectoryReader, readLinkTarget } from "../fs/byte_names.ts";
import { HeldDirectory } from "../fs/held_directory.ts";
import { readableError } from "../fs/untrusted_file.ts";
import { guardPath } from "../workspace/guard.ts";

/** Maximum number of bytes that are read at once. */
const CHUNK_BYTES = 256 * 1024;

/** An entry of a pack. */
export interface PackedEntry extends TarItem {
  /** SHA-256 of the content of a file, in hexadecimal digits. */
  readonly sha256?: string;
}

/**
 * Decides how much of a path is packed: `all`, only selected paths `inside` it if
 * it is a directory, or `none`.
 *
 * @param path Path relative to the root.
 * @param isWhole Whether its whole parent directory is selected.
 */
export type PackSelection = (
  path: string,
  isWhole: boolean,
) => "all" | "inside" | "none";

/** The state of a walk through the saved trees. */
interface Walk {
  readonly reader: DirectoryReader;
  readonly counts: { count: number };
  readonly onEntry?: (entry: PackedEntry) => void;
  /**
   * Whether links may lead out of the root.
   *
   * @default {false}
   */
  readonly allowsAnyLink?: boolean;
  readonly select?: PackSelection;
  /** Names of files with several hard links, by device and inode. */
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
    // A link in the path must not lead out of the directory of the job.
    const parent = await guardPath(root, join(root, path.slice(0, at + 1)));
    yield* rootBytes(path, parent, walk);
  }
  yield TAR_END;
}

/** @param parent Absolute path of the directory of the entry, without links. */
async function* rootBytes(
  name: string,
  parent: string,
  walk: Walk,
): AsyncGenerator<Uint8Array> {
  const baseName = name.slice(name.lastIndexOf("/") + 1);
  let directory: HeldDirectory;
  try {
    directory = await HeldDirectory.open(parent);
  } catch (cause) {
    throw createSaveError(name, osReason(readableError(cause)), cause);
  }
  using _ = directory;
  const path = join(directory.path, baseName);
  yield* entryBytes({ name, baseName, path, directory }, walk);
}

/** A file, link or directory that is packed. */
interface EntryPlace {
  /** Path relative to the root. */
  readonly name: string;
  /** Name in its directory. */
  readonly baseName: string;
  /** Path that Deno can open, see {@linkcode DirectoryReader}. */
  readonly path: string;
  readonly directory: HeldDirectory;
}

/** Yields the bytes of a file, link or directory with everything in it. */
async function* entryBytes(
  place: EntryPlace,
  walk: Walk,
  isAlias = false,
): AsyncGenerator<Uint8Array> {
  const { name, path } = place;
  try {
    // The alias of a file or directory whose name is not UTF-8 is a link to it.
    const info = statPath(path, isAlias);
    walk.counts.count++;
    if (info.isDirectory) yield* directoryBytes(place, info, walk);
    else if (info.isSymlink) yield await linkBytes(name, path, info, walk);
    else if (info.isFile) yield* fileBytes(place, info, walk);
    else throw createSaveError(name, "it is not a file, directory or link");
  } catch (cause) {
    if (cause instanceof RunnerError) throw cause;
    throw createSaveError(name, osReason(readableError(cause)), cause);
  }
}

function statPath(path: string, follows: boolean): Deno.FileInfo {
  return follows ? Deno.statSync(path) : Deno.lstatSync(path);
}

async function* directoryBytes(
  { name, baseName, path, directory }: EntryPlace,
  info: Deno.FileInfo,
  walk: Walk,
): AsyncGenerator<Uint8Array> {
  using opened = await directory.openDirectory(baseName, path);
  const item = { ...createItem(`${name}/`, info), type: "directory" } as const;
  yield tarHeader(item);
  walk.onEntry?.({ ...item, name });
  yield* contentBytes(name, opened, walk, true);
}

/** @param isWhole Whether the whole directory is packed. */
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
    const selection = walk.select?.(child, isWhole) ?? "all";
    const { name: baseName, path } = entry;
    if (selection === "all") {
      const isAlias = !baseName.isWellFormed() && !entry.isSymlink;
      yield* entryBytes(
        { name: child, baseName, path, directory },
        walk,
        isAlias,
      );
    } else if (selection === "inside" && entry.isDirectory) {
      using inside = await directory.openDirectory(baseName, path);
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
  if (!allowsAnyLink && pointsOutside(name, target)) {
    throw createSaveError(
      name,
      `the link leads to "${target}", outside the directory of the job`,
    );
  }
  const item = { ...createItem(name, info), type: "link", target } as const;
  onEntry?.(item);
  return tarHeader(item);
}

async function* fileBytes(
  { name, baseName, path, directory }: EntryPlace,
  info: Deno.FileInfo,
  { linked, onEntry }: Walk,
): AsyncGenerator<Uint8Array> {
  if ((info.nlink ?? 1) > 1) {
    const id = `${info.dev}:${info.ino}`;
    const target = linked.get(id);
    if (target !== undefined) {
      const item = {
        ...createItem(name, info),
        type: "hard link",
        target,
      } as const;
      onEntry?.(item);
      yield tarHeader(item);
      return;
    }
    linked.set(id, name);
  }
  using file = await directory.openFile(baseName, path);
  const { id, size } = file.info;
  // A link or a pipe may have replaced the file in the meantime.
  if (id !== `${info.dev}:${info.ino}`) {
    throw createSaveError(name, "it changed while it was saved");
  }
  const item = { ...createItem(name, file.info), type: "file", size } as const;
  yield tarHeader(item);
  const hash = onEntry && (await import("node:crypto")).createHash("sha256");
  let remaining = size;
  while (remaining > 0) {
    const buffer = new Uint8Array(Math.min(remaining, CHUNK_BYTES));
    const count = file.read(buffer);
    if (count === 0) {
      throw createSaveError(name, "it changed while it was saved");
    }
    remaining -= count;
    hash?.update(buffer.subarray(0, count));
    yield buffer.subarray(0, count);
  }
  onEntry?.({ ...item, sha256: hash?.digest("hex") });
  yield tarPadding(size);
}

function createItem(
  name: string,
  { mode, mtime }: Pick<Deno.FileInfo, "mode" | "mtime">,
): Omit<TarItem, "type"> {
  const modifiedMs = mtime?.getTime() ?? 0;
  return { name, mode: mode ?? 0o644, modifiedMs, size: 0 };
}

function pointsOutside(name: string, target: string): boolean {
  if (target.startsWith("/")) return true;
  let depth = name.split("/").length - 1;
  for (const segment of target.split("/")) {
    if (segment === "..") depth--;
    else if (segment !== "" && segment !== ".") depth++;
    if (depth < 0) return true;
  }
  return false;
}

function createSaveError(
  name: string,
  reason: string,
  cause?: unknown,
): RunnerError {
  return new RunnerError(`Cannot save ${JSON.stringify(name)}: ${reason}`, {
    code: "workspace",
    cause,
  });
}
