import { dirname } from "@std/path/posix/dirname";
import { messageOf, osReason } from "../../errors.ts";
import { readUntrusted } from "../../fs/untrusted_file.ts";

/** Maximum depth of directories. */
const MAX_DEPTH = 12;

/** Maximum number of lookups, because any word of a command may be a file. */
const MAX_LOOKUPS = 20_000;

/** Limits of {@linkcode UntrustedTree}. */
export interface UntrustedTreeLimits {
  /** Maximum number of files. */
  readonly files: number;
  /** Maximum size of a file, in bytes. */
  readonly fileBytes: number;
  /** Maximum total size of all files, in bytes. */
  readonly totalBytes: number;
}

/** Limits that are sufficient for any real `.reactorcide` folder. */
const TREE_LIMITS: UntrustedTreeLimits = {
  files: 2_000,
  fileBytes: 1024 * 1024,
  totalBytes: 64 * 1024 * 1024,
};

/** A text file of a tree. */
export interface TreeFile {
  /** Path relative to the root of the tree. */
  readonly path: string;
  /** Content as text; invalid UTF-8 is replaced by U+FFFD. */
  readonly text: string;
  /** Content. */
  readonly bytes: Uint8Array;
  /** Whether any user may execute the file. */
  readonly isExecutable: boolean;
}

/** A file that was not read, and the reason. */
export interface UnreadFile {
  /** Path relative to the root of the tree. */
  readonly path: string;
  /** Reason. */
  readonly reason: string;
  /** Whether it is a directory, whose files were not read either. */
  readonly isDirectory?: boolean;
}

/**
 * Reads text files of an untrusted tree. Links are not followed, only regular
 * files are opened, and the number and size of files are limited.
 */
export class UntrustedTree {
  /** Absolute path of the root. */
  readonly root: string;
  /** Files that could not be read, for a report. */
  readonly unread: UnreadFile[] = [];
  readonly #limits: UntrustedTreeLimits;
  readonly #files = new Map<string, TreeFile | undefined>();
  readonly #lookups = new Map<string, boolean>();
  #totalBytes = 0;

  /**
   * Creates a reader.
   *
   * @param root Absolute path of the root, without links.
   */
  constructor(root: string, limits: UntrustedTreeLimits = TREE_LIMITS) {
    this.root = root;
    this.#limits = limits;
  }

  /** Number of read files. */
  get fileCount(): number {
    return [...this.#files.values()].filter((file) => file !== undefined)
      .length;
  }

  /**
   * Reads all regular files below a directory of the tree.
   *
   * @param directory Path relative to the root.
   * @returns The text files, sorted by path.
   */
  async readAll(directory: string): Promise<TreeFile[]> {
    const files: TreeFile[] = [];
    for (const path of await this.#list(directory)) {
      const file = await this.read(path);
      if (file !== undefined) files.push(file);
    }
    return files;
  }

  /**
   * Reads one file. Unreadable files are added to {@linkcode unread}.
   *
   * @param path Path relative to the root, without `.` and `..`.
   * @returns The file; `undefined` if it cannot be read or is not text.
   */
  async read(path: string): Promise<TreeFile | undefined> {
    if (!this.#files.has(path)) {
      this.#files.set(path, undefined);
      this.#files.set(path, await this.#readNow(path));
    }
    return this.#files.get(path);
  }

  /**
   * Checks whether a path is a regular file, without following links.
   *
   * @param path Path relative to the root.
   */
  async hasFile(path: string): Promise<boolean> {
    const known = this.#lookups.get(path);
    if (known !== undefined) return known;
    if (this.#lookups.size >= MAX_LOOKUPS) return false;
    const isThere = await this.#hasFileNow(path);
    this.#lookups.set(path, isThere);
    return isThere;
  }

  async #hasFileNow(path: string): Promise<boolean> {
    const parts = path.split("/");
    if (parts.some((part) => /^\.{0,2}$/.test(part))) return false;
    try {
      for (let count = 1; count < parts.length; count++) {
        const above = parts.slice(0, count).join("/");
        const { isDirectory } = await Deno.lstat(`${this.root}/${above}`);
        if (!isDirectory) return false;
      }
      return (await Deno.lstat(`${this.root}/${path}`)).isFile;
    } catch {
      // It does not exist, or cannot be accessed.
      return false;
    }
  }

  async #readNow(path: string): Promise<TreeFile | undefined> {
    const { files, fileBytes, totalBytes } = this.#limits;
    try {
      if (this.fileCount >= files) {
        throw new Error(`there are more than ${files} files`);
      }
      const bytes = await readUntrusted(`${this.root}/${path}`, {
        base: this.root,
        maxBytes: fileBytes,
      });
      this.#totalBytes += bytes.length;
      if (this.#totalBytes > totalBytes) {
        throw new Error(`the files are larger than ${totalBytes} bytes`);
      }
      const { mode } = await Deno.lstat(`${this.root}/${path}`);
      const text = decode(bytes, path);
      return text === undefined
        ? undefined
        : { path, text, bytes, isExecutable: ((mode ?? 0) & 0o111) !== 0 };
    } catch (error) {
      this.unread.push({ path, reason: describeReadError(error) });
      return undefined;
    }
  }

  async #list(directory: string, depth = 0): Promise<string[]> {
    if (depth > MAX_DEPTH) {
      this.unread.push({
        path: directory,
        isDirectory: true,
        reason: `it is nested more than ${MAX_DEPTH} directories deep`,
      });
      return [];
    }
    const paths: string[] = [];
    let entries: Deno.DirEntry[];
    try {
      entries = await Array.fromAsync(
        Deno.readDir(`${this.root}/${directory}`),
      );
    } catch (error) {
      const reason = osReason(error);
      this.unread.push({ path: directory, isDirectory: true, reason });
      return [];
    }
    entries.sort((a, b) => a.name < b.name ? -1 : 1);
    for (const { name, isFile, isDirectory, isSymlink } of entries) {
      const path = `${directory}/${name}`;
      // Skip generated and installed files.
      if (name === "__pycache__" || name === "node_modules") continue;
      if (paths.length > this.#limits.files) {
        this.unread.push({
          path: directory,
          isDirectory: true,
          reason: `there are more than ${this.#limits.files} files`,
        });
        break;
      }
      if (isDirectory) paths.push(...await this.#list(path, depth + 1));
      else if (isFile) paths.push(path);
      else {
        const reason = isSymlink
          ? "it is a symbolic link"
          : "it is not a regular file";
        this.unread.push({ path, reason });
      }
    }
    return paths;
  }
}

/**
 * Resolves a path in a command to a file of the tree.
 *
 * Jobs refer to files in the code directory, the CI source or their own clone,
 * so leading directories are removed until a file is found.
 *
 * @param from Path of the file that contains the command.
 * @returns Path relative to the root; `undefined` if the file does not exist.
 */
export async function resolveNamedFile(
  tree: UntrustedTree,
  word: string,
  from: string,
): Promise<string | undefined> {
  // A leading substitution, as in "$(dirname "$0")/lib.sh", is usually ".".
  const known = word.replace(/^\$\(…\)\//, "./");
  if (!/^[\w.$@{}/-]{1,500}$/.test(known) || !/[\w]/.test(known)) {
    return undefined;
  }
  const parts = known.split("/").filter((part) => part !== "" && part !== ".");
  while (parts[0] === "..") parts.shift();
  const isPath = known.includes("/") ||
    /\.(?:sh|bash|py|ts|js|mjs|mk)$/.test(known);
  if (!isPath) return undefined;
  for (const path of [parts.join("/"), `${dirname(from)}/${parts.join("/")}`]) {
    if (await tree.hasFile(path)) return path;
  }
  for (let count = 1; count < Math.min(parts.length, 8); count++) {
    const path = parts.slice(count).join("/");
    if (await tree.hasFile(path)) return path;
  }
  return undefined;
}

/** Decodes a file; NUL bytes mean binary, except in definitions and code. */
function decode(bytes: Uint8Array, path: string): string | undefined {
  if (bytes.includes(0) && !/\.(?:ya?ml|py|sh|ts|js)$/.test(path)) {
    return undefined;
  }
  return new TextDecoder().decode(bytes);
}

function describeReadError(error: unknown): string {
  return error instanceof Deno.errors.NotFound
    ? "the file does not exist"
    : messageOf(error);
}
