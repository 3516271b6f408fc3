/**
 * File names that are not UTF-8.
 *
 * On Linux, a name is a sequence of bytes. Deno decodes it lossily: it returns
 * U+FFFD for bytes that are not UTF-8, and cannot open, rename or remove such a
 * file. A well-formed path to a directory still reaches everything that Deno
 * itself walks below it, as in `Deno.remove(path, { recursive: true })`.
 *
 * 1. This package represents such a name as a string in which each undecodable
 *    byte is a lone surrogate from U+DC80 to U+DCFF, like Python's
 *    "surrogateescape" (PEP 383). This is reversible, so two files never share
 *    a name. Deno can use it if `name.isWellFormed()` is `true`.
 * 2. If Deno returns U+FFFD, {@linkcode listDirectory} gets the bytes from the
 *    shell.
 * 3. Deno accesses such an entry through another path: a temporary link to it
 *    ({@linkcode DirectoryReader}), or a temporary name
 *    ({@linkcode renameUndecodable}, {@linkcode NameRestorer}).
 *
 * The shell reads names as octal escapes from its standard input, so neither
 * their bytes nor their number matters.
 *
 * @module
 */

import { join } from "@std/path/posix/join";
import { toBytes } from "@std/streams/to-bytes";
import { toText } from "@std/streams/to-text";
import { toolEnvironment } from "../environment/child_environment.ts";
import { osReason } from "../errors.ts";
import { spawn } from "../process/spawn.ts";
import {
  type PrivateDirectory,
  privateDirectory,
} from "./temporary_directory.ts";

const UTF8 = new TextDecoder("utf-8", { ignoreBOM: true });

/** Prints the type and name of each entry of the directory `$1`. */
const LIST = `cd -- "$1" || exit 1
for f in * .[!.]* ..?*; do
  if [ -L "$f" ]; then t=l; elif [ -d "$f" ]; then t=d
  elif [ -f "$f" ]; then t=f; elif [ -e "$f" ]; then t=o; else continue; fi
  printf '%s%s\\0' "$t" "$f"
done`;

/**
 * Shell functions that implement the commands of {@linkcode runFileCommands}.
 */
const COMMANDS = `set -e
d() { D=$(printf '%b.' "$1"); D=\${D%.}; }
n() { d "$1"; A=$D; d "$2"; if [ -e "$D" ] || [ -L "$D" ]; then
  echo "$2 exists" >&2; exit 1; fi; }
rename() { n "$1" "$2"; mv "$A" "$D"; }
replace() { d "$2"; rm -f "$D"; rename "$1" "$2"; }
link() { n "$1" "$2"; ln -s -- "$A" "$D"; }
copy_link() { n "$1" "$2"; cp -pP "$A" "$D"; }
read_link() { d "$1"; readlink "$D"; printf '\\0'; }
`;

/** Commands of {@linkcode runFileCommands}; paths are absolute. */
export type FileCommand =
  | readonly ["rename" | "replace" | "copy_link", from: string, to: string]
  | readonly ["link", target: string, path: string]
  | readonly ["read_link", path: string];

/** An entry of a directory. */
export interface DirectoryEntry {
  /** Name; lone surrogates stand for bytes that are not UTF-8. */
  readonly name: string;
  /** Whether it is a regular file. */
  readonly isFile: boolean;
  /** Whether it is a directory. */
  readonly isDirectory: boolean;
  /** Whether it is a symbolic link. */
  readonly isSymlink: boolean;
}

/**
 * Decodes a file name.
 *
 * @returns The name, with a lone surrogate for each byte that is not UTF-8.
 */
export function decodeName(bytes: Uint8Array): string {
  let name = UTF8.decode(bytes);
  if (!name.includes("\ufffd")) return name;
  name = "";
  for (let at = 0; at < bytes.length;) {
    const length = readSequenceLength(bytes, at);
    name += length === 0
      ? String.fromCharCode(0xdc00 + bytes[at])
      : UTF8.decode(bytes.subarray(at, at + length));
    at += length || 1;
  }
  return name;
}

/** Encodes a name that {@linkcode decodeName} returned. */
export function encodeName(name: string): Uint8Array<ArrayBuffer> {
  const encoder = new TextEncoder();
  if (name.isWellFormed()) return encoder.encode(name);
  const bytes = Array.from(name).flatMap((character) => {
    const code = character.codePointAt(0)!;
    return code >= 0xdc80 && code <= 0xdcff
      ? [code - 0xdc00]
      : Array.from(encoder.encode(character));
  });
  return new Uint8Array(bytes);
}

/**
 * Explains why a path from the user cannot be used.
 *
 * @param path The path as Deno decoded it.
 */
export function pathReason(path: string, cause: unknown): string {
  return path.includes("\ufffd") && cause instanceof Deno.errors.NotFound
    ? "no such file or directory; its name may not be UTF-8"
    : osReason(cause);
}

/**
 * Lists a directory with exact names.
 *
 * @param path Well-formed path of the directory.
 * @returns Its entries in any order.
 * @throws {Error} The error of the system.
 */
export async function listDirectory(path: string): Promise<DirectoryEntry[]> {
  const entries: DirectoryEntry[] = await Array.fromAsync(Deno.readDir(path));
  // A name may also contain a real U+FFFD.
  if (!entries.some(({ name }) => name.includes("\ufffd"))) return entries;
  const child = spawn(["/bin/sh", "-c", LIST, "sh", path], {
    cwd: "/",
    env: toolEnvironment(),
    stderr: "separate",
  });
  const stdout = await readOutput(child, path);
  return splitAtNul(stdout).map((record) => {
    const type = String.fromCharCode(record[0]);
    return {
      name: decodeName(record.subarray(1)),
      isFile: type === "f",
      isDirectory: type === "d",
      isSymlink: type === "l",
    };
  });
}

/**
 * Reads the target of a symbolic link.
 *
 * @param path Well-formed path of the link.
 * @returns The target; lone surrogates stand for bytes that are not UTF-8.
 * @throws {Error} The error of the system.
 */
export async function readLinkTarget(path: string): Promise<string> {
  try {
    return await Deno.readLink(path);
  } catch (cause) {
    if (!(cause instanceof Deno.errors.InvalidData)) throw cause;
    const stdout = await runFileCommands([["read_link", path]]);
    // The tool appends a line break to the target.
    return decodeName(stdout.subarray(0, -2));
  }
}

/**
 * Creates a symbolic link.
 *
 * @param target Target; lone surrogates stand for bytes that are not UTF-8.
 * @param path Well-formed path of the link.
 * @throws {Error} The error of the system.
 */
export async function createLink(target: string, path: string): Promise<void> {
  if (target.isWellFormed()) await Deno.symlink(target, path);
  else await runFileCommands([["link", target, path]]);
}

/**
 * Runs shell commands on names that Deno cannot pass to the system.
 *
 * @param commands Commands to run in order, until the first failure.
 * @returns Output of the commands.
 * @throws {Error} The error of the failed command.
 */
export async function runFileCommands(
  commands: readonly FileCommand[],
): Promise<Uint8Array> {
  if (commands.length === 0) return new Uint8Array();
  const lines = commands.map(([name, ...paths]) =>
    `${name} ${paths.map((path) => `'${escapePath(path)}'`).join(" ")}\n`
  );
  const child = spawn(["/bin/sh", "-s"], {
    cwd: "/",
    env: toolEnvironment(),
    stderr: "separate",
    stdin: "piped",
  });
  const script = ReadableStream.from([COMMANDS, ...lines])
    .pipeThrough(new TextEncoderStream());
  // A failing shell stops reading; its exit code and standard error contain the
  // reason.
  const written = script.pipeTo(child.stdin!).catch(() => {});
  const stdout = await readOutput(child, commands[0][1]);
  await written;
  return stdout;
}

async function readOutput(
  child: ReturnType<typeof spawn>,
  path: string,
): Promise<Uint8Array> {
  const [stdout, stderr, { exitCode }] = await Promise.all([
    toBytes(child.stdout),
    toText(child.stderr!),
    child.status,
  ]);
  if (exitCode === 0) return stdout;
  const [line] = stderr.trim().split("\n");
  throw new Error(
    `Cannot use "${path.toWellFormed()}", whose name is not UTF-8: ${
      line || `the shell ended with exit code ${exitCode}`
    }`,
  );
}

/**
 * Escapes everything that could have a meaning for `printf %b` or the shell.
 */
function escapePath(path: string): string {
  return Array.from(encodeName(path), (byte) => {
    const character = String.fromCharCode(byte);
    return /[\w/.-]/.test(character)
      ? character
      : `\\0${byte.toString(8).padStart(3, "0")}`;
  }).join("");
}

function splitAtNul(bytes: Uint8Array): Uint8Array[] {
  const parts: Uint8Array[] = [];
  for (let start = 0; start < bytes.length;) {
    const end = bytes.indexOf(0, start);
    parts.push(bytes.subarray(start, end));
    start = end + 1;
  }
  return parts;
}

/** Returns the length of the UTF-8 sequence at an index; 0 if there is none. */
function readSequenceLength(bytes: Uint8Array, at: number): number {
  for (let length = 1; length <= 4 && at + length <= bytes.length; length++) {
    try {
      new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
        .decode(bytes.subarray(at, at + length));
      return length;
    } catch {
      // Overlong, or out of range.
    }
  }
  return 0;
}

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
