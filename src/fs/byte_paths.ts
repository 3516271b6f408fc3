/**
 * Paths with which Deno can access entries whose names are not UTF-8, see
 * `byte_names.ts`: a temporary link to the entry ({@linkcode DirectoryReader}),
 * or a temporary name ({@linkcode renameUndecodable}, {@linkcode
 * NameRestorer}).
 */

import { join } from "@std/path/posix/join";
import {
  type DirectoryEntry,
  type FileCommand,
  listDirectory,
  runFileCommands,
} from "./byte_names.ts";
import {
  type PrivateDirectory,
  privateDirectory,
} from "./temporary_directory.ts";

/**
 * Renames the entries of a directory that Deno cannot access, for directories
 * whose contents are about to be removed.
 *
 * @param directory Well-formed path of the directory.
 * @returns The new names.
 * @throws {Error} The error of the system.
 */
export async function renameUndecodable(directory: string): Promise<string[]> {
  const restorer = new NameRestorer();
  const renames = (await listDirectory(directory))
    .filter(({ name }) => !name.isWellFormed())
    .map(({ name }): FileCommand => [
      "rename",
      join(directory, name),
      restorer.place(directory, name),
    ]);
  await runFileCommands(renames);
  return renames.map(([, , to]) => to!.slice(to!.lastIndexOf("/") + 1));
}

/**
 * Reads directories, and returns a path for each entry that Deno can use.
 *
 * Directories with undecodable names are reached through links in a temporary
 * directory, which is removed when the reader is disposed.
 */
export class DirectoryReader implements Disposable {
  readonly #parents: readonly string[];
  #aliases: PrivateDirectory | undefined;
  #count = 0;

  /**
   * @param parents Absolute paths of directories for the links, if `/tmp`
   * cannot be used.
   */
  constructor(parents: readonly string[]) {
    this.#parents = ["/tmp", ...parents];
  }

  /**
   * Reads a directory.
   *
   * A path that is an alias can be used to open or change the entry, but not to
   * remove or rename it. The alias of a symbolic link is a copy of the link.
   *
   * @param directory Path of the directory, well-formed or from this reader.
   * @returns Its entries with paths.
   * @throws {Error} The error of the system.
   */
  async read(
    directory: string,
  ): Promise<(DirectoryEntry & { readonly path: string })[]> {
    const entries = await listDirectory(directory);
    const commands: FileCommand[] = [];
    const found = [];
    for (const entry of entries) {
      let path = join(directory, entry.name);
      if (!entry.name.isWellFormed()) {
        const alias = join(this.#directory(), String(this.#count++));
        commands.push([entry.isSymlink ? "copy_link" : "link", path, alias]);
        path = alias;
      }
      found.push({ ...entry, path });
    }
    await runFileCommands(commands);
    return found;
  }

  /** Removes the links. */
  [Symbol.dispose](): void {
    this.#aliases?.[Symbol.dispose]();
    this.#aliases = undefined;
  }

  #directory(): string {
    this.#aliases ??= privateDirectory(this.#parents);
    return this.#aliases.path;
  }
}

/** Creates entries under temporary names and renames them at the end. */
export class NameRestorer {
  readonly #renames = new Map<string, FileCommand[]>();
  readonly #id = crypto.randomUUID();
  #count = 0;

  /**
   * Returns the path at which to create an entry.
   *
   * @param directory Path of the parent directory, from this restorer if its
   * name is not well-formed.
   */
  place(directory: string, name: string): string {
    if (name.isWellFormed()) return join(directory, name);
    const path = join(directory, `.undecodable-${this.#id}-${this.#count++}`);
    const renames = this.#renames.get(directory) ?? [];
    renames.push(["rename", path, join(directory, name)]);
    this.#renames.set(directory, renames);
    return path;
  }

  /**
   * Renames the entries of directories to their actual names. The deepest
   * directories must come first, because renamed entries can no longer be
   * accessed.
   *
   * @param directories Paths as given to {@linkcode place}.
   * @throws {Error} The error of the system.
   */
  async restore(directories: readonly string[]): Promise<void> {
    if (this.#renames.size === 0) return;
    const renames = directories.flatMap((path) =>
      this.#renames.get(path) ?? []
    );
    for (const path of directories) this.#renames.delete(path);
    await runFileCommands(renames);
  }
}
