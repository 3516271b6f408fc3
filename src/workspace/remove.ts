/**
 * Removal of trees that somebody else has filled.
 *
 * 1. Links are removed, never followed.
 * 2. What is mounted in a tree is another tree: a cache, a bucket, somebody's
 *    home. It is left, with the directories around it.
 * 3. Directories that forbid their removal are made writable first.
 * 4. Names that are not UTF-8 are removed as well: those below a directory that
 *    Deno removes as a whole, and others once they have another name.
 */

import { join } from "@std/path/posix/join";
import { isBusy, isMounted, mountsBelow } from "../fs/mounts.ts";
import { isInside } from "../job_path.ts";
import { osReason } from "../errors.ts";

/** Options for {@linkcode removeTree} and {@linkcode emptyDirectory}. */
export interface RemoveOptions {
  /**
   * Called for each path that is left because something is mounted there.
   *
   * @default {nothing is called}
   */
  onMount?: (path: string) => void;
}

/** What a removal knows. */
interface Removal {
  /** What is mounted in the tree; `undefined` if it has to be found out. */
  readonly mounts: readonly string[] | undefined;
  readonly onMount: (path: string) => void;
}

/**
 * Removes a file, a link or a directory with all that is in it, except for what
 * is mounted there.
 *
 * @param path Path.
 * @param options Additional options.
 * @returns Whether there was anything.
 */
export async function removeTree(
  path: string,
  options: RemoveOptions = {},
): Promise<boolean> {
  const { onMount = () => {} } = options;
  try {
    const { isDirectory } = await Deno.lstat(path);
    const mounts = isDirectory ? await mountsBelow(path) : undefined;
    await remove(path, { mounts, onMount });
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

/**
 * Removes all that is in a directory and keeps the directory, which may be a
 * mount point or the current directory of somebody.
 *
 * @param path Path of a directory; one that is missing counts as empty.
 * @param options Additional options.
 * @throws {AggregateError} If some entries could not be removed; the others are gone.
 */
export async function emptyDirectory(
  path: string,
  options: RemoveOptions = {},
): Promise<void> {
  const { onMount = () => {} } = options;
  const errors: unknown[] = [];
  if ((await entriesOf(path)).length === 0) return;
  await allowWriting(path);
  const names = await removableEntriesOf(path);
  const mounts = await mountsBelow(path);
  for (const name of names) {
    try {
      await remove(join(path, name), { mounts, onMount });
    } catch (error) {
      if (!isMissing(error)) errors.push(error);
    }
  }
  if (errors.length > 0) {
    throw new AggregateError(
      errors,
      `Cannot empty "${path}": ${osReason(errors[0])}`,
    );
  }
}

/**
 * Removes a directory if that is possible: nothing is in it, it is no mount
 * point, and the directory around it may be written to.
 *
 * @param path Path of a directory.
 * @returns Whether the directory is gone.
 */
export async function removeIfEmpty(path: string): Promise<boolean> {
  try {
    await Deno.remove(path);
    return true;
  } catch (error) {
    // An empty directory may stay.
    return isMissing(error);
  }
}

async function remove(path: string, removal: Removal): Promise<void> {
  const { mounts } = removal;
  const { isDirectory } = await Deno.lstat(path);
  const hasMounts = mounts === undefined
    ? isDirectory
    : mounts.some((place) => isInside(path, place));
  if (hasMounts) await removeAround(path, removal);
  else await removeWhole(path, removal);
}

async function removeWhole(
  path: string,
  { onMount }: Removal,
): Promise<void> {
  try {
    return await Deno.remove(path, { recursive: true });
  } catch (error) {
    // A file on which another one is mounted.
    if (isBusy(error)) return onMount(path);
    if (!(error instanceof Deno.errors.PermissionDenied)) throw error;
  }
  // Some tools, Go for one, leave directories that forbid their removal.
  await makeWritable(path);
  await Deno.remove(path, { recursive: true });
}

/** Removes entry by entry: something may be mounted at any of them. */
async function removeAround(path: string, removal: Removal): Promise<void> {
  const { mounts, onMount } = removal;
  if (await isMounted(path, mounts)) return onMount(path);
  if (!(await Deno.lstat(path)).isDirectory) return await Deno.remove(path);
  await allowWriting(path);
  const errors: unknown[] = [];
  const names = await removableEntriesOf(path);
  // An entry that got another name may have something mounted in it.
  const inside = mounts && { ...removal, mounts: await mountsBelow(path) };
  for (const name of names) {
    try {
      await remove(join(path, name), inside ?? removal);
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) throw errors[0];
  // What is mounted below keeps it.
  await removeIfEmpty(path);
}

/** What may not be written to cannot be emptied either. */
async function allowWriting(directory: string): Promise<void> {
  const { mode } = await Deno.stat(directory);
  if (mode === null || (mode & 0o300) === 0o300) return;
  try {
    await Deno.chmod(directory, (mode & 0o7777) | 0o700);
  } catch {
    // It is another user's; what cannot be removed is reported.
  }
}

async function makeWritable(path: string): Promise<void> {
  const { isDirectory } = await Deno.lstat(path);
  if (!isDirectory) return;
  await Deno.chmod(path, 0o700);
  for (const name of await removableEntriesOf(path)) {
    await makeWritable(join(path, name));
  }
}

/** Deno cannot remove a file whose name is not UTF-8 until it has another one. */
async function removableEntriesOf(directory: string): Promise<string[]> {
  const names = await entriesOf(directory);
  if (!names.some((name) => name.includes("\ufffd"))) return names;
  const { renameUndecodable } = await import("../fs/byte_paths.ts");
  await renameUndecodable(directory);
  return await entriesOf(directory);
}

async function entriesOf(directory: string): Promise<string[]> {
  const names: string[] = [];
  try {
    for await (const { name } of Deno.readDir(directory)) names.push(name);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return names;
}

function isMissing(error: unknown): boolean {
  return error instanceof Deno.errors.NotFound ||
    error instanceof Deno.errors.NotADirectory;
}
