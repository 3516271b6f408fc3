/**
 * Removal of directory trees with untrusted contents.
 *
 * 1. Links are removed, never followed.
 * 2. Mounts in a tree, such as caches, buckets and home directories, are left,
 *    together with their parent directories.
 * 3. Directories that forbid their removal are made writable first.
 * 4. Names that are not UTF-8 are removed as well: Deno removes them if it
 *    removes a whole directory; others are renamed first.
 * 5. Directories may be nested to any depth.
 *
 * @module
 */
import { dirname } from "@std/path/posix/dirname";
import { join } from "@std/path/posix/join";
import { osReason } from "../errors.ts";
import { isMissing } from "../fs/files.ts";
import { isInside } from "../job_path.ts";
import { isNested, removeNested } from "../process/remove_nested.ts";
import { pause } from "../process/time_limit.ts";

/** Number of files that are removed before other work gets a turn. */
const FILES_PER_TURN = 100;

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
  if ((await readEntries(path)).length === 0) return;
  await allowWriting(path);
  const entries = await removableEntries(path);
  const mounts = await mountsBelow(path);
  const errors = await removeEntries(path, entries, { mounts, onMount });
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
  if (hasMounts) await removeAroundMounts(path, removal);
  else await removeWhole(path, removal);
}

async function removeWhole(
  path: string,
  { onMount }: Removal,
): Promise<void> {
  try {
    if (isNested(path)) return await removeNested(path);
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
async function removeAroundMounts(
  path: string,
  removal: Removal,
): Promise<void> {
  const { mounts, onMount } = removal;
  if (await isMounted(path, mounts)) return onMount(path);
  if (!(await Deno.lstat(path)).isDirectory) return await Deno.remove(path);
  await allowWriting(path);
  const entries = await removableEntries(path);
  // A renamed entry may contain a mount.
  const inside = mounts && { ...removal, mounts: await mountsBelow(path) };
  const errors = await removeEntries(path, entries, inside ?? removal);
  if (errors.length > 0) throw errors[0];
  // The directory stays if there is a mount in it.
  await removeIfEmpty(path);
}

/**
 * Removes entries of a directory one after the other.
 *
 * @returns Errors of those that are left.
 */
async function removeEntries(
  directory: string,
  entries: readonly Deno.DirEntry[],
  removal: Removal,
): Promise<unknown[]> {
  const errors: unknown[] = [];
  let count = 0;
  for (const { name, isDirectory } of entries) {
    const path = join(directory, name);
    if (!isDirectory && tryRemoveFile(path)) {
      if (++count % FILES_PER_TURN === 0) await pause(0);
      continue;
    }
    try {
      await remove(path, removal);
    } catch (error) {
      if (!isMissing(error)) errors.push(error);
    }
  }
  return errors;
}

/**
 * Removes a file or a link. Doing so in another thread takes ten times as long.
 *
 * @returns Whether it was removed. A mount point is not.
 */
function tryRemoveFile(path: string): boolean {
  try {
    Deno.removeSync(path);
    return true;
  } catch {
    // The caller determines the reason.
    return false;
  }
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
  for (const { name, isDirectory } of await removableEntries(path)) {
    if (isDirectory) await makeWritable(join(path, name));
  }
}

/**
 * Lists the entries of a directory. Those whose names are not UTF-8 are renamed
 * first, since Deno cannot remove them.
 */
async function removableEntries(directory: string): Promise<Deno.DirEntry[]> {
  const entries = await readEntries(directory);
  if (!entries.some(({ name }) => name.includes("\ufffd"))) return entries;
  const { renameUndecodable } = await import("../fs/byte_names.ts");
  await renameUndecodable(directory);
  return await readEntries(directory);
}

async function readEntries(directory: string): Promise<Deno.DirEntry[]> {
  try {
    return await Array.fromAsync(Deno.readDir(directory));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/**
 * Lists the mount points at and below a directory.
 *
 * Device numbers are not sufficient, because a bind mount can have the same
 * one.
 *
 * @param directory Absolute path.
 * @returns Mount points whose paths start with the directory; `undefined` if
 * the system does not list them.
 */
export async function mountsBelow(
  directory: string,
): Promise<string[] | undefined> {
  const path = "/proc/self/mountinfo";
  const { state } = await Deno.permissions.query({ name: "read", path });
  if (state !== "granted") return undefined;
  let text: string;
  let real: string;
  try {
    // Deno allows this only with all permissions.
    text = await Deno.readTextFile(path);
    real = await Deno.realPath(directory);
  } catch {
    return undefined;
  }
  return text.split("\n")
    .map((line) => unescapeOctal(line.split(" ")[4] ?? ""))
    .filter((place) => isInside(real, place))
    .map((place) => directory + place.slice(real.length));
}

/**
 * Checks whether something is mounted at a path. If the system does not list
 * mounts, this tries to rename the path, which fails for mount points.
 *
 * @param path Absolute path in a writable directory.
 * @param mounts Result of {@linkcode mountsBelow}.
 */
export async function isMounted(
  path: string,
  mounts: readonly string[] | undefined,
): Promise<boolean> {
  if (mounts !== undefined) return mounts.includes(path);
  const [{ dev, isDirectory }, around] = await Promise.all([
    Deno.lstat(path),
    Deno.lstat(dirname(path)),
  ]);
  if (isDirectory && dev !== around.dev) return true;
  const probe = `${dirname(path)}/.runnerlib-${crypto.randomUUID()}`;
  try {
    await Deno.rename(path, probe);
  } catch (error) {
    return isBusy(error);
  }
  await Deno.rename(probe, path);
  return false;
}

/** Checks whether a change failed because something is mounted at the path. */
function isBusy(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "EBUSY";
}

/** Decodes spaces, line breaks and backslashes, which are octal escapes. */
function unescapeOctal(text: string): string {
  return text.replace(
    /\\([0-7]{3})/g,
    (_, digits) => String.fromCharCode(parseInt(digits, 8)),
  );
}
