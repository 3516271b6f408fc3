/**
 * Paths by which Deno reaches entries whose names are not UTF-8, see
 * `byte_names.ts`: a temporary link that leads to the entry
 * ({@linkcode DirectoryReader}), or a temporary name that the entry is given
 * ({@linkcode renameUndecodable}, {@linkcode NameRestorer}).
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
 * Renames the entries of a directory that Deno cannot address, to names that
 * say so. For directories whose content is about to be removed.
 *
 * @param directory Path of the directory; it must be well-formed.
 * @returns The new names.
 * @throws {Error} What the system says.
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
 * Reads directories and gives each entry a path that Deno can use.
 *
 * The entries of a directory with undecodable names are reached through links
 * in a temporary directory, which is removed with the reader.
 */
export class DirectoryReader implements Disposable {
  readonly #parents: readonly string[];
  #aliases: PrivateDirectory | undefined;
  #count = 0;

  /**
   * Creates a reader.
   *
   * @param parents Absolute paths of directories for the links, where `/tmp`
   * takes none.
   */
  constructor(parents: readonly string[]) {
    this.#parents = ["/tmp", ...parents];
  }

  /**
   * Reads a directory.
   *
   * A path that is an alias must be opened or changed through its name, not
   * removed or renamed. The alias of a symbolic link is a copy of the link.
   *
   * @param directory Path of the directory, well-formed or from this reader.
   * @returns Its entries, each with the path that reaches it.
   * @throws {Error} What the system says.
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

/** Creates entries under temporary names and gives them their true names. */
export class NameRestorer {
  readonly #renames = new Map<string, FileCommand[]>();
  readonly #id = crypto.randomUUID();
  #count = 0;

  /**
   * Finds the path at which an entry is created.
   *
   * @param directory Path of the directory around it, from this restorer if
   * its name is not well-formed.
   * @param name Name of the entry.
   * @returns Path that Deno can use.
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
   * Gives the entries of some directories their true names. The deepest
   * directories come first: what is renamed cannot be addressed any more.
   *
   * @param directories Paths as given to {@linkcode place}.
   * @throws {Error} What the system says.
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
