import { join } from "@std/path/posix/join";
import { RunnerError } from "../errors.ts";
import { osReason } from "../os_reason.ts";
import { copySparse, isSparse } from "./copy_sparse.ts";
import { forEachLimited } from "./for_each_limited.ts";

/** As many calls as keep the threads of the runtime busy. */
const PARALLEL_COUNT = 32;

/** Options for {@linkcode copyTree}. */
export interface CopyTreeOptions {
  /** Absolute paths that are not copied, nor anything below them. */
  leaveOut: readonly string[];
  /**
   * Tells whether something is not copied, by its path below the directory;
   * that of a directory ends with a slash, and nothing below it is asked for.
   *
   * @default {nothing is ignored}
   */
  isIgnored?: (path: string) => boolean;
  /** Hears of each socket, pipe and device; they are not copied. */
  onSpecialFile: (path: string) => void;
  /** Stops the copying. */
  signal: AbortSignal;
}

/** One entry of a directory on its way. */
interface Entry {
  from: string;
  to: string;
  /** Path below the directory that is copied, with a slash at its end unless it is empty. */
  path: string;
}

/**
 * Copies a directory with all that is in it: files and directories with their
 * permission bits and holes, empty directories, links as links. The bits of
 * the copied directory itself are not carried over.
 *
 * @param from Absolute path of an existing directory.
 * @param to Absolute path of the copy, which may exist and be empty.
 * @param options What to leave out.
 * @throws {RunnerError} With code `source-failed`, if something cannot be copied.
 * @throws {unknown} The reason of the signal once it is aborted.
 */
export async function copyTree(
  from: string,
  to: string,
  options: CopyTreeOptions,
): Promise<void> {
  const each = (
    entries: readonly Entry[],
    action: (entry: Entry) => Promise<void>,
  ) =>
    forEachLimited(entries, PARALLEL_COUNT, async (entry) => {
      options.signal.throwIfAborted();
      try {
        await action(entry);
      } catch (cause) {
        options.signal.throwIfAborted();
        throw copyError(entry, cause);
      }
    });
  const directories: Entry[] = [];
  const files: Entry[] = [];
  let level: Entry[] = [{ from, to, path: "" }];
  while (level.length > 0) {
    const next: Entry[] = [];
    await each(level, (entry) => openDirectory(entry, next, files, options));
    directories.push(...level);
    level = next;
  }
  await each(files, (entry) => copyFile(entry, options.signal));
  // Last, because a directory that may not be written to cannot be filled.
  // The first is the target, whose bits are those of whoever made it.
  await each(directories.slice(1), copyMode);
}

async function openDirectory(
  directory: Entry,
  directories: Entry[],
  files: Entry[],
  { leaveOut, isIgnored, onSpecialFile }: CopyTreeOptions,
): Promise<void> {
  await Deno.mkdir(directory.to, { recursive: true });
  for await (const item of Deno.readDir(directory.from)) {
    const from = join(directory.from, item.name);
    const to = join(directory.to, item.name);
    const path = `${directory.path}${item.name}${item.isDirectory ? "/" : ""}`;
    if (leaveOut.includes(from) || isIgnored?.(path)) continue;
    if (item.isDirectory) directories.push({ from, to, path });
    else if (item.isFile) files.push({ from, to, path });
    else if (item.isSymlink) await Deno.symlink(await Deno.readLink(from), to);
    else onSpecialFile(from);
  }
}

/** Also carries the permission bits over. */
async function copyFile(
  { from, to }: Entry,
  signal: AbortSignal,
): Promise<void> {
  if (isSparse(await Deno.stat(from))) await copySparse(from, to, signal);
  else await Deno.copyFile(from, to);
}

async function copyMode({ from, to }: Entry): Promise<void> {
  const { mode } = await Deno.stat(from);
  if (mode !== null) await Deno.chmod(to, mode & 0o7777);
}

function copyError({ from }: Entry, cause: unknown): unknown {
  return new RunnerError(`Cannot copy "${from}": ${osReason(cause)}`, {
    code: "source-failed",
    cause,
  });
}
