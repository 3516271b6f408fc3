/**
 * Removal of directory trees with untrusted contents.
 *
 * 1. Links are removed, never followed.
 * 2. Mounts in a tree, such as caches, buckets and home directories, are left,
 *    together with their parent directories.
 * 3. Directories that forbid their removal are made writable first.
 * 4. Names that are not UTF-8 are removed as well: Deno removes them if it
 *    removes a whole directory; others are renamed first.
 */

import { join } from "@std/path/posix/join";
import { isMissing } from "../fs/files.ts";
import { isBusy, isMounted, mountsBelow } from "../fs/mounts.ts";
import { isInside } from "../job_path.ts";
import { osReason } from "../errors.ts";

/** Options for {@linkcode removeTree} and {@linkcode emptyDirectory}. */
export interface RemoveOptions {
  /**
   * Called for each path that is left because something is mounted there.
   *
   * @default {no function}
   */
  onMount?: (path: string) => void;
}

/** Context of a removal. */
interface Removal {
  /** Mount points in the tree; `undefined` if unknown. */
  readonly mounts: readonly string[] | undefined;
  readonly onMount: (path: string) => void;
}

/**
 * Removes a file, a link or a directory with its contents, except for mounts.
 *
 * @returns Whether the path existed.
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
 * Removes the contents of a directory, but not the directory, which may be a
 * mount point or the current directory of a process.
 *
 * @param path Path of a directory; a missing one counts as empty.
 * @throws {AggregateError} If some entries cannot be removed; the others are
 * removed.
 */
export async function emptyDirectory(
  path: string,
  options: RemoveOptions = {},
): Promise<void> {
  const { onMount = () => {} } = options;
  const errors: unknown[] = [];
  if ((await readEntries(path)).length === 0) return;
  await allowWriting(path);
  const names = await removableEntries(path);
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
 * Removes a directory if possible: it must be empty and not a mount point, and
 * its parent directory must be writable.
 *
 * @param path Path of a directory.
 * @returns Whether the directory no longer exists.
 */
export async function removeIfEmpty(path: string): Promise<boolean> {
  try {
    await Deno.remove(path);
    return true;
  } catch (error) {
    // It is not empty or cannot be removed. Neither is an error.
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
    // Another file is mounted on this one.
    if (isBusy(error)) return onMount(path);
    if (!(error instanceof Deno.errors.PermissionDenied)) throw error;
  }
  // Some tools, such as Go, create directories that are not writable.
  await makeWritable(path);
  await Deno.remove(path, { recursive: true });
}

/** Removes entries one by one, since any of them may be a mount point. */
async function removeAround(path: string, removal: Removal): Promise<void> {
  const { mounts, onMount } = removal;
  if (await isMounted(path, mounts)) return onMount(path);
  if (!(await Deno.lstat(path)).isDirectory) return await Deno.remove(path);
  await allowWriting(path);
  const errors: unknown[] = [];
  const names = await removableEntries(path);
  // A renamed entry may contain a mount.
  const inside = mounts && { ...removal, mounts: await mountsBelow(path) };
  for (const name of names) {
    try {
      await remove(join(path, name), inside ?? removal);
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) throw errors[0];
  // The directory stays if there is a mount in it.
  await removeIfEmpty(path);
}

/**
 * Makes a directory writable, since its entries cannot be removed otherwise.
 */
async function allowWriting(directory: string): Promise<void> {
  const { mode } = await Deno.stat(directory);
  if (mode === null || (mode & 0o300) === 0o300) return;
  try {
    await Deno.chmod(directory, (mode & 0o7777) | 0o700);
  } catch {
    // Another user owns it; entries that cannot be removed are reported.
  }
}

async function makeWritable(path: string): Promise<void> {
  const { isDirectory } = await Deno.lstat(path);
  if (!isDirectory) return;
  await Deno.chmod(path, 0o700);
  for (const name of await removableEntries(path)) {
    await makeWritable(join(path, name));
  }
}

/**
 * Lists the entries. Names that are not UTF-8 are changed first, since Deno
 * cannot remove them.
 */
async function removableEntries(directory: string): Promise<string[]> {
  const names = await readEntries(directory);
  if (!names.some((name) => name.includes("\ufffd"))) return names;
  const { renameUndecodable } = await import("../fs/byte_names.ts");
  await renameUndecodable(directory);
  return await readEntries(directory);
}

async function readEntries(directory: string): Promise<string[]> {
  const names: string[] = [];
  try {
    for await (const { name } of Deno.readDir(directory)) names.push(name);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return names;
}
