import { join } from "@std/path/posix/join";
import { joinBytes } from "../bytes.ts";
import { createLink, NameRestorer } from "../fs/byte_names.ts";
import { setLinkTime, writeAll, writeAllSync } from "../fs/files.ts";
import { WorkQueue } from "../work_queue.ts";
import { guardPath, MAX_LINK_COUNT } from "../workspace/guard.ts";
import {
  type ArchiveEntry,
  type Budget,
  entryError,
  entryPath,
  forEntry,
  MAX_TARGET_LENGTH,
  quotedName,
  unpackError,
} from "./entry.ts";

/** Options for {@linkcode unpack}. */
export interface UnpackOptions {
  /** Whether to strip the only directory at the top of the archive. */
  stripTop: boolean;
  /** Counts the unpacked entries and bytes. */
  budget: Budget;
  /** Stops the unpacking. */
  signal: AbortSignal;
}

/**
 * Unpacks an archive into an empty directory.
 *
 * Nothing is written through a link, regardless of the order of the entries. Links
 * must not lead out of the directory; those that remain at the end are followed
 * as the system would. Owners, special bits and devices are not restored.
 *
 * After a failure, the directory contains the entries unpacked so far.
 *
 * @param directory Absolute path of the directory, without symbolic links.
 * @throws {RunnerError} With code `source-failed`, if an entry is rejected or
 * cannot be written.
 */
export async function unpack(
  entries: AsyncIterable<ArchiveEntry>,
  directory: string,
  options: UnpackOptions,
): Promise<void> {
  const { budget, signal } = options;
  const unpacking = new Unpacker(directory, options);
  try {
    for await (const entry of entries) {
      signal.throwIfAborted();
      budget.addEntry();
      const { content } = entry;
      const isWhole = content === undefined || content instanceof Uint8Array;
      const added = isWhole
        ? entry
        : { ...entry, content: abortable(content, signal) };
      await forEntry(entry, () => unpacking.add(added));
    }
    await unpacking.finish();
  } finally {
    // No write may be in progress when the unpacked files are removed.
    await unpacking.settle();
  }
}

async function* abortable(
  content: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  for await (const bytes of content) {
    signal.throwIfAborted();
    yield bytes;
  }
}

/**
 * Maximum effort for following all links of an archive, so that links through
 * thousands of directories do not take hours. Looking up a name counts as its
 * depth, since the file system goes through all directories above it as well.
 */
const MAX_LINK_EFFORT = 100_000_000;

/** Effort after which other work of the process, such as signals, gets a turn. */
const PAUSE_EFFORT = 2_000_000;

/** The state of an archive that is being unpacked. */
class Unpacker {
  readonly #root: string;
  readonly #options: UnpackOptions;
  #linkEffort = 0;
  #top: string | undefined;
  /**
   * Type of each created path; the names are those of the archive, not of the
   * file system.
   */
  readonly #created = new Map<string, "directory" | "file" | "link">();
  /**
   * Entries of directories; a directory without an entry has the default mode.
   */
  readonly #directories = new Map<string, ArchiveEntry>();
  readonly #links = new Map<string, ArchiveEntry>();
  readonly #restorer = new NameRestorer();
  /** Temporary paths of entries whose names are not UTF-8. */
  readonly #places = new Map<string, string>();
  readonly #writer = new FileWriter();

  /** @param root Absolute path of an empty directory, without symbolic links. */
  constructor(root: string, options: UnpackOptions) {
    this.#root = root;
    this.#options = options;
  }

  /**
   * Unpacks an entry. A small file may be written later.
   *
   * @throws {RunnerError} With code `source-failed`, if the entry is rejected.
   */
  async add(entry: ArchiveEntry): Promise<void> {
    const path = this.#resolvePath(entry.name);
    if (path === "") {
      if (entry.type === "directory") return;
      throw entryError(entry.name, "it names the target directory itself");
    }
    this.#makeParents(path, entry);
    switch (entry.type) {
      case "directory":
        this.#makeDirectory(path, entry);
        this.#directories.set(path, entry);
        return;
      case "file":
        return await this.#addFile(path, entry);
      case "link":
        return await this.#addLink(path, entry);
      case "hard link":
        return await this.#addHardLink(path, entry);
      default:
        throw entryError(
          entry.name,
          `it is a ${entry.kind ?? "special file"}`,
        );
    }
  }

  /**
   * Checks all links, restores names that are not UTF-8, and sets times and
   * permissions of directories.
   *
   * @throws {RunnerError} With code `source-failed`, if a link leads out of the
   * directory or a file could not be written.
   */
  async finish(): Promise<void> {
    await this.#writer.drain();
    await this.#checkLinks();
    // Creating or renaming an entry changes the directory's times.
    for (const paths of this.#directoriesByDepth()) {
      await this.#restorer.restore(paths.map((path) => this.#findPlace(path)));
      for (const path of paths) {
        const entry = this.#directories.get(path);
        if (entry === undefined) continue;
        const place = this.#findPlace(path);
        const { mode, modifiedAt } = entry;
        await forEntry(entry, () => {
          if (modifiedAt) Deno.utimeSync(place, modifiedAt, modifiedAt);
          Deno.chmodSync(place, mode & 0o777);
        });
      }
    }
  }

  /** Waits until no write is in progress. Ignores failures. */
  async settle(): Promise<void> {
    await this.#writer.settle();
  }

  #resolvePath(name: string): string {
    const path = entryPath(name);
    if (!this.#options.stripTop || path === "") return path;
    const [top, ...rest] = path.split("/");
    this.#top ??= top;
    if (top !== this.#top) {
      throw entryError(
        name,
        `it is not in the top-level directory ${quotedName(this.#top)}`,
      );
    }
    return rest.join("/");
  }

  /**
   * Returns the path at which an entry is created until it gets its final name.
   */
  #findPlace(path: string): string {
    if (path.isWellFormed()) {
      return path === "" ? this.#root : `${this.#root}/${path}`;
    }
    const known = this.#places.get(path);
    if (known !== undefined) return known;
    const slash = path.lastIndexOf("/");
    const parent = slash === -1
      ? this.#root
      : this.#findPlace(path.slice(0, slash));
    const place = this.#restorer.place(parent, path.slice(slash + 1));
    this.#places.set(path, place);
    return place;
  }

  /**
   * Lists the directories, the deepest first. The root is last, with an empty
   * path.
   */
  #directoriesByDepth(): string[][] {
    const levels: string[][] = [[""]];
    for (const [path, type] of this.#created) {
      if (type === "directory") {
        (levels[path.split("/").length] ??= []).push(path);
      }
    }
    return levels.reverse();
  }

  async #checkLinks(): Promise<void> {
    let pauseAt = PAUSE_EFFORT;
    for (const [path, entry] of this.#links) {
      this.#options.signal.throwIfAborted();
      await this.#checkLink(path, entry);
      if (this.#linkEffort < pauseAt) continue;
      pauseAt = this.#linkEffort + PAUSE_EFFORT;
      await new Promise((resolve) => setTimeout(resolve));
    }
  }

  /**
   * Follows a link through other links, both by the names in the archive and by
   * those of the file system, since some file systems treat different names as
   * one.
   */
  async #checkLink(
    path: string,
    { name, target }: ArchiveEntry,
  ): Promise<void> {
    const problem = () =>
      entryError(
        name,
        `its target ${quotedName(target!)} leads out of the archive`,
      );
    if (!this.#staysInside(path)) throw problem();
    if (!path.isWellFormed() || !target?.isWellFormed()) return;
    try {
      await guardPath(this.#root, join(this.#root, path));
    } catch (cause) {
      // A path that still has a temporary name is checked above.
      if (this.#places.size === 0) {
        throw entryError(name, problem().message, cause);
      }
    }
  }

  #staysInside(path: string): boolean {
    const pending = path.split("/").reverse();
    const reached: string[] = [];
    let linkCount = 0;
    while (pending.length > 0) {
      const part = pending.pop()!;
      if (part === "" || part === ".") continue;
      if (part === "..") {
        if (reached.pop() === undefined) return false;
        continue;
      }
      reached.push(part);
      this.#linkEffort += reached.length;
      if (this.#linkEffort > MAX_LINK_EFFORT) {
        throw unpackError("its links are too deep");
      }
      const link = this.#links.get(reached.join("/"));
      if (link === undefined) continue;
      if (++linkCount > MAX_LINK_COUNT) return false;
      reached.pop();
      pending.push(...link.target!.split("/").reverse());
    }
    return true;
  }

  #makeParents(path: string, entry: ArchiveEntry): void {
    const parent = path.slice(0, Math.max(0, path.lastIndexOf("/")));
    if (parent === "" || this.#created.get(parent) === "directory") return;
    const parts = path.split("/");
    for (let length = 1; length < parts.length; length++) {
      const directory = parts.slice(0, length).join("/");
      if (!this.#created.has(directory)) {
        this.#options.budget.addImpliedDirectory();
      }
      this.#makeDirectory(directory, entry);
    }
  }

  /** Creates a single directory, because a recursive mkdir follows links. */
  #makeDirectory(path: string, { name }: ArchiveEntry): void {
    const existing = this.#created.get(path);
    if (existing === "directory") return;
    if (existing !== undefined) {
      throw entryError(
        name,
        `${quotedName(path)} is a ${existing} in the same archive`,
      );
    }
    Deno.mkdirSync(this.#findPlace(path), { mode: 0o755 });
    this.#created.set(path, "directory");
  }

  async #addFile(path: string, entry: ArchiveEntry): Promise<void> {
    await this.#replaceExisting(path, "file", entry);
    await this.#writer.write(this.#findPlace(path), entry);
  }

  async #addLink(path: string, entry: ArchiveEntry): Promise<void> {
    const { name, target = "", modifiedAt } = entry;
    const problem = target === ""
      ? "the link has no target"
      : target.startsWith("/")
      ? `its target ${quotedName(target)} is absolute`
      : target.includes("\0") || target.length > MAX_TARGET_LENGTH
      ? "its target is not a path"
      : undefined;
    if (problem !== undefined) throw entryError(name, problem);
    await this.#replaceExisting(path, "link", entry);
    const place = this.#findPlace(path);
    await createLink(target, place);
    if (modifiedAt) await setLinkTime(place, modifiedAt, modifiedAt);
    this.#links.set(path, entry);
  }

  /**
   * Adds a hard link. For one to a symbolic link, another symbolic link is
   * created, since its own location has to be checked.
   */
  async #addHardLink(path: string, entry: ArchiveEntry): Promise<void> {
    const { name, target = "" } = entry;
    const original = this.#resolvePath(target);
    const link = this.#links.get(original);
    if (link !== undefined) {
      if (original === path) return;
      return await this.#addLink(path, { ...entry, target: link.target });
    }
    if (this.#created.get(original) !== "file") {
      throw entryError(
        name,
        `${quotedName(target)} is not an earlier file in the archive`,
      );
    }
    if (original === path) return;
    await this.#replaceExisting(path, "file", entry);
    await this.#writer.drain();
    await Deno.link(this.#findPlace(original), this.#findPlace(path));
  }

  /**
   * Removes an earlier entry with the same name, if it has the same type: the
   * last one wins.
   */
  async #replaceExisting(
    path: string,
    type: "file" | "link",
    { name }: ArchiveEntry,
  ): Promise<void> {
    const existing = this.#created.get(path);
    if (existing === type) {
      await this.#writer.drain();
      await Deno.remove(this.#findPlace(path));
      this.#links.delete(path);
    } else if (existing !== undefined) {
      throw entryError(
        name,
        `${quotedName(path)} is a ${existing} in the same archive`,
      );
    }
    this.#created.set(path, type);
  }
}

/** Maximum number of small files that are written concurrently. */
const PARALLEL_COUNT = 8;

/**
 * Number of slow writes in a row after which writes overlap. Before that, files
 * are written one after the other, because moving a system call to another
 * thread costs more than the call itself.
 */
const MAX_SLOW_COUNT = 32;

/** Duration above which a write is slow, in milliseconds. */
const SLOW_MS = 3;

/** Number of files after which sequential writing is tried again. */
const OVERLAP_COUNT = 1_000;

/** Maximum size of a file that is written in one piece, in bytes. */
const SMALL_BYTES = 64 * 1024;

/** Writes the files of an archive, as fast as the file system allows. */
export class FileWriter {
  readonly #queue = new WorkQueue(PARALLEL_COUNT);
  /** Number of slow writes in a row. */
  #slowCount = 0;
  #overlapCount = 0;

  /**
   * Creates the file of an entry. A small one may be written later.
   *
   * @param path Absolute path, which must not exist, even as a link.
   */
  async write(path: string, entry: ArchiveEntry): Promise<void> {
    const { content = new Uint8Array() } = entry;
    if (content instanceof Uint8Array) {
      return await this.#writeWhole(path, entry, content);
    }
    const pieces: Uint8Array<ArrayBuffer>[] = [];
    let length = 0;
    let file: Deno.FsFile | undefined;
    try {
      for await (const bytes of content) {
        length += bytes.length;
        if (length <= SMALL_BYTES) {
          pieces.push(bytes.slice());
          continue;
        }
        file ??= await beginFile(path, pieces);
        if (this.#isSlow) await writeAll(file, bytes);
        else this.#measure(() => writeAllSync(file!, bytes));
      }
      if (file !== undefined) return await endFile(file, path, entry);
    } finally {
      file?.close();
    }
    await this.#writeWhole(path, entry, joinBytes(pieces));
  }

  /** Waits until all files are written. */
  async drain(): Promise<void> {
    await this.#queue.drain();
  }

  /** Waits until no write is in progress. Ignores failures. */
  async settle(): Promise<void> {
    await this.#queue.settle();
  }

  async #writeWhole(
    path: string,
    entry: ArchiveEntry,
    bytes: Uint8Array,
  ): Promise<void> {
    if (!this.#isSlow) {
      return this.#measure(() => writeWholeSync(path, bytes, entry));
    }
    if (++this.#overlapCount % OVERLAP_COUNT === 0) this.#slowCount = 0;
    // It is written while the next entries are read.
    const copy = bytes.slice();
    await this.#queue.add(() =>
      forEntry(entry, async () => {
        using file = await beginFile(path, [copy]);
        await endFile(file, path, entry);
      })
    );
  }

  get #isSlow(): boolean {
    return this.#slowCount >= MAX_SLOW_COUNT;
  }

  /** Counts slow writes in a row. */
  #measure(write: () => void): void {
    const startMs = performance.now();
    write();
    const isSlow = performance.now() - startMs > SLOW_MS;
    this.#slowCount = isSlow ? this.#slowCount + 1 : 0;
  }
}

/** Creates a file. Its mode is exact, as the umask does not apply to it. */
function writeWholeSync(
  path: string,
  bytes: Uint8Array,
  { mode, modifiedAt }: ArchiveEntry,
): void {
  Deno.writeFileSync(path, bytes, { createNew: true, mode: mode & 0o777 });
  if (modifiedAt) Deno.utimeSync(path, modifiedAt, modifiedAt);
}

/** Creates a file and writes the start of its content. */
async function beginFile(
  path: string,
  pieces: readonly Uint8Array[],
): Promise<Deno.FsFile> {
  const file = await Deno.open(path, { write: true, createNew: true });
  for (const bytes of pieces) await writeAll(file, bytes);
  return file;
}

/** Sets the time and permissions of a file after its content was written. */
async function endFile(
  file: Deno.FsFile,
  path: string,
  { mode, modifiedAt }: ArchiveEntry,
): Promise<void> {
  if (modifiedAt) await file.utime(modifiedAt, modifiedAt);
  // The umask of the process does not apply to `chmod`.
  await Deno.chmod(path, mode & 0o777);
}
