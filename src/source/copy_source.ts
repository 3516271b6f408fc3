import { basename } from "@std/path/posix/basename";
import { dirname } from "@std/path/posix/dirname";
import { join } from "@std/path/posix/join";
import { resolve } from "@std/path/posix/resolve";
import { messageOf, osReason, RunnerError } from "../errors.ts";
import {
  createLink,
  DirectoryReader,
  NameRestorer,
  pathReason,
  readLinkTarget,
} from "../fs/byte_names.ts";
import { setLinkTime, writeAll } from "../fs/files.ts";
import { isInside, OWN_DIRECTORY } from "../job_path.ts";
import { forEachLimited, PARALLEL_CALLS } from "../work_queue.ts";
import { realPath } from "../workspace/guard.ts";
import { isOwnWorkspace, isWorkflowFile } from "../workspace/ignore_files.ts";
import {
  type FillDirectory,
  type SourceContext,
  sourceError,
} from "./source.ts";
import { decodePath } from "./source_url.ts";

/**
 * Validates a directory as a source. Nothing is copied yet.
 *
 * A workspace inside the source is excluded. If the source is inside the
 * workspace, so are the target and the runner's own files, which may contain
 * credentials. Leftovers of other runs are excluded as well: their workspaces,
 * and the files of local workflows.
 *
 * @param url `file:` URL or path, absolute or relative to the current
 * directory.
 * @param target Absolute path of the copy, without symbolic links.
 * @param ignore `.gitignore` patterns of files that are not copied.
 * @returns Function that copies the directory.
 * @throws {RunnerError} With code `source-failed`, if the directory does not
 * exist or is inside the target. The returned function throws the same if
 * something cannot be copied.
 */
export async function copySource(
  url: string,
  target: string,
  ignore: readonly string[],
  context: SourceContext,
): Promise<FillDirectory> {
  const { workspace, cwd, log, cancellation } = context;
  const source = await sourceDirectory(url, cwd);
  if (isInside(target, source)) {
    throw failure(url, `it is in "${target}", which would be replaced`);
  }
  const base = await realPath(workspace.base);
  const holdsWorkspace = base !== source && isInside(source, base);
  const isIgnored = ignore.length === 0
    ? undefined
    : await compileIgnore(ignore);
  return async () => {
    log.info("source", "Copying", { from: source });
    await copyTree(source, target, {
      isIgnored,
      leaveOut: holdsWorkspace ? [base] : [target, join(base, OWN_DIRECTORY)],
      isLeftByRun,
      onBytes: context.measure?.bytes,
      onSpecialFile: (path) =>
        log.warn(
          "source",
          "Skipped a file that is not a regular file, directory or link",
          {
            path,
          },
        ),
      signal: cancellation.graceful,
    });
    return undefined;
  };
}

/**
 * Checks whether an entry is a leftover of a run; it may contain earlier copies
 * and outputs.
 */
function isLeftByRun(path: string, isDirectory: boolean): boolean {
  const parent = dirname(path);
  return basename(parent) === OWN_DIRECTORY && isWorkflowFile(basename(path)) ||
    isDirectory && isOwnWorkspace(path);
}

/** Compiles patterns. The library is loaded only if there are any. */
async function compileIgnore(
  patterns: readonly string[],
): Promise<(path: string) => boolean> {
  const { default: ignore } = await import("ignore");
  const rules = ignore().add(patterns);
  return (path) => rules.ignores(path);
}

async function sourceDirectory(url: string, cwd: string): Promise<string> {
  const path = resolve(cwd, filePath(url));
  let directory: string;
  let isDirectory: boolean;
  try {
    directory = await Deno.realPath(path);
    ({ isDirectory } = await Deno.stat(directory));
  } catch (cause) {
    throw failure(url, pathReason(path, cause), cause);
  }
  if (!isDirectory) throw failure(url, "it is not a directory");
  return directory;
}

function filePath(url: string): string {
  if (url.includes("\0")) throw failure(url, "it contains a NUL character");
  if (!url.startsWith("file://")) return url;
  try {
    const parsed = new URL(url);
    if (parsed.host !== "") throw new TypeError("its URL names another host");
    return decodePath(parsed);
  } catch (cause) {
    throw failure(url, messageOf(cause), cause);
  }
}

function failure(url: string, reason: string, cause?: unknown): RunnerError {
  return sourceError(`copy ${JSON.stringify(url)}`, reason, cause);
}

/** Options for {@linkcode copyTree}. */
export interface CopyTreeOptions {
  /** Absolute paths that are not copied, including everything below them. */
  leaveOut: readonly string[];
  /**
   * Returns whether a path is excluded. Paths are relative to the directory;
   * the path of a directory ends with a slash, and nothing below an excluded
   * directory is checked.
   *
   * @default {nothing is excluded}
   */
  isIgnored?: (path: string) => boolean;
  /**
   * Returns whether an entry, given by its absolute path, is excluded.
   *
   * @default {nothing is excluded}
   */
  isLeftByRun?: (path: string, isDirectory: boolean) => boolean;
  /**
   * Called with the size of each copied file.
   *
   * @default {nothing}
   */
  onBytes?: (count: number) => void;
  /** Called for each socket, pipe and device; they are not copied. */
  onSpecialFile: (path: string) => void;
  /** Stops the copying. */
  signal: AbortSignal;
}

/** An entry that is being copied. */
interface Entry {
  /** Path of the original. */
  from: string;
  /** Path of the copy. */
  to: string;
  /**
   * Path relative to the copied directory; the path of a directory ends with a
   * slash.
   */
  path: string;
}

/** Entries that were found so far. */
interface Contents {
  readonly directories: Entry[];
  readonly files: Entry[];
  readonly links: Entry[];
}

/**
 * Copies a directory and everything in it: files and directories with their
 * permissions, times and holes, empty directories, and symbolic links as links.
 * Names and link targets may be any bytes. The permissions of the copied
 * directory itself are not copied. Entries that are removed during the call are
 * ignored.
 *
 * @param from Absolute path of an existing directory.
 * @param to Absolute path of the copy, which may exist if it is empty.
 * @throws {RunnerError} With code `source-failed`, if something cannot be
 * copied.
 * @throws {unknown} The reason of the signal once it is aborted.
 */
export async function copyTree(
  from: string,
  to: string,
  options: CopyTreeOptions,
): Promise<void> {
  const { signal } = options;
  const root: Entry = { from, to, path: "" };
  const vanished = new Set<Entry>();
  const attempt = async (entry: Entry, action: () => Promise<void>) => {
    signal.throwIfAborted();
    if (vanished.has(entry)) return;
    try {
      await action();
    } catch (cause) {
      signal.throwIfAborted();
      // It was removed after it had been listed, or a parent directory was.
      const isVanished = entry !== root &&
        cause instanceof Deno.errors.NotFound;
      if (!isVanished) throw copyError(entry, cause);
      vanished.add(entry);
      await Deno.remove(entry.to).catch(() => {});
    }
  };
  const each = (
    entries: readonly Entry[],
    action: (entry: Entry) => Promise<void>,
  ) =>
    forEachLimited(
      entries,
      PARALLEL_CALLS,
      (entry) => attempt(entry, () => action(entry)),
    );
  using reader = new DirectoryReader([to]);
  const restorer = new NameRestorer();
  const levels: Entry[][] = [];
  const files: Entry[] = [];
  const links: Entry[] = [];
  for (let level = [root]; level.length > 0;) {
    const contents: Contents = { directories: [], files, links };
    await each(
      level,
      (entry) => openDirectory(entry, contents, { reader, restorer, options }),
    );
    levels.unshift(level);
    level = contents.directories;
  }
  await each(files, (entry) => copyFile(entry, options));
  await each(links, copyLink);
  // The deepest directories come first: a read-only directory cannot be filled,
  // and creating an entry changes the directory's times.
  for (const level of levels) {
    await attempt(level[0], () => restorer.restore(level.map(({ to }) => to)));
    await each(level, (entry) => copyAttributes(entry, entry !== root));
  }
}

async function openDirectory(
  directory: Entry,
  { directories, files, links }: Contents,
  { reader, restorer, options }: {
    reader: DirectoryReader;
    restorer: NameRestorer;
    options: CopyTreeOptions;
  },
): Promise<void> {
  const { leaveOut, isIgnored, isLeftByRun, onSpecialFile } = options;
  await Deno.mkdir(directory.to, { recursive: true });
  for (const item of await reader.read(directory.from)) {
    const { name, path: from, isDirectory, isFile, isSymlink } = item;
    const path = `${directory.path}${name}${isDirectory ? "/" : ""}`;
    if (leaveOut.includes(from) || isIgnored?.(path)) continue;
    if (isLeftByRun?.(from, isDirectory)) continue;
    const group = isDirectory
      ? directories
      : isFile
      ? files
      : isSymlink
      ? links
      : undefined;
    if (group === undefined) onSpecialFile(join(directory.from, name));
    else group.push({ from, to: restorer.place(directory.to, name), path });
  }
}

/** Also copies the permissions. */
async function copyFile(
  { from, to }: Entry,
  { signal, onBytes }: CopyTreeOptions,
): Promise<void> {
  const info = await Deno.stat(from);
  if (isSparse(info)) await copySparse(from, to, signal);
  else await Deno.copyFile(from, to);
  const { atime, mtime, size } = info;
  if (mtime) await Deno.utime(to, atime ?? mtime, mtime);
  onBytes?.(size);
}

async function copyLink({ from, to }: Entry): Promise<void> {
  const { atime, mtime } = await Deno.lstat(from);
  await createLink(await readLinkTarget(from), to);
  if (mtime) await setLinkTime(to, atime ?? mtime, mtime);
}

async function copyAttributes(
  { from, to }: Entry,
  withMode: boolean,
): Promise<void> {
  const { mode, atime, mtime } = await Deno.stat(from);
  if (mtime) await Deno.utime(to, atime ?? mtime, mtime);
  if (withMode && mode !== null) await Deno.chmod(to, mode & 0o7777);
}

function copyError({ from }: Entry, cause: unknown): unknown {
  return new RunnerError(`Cannot copy "${from}": ${osReason(cause)}`, {
    code: "source-failed",
    cause,
  });
}

/** Size of the smallest hole that is preserved, in bytes. */
const UNIT_BYTES = 64 * 1024;

/** Unit in which the system counts disk usage, in bytes. */
const BLOCK_BYTES = 512;

/** Size below which a file is copied without looking for holes, in bytes. */
const MIN_BYTES = 1024 * 1024;

/**
 * Checks whether a file uses less disk space than its size.
 *
 * @returns Whether it has holes that are worth preserving.
 */
function isSparse({ size, blocks }: Deno.FileInfo): boolean {
  return size >= MIN_BYTES && blocks !== null &&
    blocks * BLOCK_BYTES < size - UNIT_BYTES;
}

/**
 * Copies a file and its permissions, and leaves holes where it contains only
 * zeros. The system call for copying would fill them.
 *
 * @param to Path of the copy, which must not exist.
 */
async function copySparse(
  from: string,
  to: string,
  signal: AbortSignal,
): Promise<void> {
  using source = await Deno.open(from);
  using target = await Deno.open(to, { write: true, createNew: true });
  const buffer = new Uint8Array(UNIT_BYTES);
  let position = 0;
  while (true) {
    signal.throwIfAborted();
    const count = await source.read(buffer);
    if (count === null) break;
    if (!isZero(buffer, count)) {
      await target.seek(position, Deno.SeekMode.Start);
      await writeAll(target, buffer.subarray(0, count));
    }
    position += count;
  }
  await target.truncate(position);
  const { mode } = await source.stat();
  if (mode !== null) await Deno.chmod(to, mode & 0o7777);
}

/** Compares four bytes at a time, for speed. */
function isZero(buffer: Uint8Array<ArrayBuffer>, count: number): boolean {
  const words = new Int32Array(buffer.buffer, 0, count >> 2);
  for (let at = 0; at < words.length; at++) if (words[at] !== 0) return false;
  return buffer.subarray(words.length * 4, count).every((byte) => byte === 0);
}
