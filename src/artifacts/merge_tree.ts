import { join } from "@std/path/posix/join";
import { renamePath } from "../cache/restore_pack.ts";
import { DirectoryReader, runFileCommands } from "../fs/byte_names.ts";
import { lstatIfThere } from "../fs/files.ts";

/**
 * Moves everything in a directory into another one on the same file system.
 *
 * A directory is merged into a directory with the same name, which keeps its
 * permissions. A file or link replaces a file or link. Nothing is written
 * through a link.
 *
 * @param from Absolute path of the directory, without links.
 * @param to Absolute path of the other one, without links.
 * @throws {Error} If something is in the way.
 */
export async function mergeTree(from: string, to: string): Promise<void> {
  using reader = new DirectoryReader([]);
  await merge({ from, to, displayPath: "" }, reader);
}

/** Two directories; the paths are those of a {@linkcode DirectoryReader}. */
interface Directories {
  readonly from: string;
  readonly to: string;
  /** Path to show, relative to the first directories. */
  readonly displayPath: string;
}

async function merge(
  { from, to, displayPath }: Directories,
  reader: DirectoryReader,
): Promise<void> {
  await makeWritable(from);
  const entries = await reader.read(from);
  const existing = new Map(
    entries.length === 0
      ? []
      : (await reader.read(to)).map((entry) => [entry.name, entry]),
  );
  for (const entry of entries) {
    const { name, isDirectory } = entry;
    const path = displayPath === "" ? name : `${displayPath}/${name}`;
    const old = existing.get(name);
    if (old !== undefined && (isDirectory || old.isDirectory)) {
      if (!isDirectory || !old.isDirectory) throw conflictError(path, old);
      await merge(
        { from: entry.path, to: old.path, displayPath: path },
        reader,
      );
    } else if (name.isWellFormed()) {
      await moveTo(join(from, name), join(to, name), path);
    } else {
      const command = old === undefined ? "rename" : "replace";
      await runFileCommands([[command, join(from, name), join(to, name)]]);
    }
  }
}

async function moveTo(from: string, to: string, path: string): Promise<void> {
  const existing = await lstatIfThere(to);
  // A name that is not listed may still exist, such as on a file system that
  // ignores case.
  if (existing?.isDirectory) throw conflictError(path, existing);
  await renamePath(from, to);
}

/** Adds permissions to list and move the entries of a directory. */
async function makeWritable(directory: string): Promise<void> {
  const { mode } = await Deno.stat(directory);
  if (mode === null || (mode & 0o700) === 0o700) return;
  await Deno.chmod(directory, (mode & 0o777) | 0o700);
}

function conflictError(
  path: string,
  { isDirectory, isSymlink }: { isDirectory: boolean; isSymlink: boolean },
): Error {
  const kind = isDirectory ? "directory" : isSymlink ? "link" : "file";
  return new Error(`a ${kind} is in the way at ${JSON.stringify(path)}`);
}
