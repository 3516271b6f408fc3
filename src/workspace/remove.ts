import { join } from "@std/path/posix/join";
import { osReason } from "../os_reason.ts";

/**
 * Removes a file, a link or a directory with all that is in it.
 *
 * Links are removed, never followed. Directories that may not be written to
 * are opened first.
 *
 * @param path Path.
 * @returns Whether there was anything.
 */
export async function removeTree(path: string): Promise<boolean> {
  try {
    await Deno.remove(path, { recursive: true });
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    if (!(error instanceof Deno.errors.PermissionDenied)) throw error;
  }
  // Some tools, Go for one, leave directories that forbid their removal.
  await makeWritable(path);
  await Deno.remove(path, { recursive: true });
  return true;
}

/**
 * Removes all that is in a directory and keeps the directory, which may be a
 * mount point or the current directory of somebody.
 *
 * @param path Path of a directory; one that is missing counts as empty.
 * @throws {AggregateError} If some entries could not be removed; the others are gone.
 */
export async function emptyDirectory(path: string): Promise<void> {
  const errors: unknown[] = [];
  if ((await entriesOf(path)).length === 0) return;
  await allowWriting(path);
  for (const name of await removableEntriesOf(path)) {
    try {
      await removeTree(join(path, name));
    } catch (error) {
      errors.push(error);
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
    // An empty directory that stays harms nobody.
    return isMissing(error);
  }
}

/** What may not be written to cannot be emptied either. */
async function allowWriting(directory: string): Promise<void> {
  const { mode } = await Deno.stat(directory);
  if (mode === null || (mode & 0o200) !== 0) return;
  try {
    await Deno.chmod(directory, (mode & 0o7777) | 0o700);
  } catch {
    // It is another user's; whatever cannot be removed is told of.
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
