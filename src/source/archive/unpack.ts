import { join } from "@std/path/posix/join";
import { RunnerError } from "../../errors.ts";
import { osReason } from "../../os_reason.ts";
import { guardPath } from "../../workspace/guard.ts";
import type { Budget } from "./budget.ts";
import { type ArchiveEntry, entryError, entryPath } from "./entry.ts";

/** Longest text of a link that a system takes. */
const LONGEST_TARGET = 4_096;

/** Options for {@linkcode unpack}. */
export interface UnpackOptions {
  /** Whether the one folder at the top of the archive is left out. */
  stripTop: boolean;
  /** Counts what is unpacked. */
  budget: Budget;
  /** Stops the work. */
  signal: AbortSignal;
}

/**
 * Unpacks an archive into an empty directory.
 *
 * Nothing is written through a link, whatever the order of the entries, and
 * links may not lead out: those that exist when all is unpacked are followed
 * as the system would. Owners, special bits and devices are not taken over.
 *
 * After a failure the directory holds whatever was unpacked until then.
 *
 * @param entries Entries of the archive.
 * @param directory Absolute path of the directory, free of links.
 * @param options How to unpack.
 * @throws {RunnerError} With code `source-failed`, if an entry is refused or
 * cannot be written.
 */
export async function unpack(
  entries: AsyncIterable<ArchiveEntry>,
  directory: string,
  options: UnpackOptions,
): Promise<void> {
  const { stripTop, budget, signal } = options;
  const unpacking = new Unpacking(directory, stripTop);
  for await (const entry of entries) {
    signal.throwIfAborted();
    budget.addEntry();
    try {
      await unpacking.add(entry);
    } catch (cause) {
      if (cause instanceof RunnerError || signal.aborted) throw cause;
      throw entryError(entry.name, osReason(cause), cause);
    }
  }
  await unpacking.finish();
}

/** What was unpacked so far. */
class Unpacking {
  readonly #root: string;
  readonly #stripTop: boolean;
  #top: string | undefined;
  /** What is at each path; the names are those of the archive, not of the system. */
  readonly #made = new Map<string, "directory" | "file" | "link">();
  readonly #modes = new Map<string, number>();
  readonly #links = new Map<string, ArchiveEntry>();

  constructor(root: string, stripTop: boolean) {
    this.#root = root;
    this.#stripTop = stripTop;
  }

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

  /** Judges the links and closes the directories that may not be written to. */
  async finish(): Promise<void> {
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

  async #addFile(path: string, entry: ArchiveEntry): Promise<void> {
    await this.#makeRoom(path, "file", entry);
    const { mode, modifiedAt, content = [] } = entry;
    using file = await Deno.open(join(this.#root, path), {
      write: true,
      createNew: true,
    });
    for await (const bytes of content) await writeAll(file, bytes);
    if (modifiedAt) await file.utime(modifiedAt, modifiedAt);
    // After the content: a mask of the process would take bits away before.
    await Deno.chmod(join(this.#root, path), mode & 0o777);
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
      await Deno.remove(join(this.#root, path));
      this.#links.delete(path);
    } else if (there !== undefined) {
      throw entryError(name, `"${path}" is a ${there} in the same archive`);
    }
    this.#made.set(path, type);
  }
}

async function writeAll(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  let written = 0;
  while (written < bytes.length) {
    written += await file.write(bytes.subarray(written));
  }
}
