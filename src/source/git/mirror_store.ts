import { basename } from "@std/path/posix/basename";
import { dirname } from "@std/path/posix/dirname";
import { join } from "@std/path/posix/join";
import { osReason } from "../../errors.ts";
import { lockFile, openLockFile } from "../../fs/file_lock.ts";
import { lstatIfThere, writeAll } from "../../fs/files.ts";
import { HeldDirectory, type HeldFile } from "../../fs/held_directory.ts";
import { readUntrusted } from "../../fs/untrusted_file.ts";
import { writeAtomic } from "../../fs/write_atomic.ts";
import { sourceError } from "../source.ts";
import type { ObjectFormat } from "./repository.ts";

/**
 * Maximum size of the file of tips, in bytes, which is enough for 200,000 tips.
 */
const MAX_TIPS_BYTES = 16 * 1024 * 1024;

/** Maximum number of files of packs; packs are merged much earlier. */
const MAX_FILES = 400;

/**
 * Maximum time to wait for other runs, in milliseconds: they may be fetching a
 * large repository.
 */
const LOCK_TIMEOUT_MS = 10 * 60_000;

/** Number of bytes that are copied at once. */
const CHUNK_BYTES = 1024 * 1024;

const TIP = /^([0-9a-f]{40}|[0-9a-f]{64}) ([^\s\ufffd]+)$/;

const PACK = /^pack-[0-9a-f]+\.(?:pack|idx)$/;

/** Name of a file that is not complete yet. */
const TEMPORARY = /^tmp-[0-9a-f-]+$/;

/**
 * Contents of a mirror: packs, and the tips of fetched refs.
 *
 * Every job that has access to the directory can write to it, at any time, so
 * nothing in it is trusted:
 *
 * 1. Git never uses the directory. It works in a private repository, to which
 *    the packs are added as files that are already open, and are checked to be
 *    regular files. Everything else in the directory is ignored, such as a
 *    configuration, alternates, loose objects, links and pipes.
 * 2. Tips are only IDs and names. They show the server which objects need not
 *    be sent, and are never used to resolve a name.
 * 3. New packs are copied to the directory, and merged ones are removed from
 *    it, by name in the directory that was opened. A link that replaces it
 *    leads nowhere.
 * 4. The clone gets objects from the private repository as a pack and computes
 *    their IDs from their contents. An object with a wrong ID is missing there,
 *    and the commit is fetched without the mirror.
 *
 * Without `/proc`, packs are copied instead, and the directory is reached by
 * its path.
 */
export class MirrorStore implements Disposable {
  readonly #directory: HeldDirectory;
  /** Open files by name. */
  readonly #files: ReadonlyMap<string, HeldFile>;
  /** Names of all files that may be removed. */
  readonly #names: readonly string[];
  readonly #open: DisposableStack;
  /** ID of each tip, by its name on the remote. */
  readonly tips: ReadonlyMap<string, string>;
  /** Object format; `undefined` if there are no tips. */
  readonly format: ObjectFormat | undefined;

  private constructor(
    directory: HeldDirectory,
    open: DisposableStack,
    names: readonly string[],
    files: ReadonlyMap<string, HeldFile>,
    tips: ReadonlyMap<string, string>,
  ) {
    this.#directory = directory;
    this.#open = open;
    this.#names = names;
    this.#files = files;
    this.tips = tips;
    const [id] = tips.values();
    this.format = id === undefined
      ? undefined
      : id.length === 64
      ? "sha256"
      : "sha1";
  }

  /**
   * Opens a mirror, which is created if it is missing.
   *
   * @param path Absolute path of its directory, which the caller has locked.
   * @throws {unknown} If it cannot be read or created.
   */
  static async open(path: string): Promise<MirrorStore> {
    using stack = new DisposableStack();
    await makeDirectory(path);
    const parent = await Deno.realPath(dirname(path));
    const directory = stack.use(
      await HeldDirectory.open(join(parent, basename(path))),
    );
    const names: string[] = [];
    for await (const { name, isDirectory } of Deno.readDir(directory.path)) {
      if (isDirectory) continue;
      if (PACK.test(name) || TEMPORARY.test(name)) names.push(name);
    }
    const tips = await readTips(directory.path);
    const files = new Map<string, HeldFile>();
    // Without tips, git would not use any objects.
    const usable = tips.size === 0 || names.length > MAX_FILES ? [] : names;
    for (const name of usable.filter((name) => PACK.test(name))) {
      const file = await directory.openFile(name, `${directory.path}/${name}`)
        // It is a link, or has been removed.
        .catch(() => undefined);
      if (file === undefined) continue;
      stack.use(file);
      if (file.isRegular) files.set(name, file);
    }
    return new MirrorStore(directory, stack.move(), names, files, tips);
  }

  /**
   * Adds the packs to a repository.
   *
   * @param packs Absolute path of its directory of packs, which may be missing.
   */
  async addPacksTo(packs: string): Promise<void> {
    await Deno.mkdir(packs, { recursive: true });
    for (const [name, file] of this.#files) {
      if (file.path === undefined) await copyFile(file, join(packs, name));
      else await Deno.symlink(file.path, join(packs, name));
    }
  }

  /**
   * Saves the packs of a repository, and removes all others.
   *
   * @param packs Absolute path of its directory of packs.
   * @param tips ID of each tip, by name.
   * @throws {unknown} If a file cannot be written.
   */
  async save(
    packs: string,
    tips: ReadonlyMap<string, string>,
  ): Promise<void> {
    const kept = new Set<string>();
    for await (const { name } of Deno.readDir(packs)) {
      if (PACK.test(name)) kept.add(name);
    }
    // A pack is used if it has an index.
    for (const name of [...kept].sort().reverse()) {
      if (!this.#files.has(name)) await this.#add(join(packs, name), name);
    }
    const lines = [...tips].map(([name, id]) => `${id} ${name}\n`);
    const path = `${this.#directory.path}/tips`;
    await writeAtomic(path, lines.join(""), { mode: 0o600 });
    await this.#remove(this.#names.filter((name) => !kept.has(name)));
  }

  /** Removes the tips and all packs. */
  async clear(): Promise<void> {
    await this.#remove(["tips", ...this.#names]);
  }

  [Symbol.dispose](): void {
    this.#open[Symbol.dispose]();
  }

  async #add(from: string, name: string): Promise<void> {
    const temporary = `${this.#directory.path}/tmp-${crypto.randomUUID()}`;
    // A hard link takes no time, but works only within one file system.
    await Deno.link(from, temporary)
      .catch(() => Deno.copyFile(from, temporary));
    await Deno.rename(temporary, `${this.#directory.path}/${name}`);
  }

  async #remove(names: readonly string[]): Promise<void> {
    for (const name of names) {
      await Deno.remove(`${this.#directory.path}/${name}`)
        // It is a directory by now, or another run removed it: neither is used.
        .catch(() => {});
    }
  }
}

/** Options for {@linkcode lockMirror}. */
interface LockMirrorOptions {
  /** Stops waiting. */
  signal: AbortSignal;
  /**
   * Maximum time to wait for other runs, in milliseconds.
   *
   * @default {600_000}
   */
  timeoutMs?: number;
}

/**
 * Locks a mirror, and waits while another run uses it.
 *
 * The lock ends with the process. Its file stays.
 *
 * @param path Absolute path of the lock file.
 * @returns Handle that releases the lock when disposed.
 * @throws {RunnerError} With code `source-failed`, if another run keeps the
 * lock or the file cannot be opened.
 * @throws {unknown} The reason of the signal once it is aborted.
 */
export async function lockMirror(
  path: string,
  options: LockMirrorOptions,
): Promise<Disposable> {
  const { signal, timeoutMs = LOCK_TIMEOUT_MS } = options;
  const failed = (reason: string) => sourceError(`lock "${path}"`, reason);
  const file = await openLockFile(path).catch((error) => {
    throw failed(osReason(error));
  });
  return await lockFile(file, {
    timeoutMs,
    createBusyError: () => failed("another run holds it"),
    signal,
  });
}

async function readTips(directory: string): Promise<Map<string, string>> {
  let text: string;
  try {
    const bytes = await readUntrusted(join(directory, "tips"), {
      maxBytes: MAX_TIPS_BYTES,
    });
    text = new TextDecoder().decode(bytes);
  } catch {
    // A mirror that cannot be read starts empty.
    return new Map();
  }
  const tips = new Map<string, string>();
  for (const line of text.split("\n").slice(0, -1)) {
    const [, id, name] = TIP.exec(line) ?? [];
    const [first = id] = tips.values();
    if (id === undefined || id.length !== first.length) return new Map();
    tips.set(name, id);
  }
  return tips;
}

async function copyFile(file: HeldFile, path: string): Promise<void> {
  using copy = await Deno.open(path, { write: true, createNew: true });
  const buffer = new Uint8Array(CHUNK_BYTES);
  for (let count: number; (count = file.read(buffer)) > 0;) {
    await writeAll(copy, buffer.subarray(0, count));
  }
}

/** Replaces anything else with this name, such as a link. */
async function makeDirectory(path: string): Promise<void> {
  const info = await lstatIfThere(path);
  if (info?.isDirectory) return;
  if (info !== undefined) await Deno.remove(path);
  await Deno.mkdir(path);
}
