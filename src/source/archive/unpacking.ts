import { join } from "@std/path/posix/join";
import { guardPath } from "../../workspace/guard.ts";
import { type ArchiveEntry, entryError, entryPath, forEntry } from "./entry.ts";
import { WorkQueue } from "./work_queue.ts";
import { beginFile, endFile, writeAll } from "./write_file.ts";

/** How many small files are written at a time. */
const PARALLEL_COUNT = 8;

/** Larger files are written piece by piece as they come in, in bytes. */
const SMALL_BYTES = 64 * 1024;

/** Longest text of a link that a system takes. */
const LONGEST_TARGET = 4_096;

/** An archive that is being unpacked: what came out of it so far. */
export class Unpacking {
  readonly #root: string;
  readonly #stripTop: boolean;
  #top: string | undefined;
  /** What is at each path; the names are those of the archive, not of the system. */
  readonly #made = new Map<string, "directory" | "file" | "link">();
  readonly #modes = new Map<string, number>();
  readonly #links = new Map<string, ArchiveEntry>();
  readonly #queue = new WorkQueue(PARALLEL_COUNT);

  /**
   * Makes one of which nothing came out yet.
   *
   * @param root Absolute path of an empty directory, free of links.
   * @param stripTop Whether the one folder at the top is left out.
   */
  constructor(root: string, stripTop: boolean) {
    this.#root = root;
    this.#stripTop = stripTop;
  }

  /**
   * Unpacks an entry; a small file is perhaps written later.
   *
   * @param entry The entry.
   * @throws {RunnerError} With code `source-failed`, if it is refused.
   */
  async add(entry: ArchiveEntry): Promise<void> {
    const path = this.#pathOf(entry.name);
    if (path === "") {
      if (entry.type === "directory") return;
      throw entryError(entry.name, "it stands for the whole archive");
    }
    await this.#makeAround(path, entry);
    switch (entry.type) {
      case "directory":
        await this.#makeDirectory(path, entry);
        this.#modes.set(path, entry.mode & 0o777);
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
          `it is a ${(entry.kind ?? "thing").replace("-", " ")}`,
        );
    }
  }

  /**
   * Ends it: judges the links, and closes the directories that may not be
   * written to.
   *
   * @throws {RunnerError} With code `source-failed`, if a link leads out or a
   * file could not be written.
   */
  async finish(): Promise<void> {
    await this.#queue.drain();
    for (const [path, { name, target }] of this.#links) {
      try {
        await guardPath(this.#root, join(this.#root, path));
      } catch (cause) {
        throw entryError(name, `its target "${target}" leads out`, cause);
      }
    }
    const deepestFirst = [...this.#modes].sort(([a], [b]) => a < b ? 1 : -1);
    for (const [path, mode] of deepestFirst) {
      await Deno.chmod(join(this.#root, path), mode);
    }
  }

  /** Waits until nothing is written any more, whatever came of it. */
  async settle(): Promise<void> {
    await this.#queue.settle();
  }

  #pathOf(name: string): string {
    const path = entryPath(name);
    if (!this.#stripTop || path === "") return path;
    const [top, ...rest] = path.split("/");
    this.#top ??= top;
    if (top !== this.#top) {
      throw entryError(name, `it is beside the top folder "${this.#top}"`);
    }
    return rest.join("/");
  }

  async #makeAround(path: string, entry: ArchiveEntry): Promise<void> {
    const parts = path.split("/");
    for (let length = 1; length < parts.length; length++) {
      await this.#makeDirectory(parts.slice(0, length).join("/"), entry);
    }
  }

  /** Not with all that is around it at once: that would go through links. */
  async #makeDirectory(path: string, { name }: ArchiveEntry): Promise<void> {
    const there = this.#made.get(path);
    if (there === "directory") return;
    if (there !== undefined) {
      throw entryError(name, `"${path}" is a ${there} in the same archive`);
    }
    await Deno.mkdir(join(this.#root, path), { mode: 0o755 });
    this.#made.set(path, "directory");
  }

  /** Small files are written while the next entries are read. */
  async #addFile(path: string, entry: ArchiveEntry): Promise<void> {
    await this.#makeRoom(path, "file", entry);
    const place = join(this.#root, path);
    const pieces: Uint8Array[] = [];
    let length = 0;
    let file: Deno.FsFile | undefined;
    try {
      for await (const bytes of entry.content ?? []) {
        length += bytes.length;
        if (length <= SMALL_BYTES) {
          pieces.push(bytes);
          continue;
        }
        file ??= await beginFile(place, pieces);
        await writeAll(file, bytes);
      }
      if (file !== undefined) return await endFile(file, place, entry);
    } finally {
      file?.close();
    }
    await this.#queue.add(() =>
      forEntry(entry, async () => {
        using file = await beginFile(place, pieces);
        await endFile(file, place, entry);
      })
    );
  }

  async #addLink(path: string, entry: ArchiveEntry): Promise<void> {
    const { name, target = "" } = entry;
    const problem = target === ""
      ? "it is a link without a target"
      : target.startsWith("/")
      ? `its target "${target}" is absolute`
      : target.includes("\0") || target.length > LONGEST_TARGET
      ? "its target is no path"
      : undefined;
    if (problem !== undefined) throw entryError(name, problem);
    await this.#makeRoom(path, "link", entry);
    await Deno.symlink(target, join(this.#root, path));
    this.#links.set(path, entry);
  }

  async #addHardLink(path: string, entry: ArchiveEntry): Promise<void> {
    const { name, target = "" } = entry;
    const file = this.#pathOf(target);
    if (this.#made.get(file) !== "file") {
      throw entryError(
        name,
        `"${target}", for which it stands, is no file that came before it`,
      );
    }
    if (file === path) return;
    await this.#makeRoom(path, "file", entry);
    await this.#queue.drain();
    await Deno.link(join(this.#root, file), join(this.#root, path));
  }

  /** The last of several entries of one name wins, if they are alike. */
  async #makeRoom(
    path: string,
    type: "file" | "link",
    { name }: ArchiveEntry,
  ): Promise<void> {
    const there = this.#made.get(path);
    if (there === type) {
      await this.#queue.drain();
      await Deno.remove(join(this.#root, path));
      this.#links.delete(path);
    } else if (there !== undefined) {
      throw entryError(name, `"${path}" is a ${there} in the same archive`);
    }
    this.#made.set(path, type);
  }
}
