import { isObject } from "../../json_value.ts";
import { pause } from "../../process/time_limit.ts";
import { writeAtomic } from "../../fs/write_atomic.ts";
import type { StepEntry } from "../../cache/step_entry.ts";
import { sha256Hex } from "../../fs/files.ts";
import { readOwnFile } from "../../workspace/own_directory.ts";
import { Uncacheable } from "./file_tree.ts";

/** Version of the format of the file. */
const FORMAT_VERSION = 2;

/** Length of a hash, in characters. */
const HASH_LENGTH = 64;

/** File whose time says when a store was cleared. */
const CLEARED = "cleared";

/** Maximum size of the file, in bytes. */
const MAX_BYTES = 256 * 1024 * 1024;

/** Maximum number of remembered files. */
const MAX_REMEMBERED = 500_000;

/** Maximum number of parts of the key of a remembered result. */
const MAX_PARTS = 2_000;

/**
 * Minimum age of the last change of a file whose hash is remembered, in
 * milliseconds. Timestamps may be this coarse, so a file that changed more recently
 * could change again with the same timestamp. The file must be this old by the
 * clock of the file system and by our own clock, which may differ.
 */
const MIN_AGE_MS = 2_000;

/** Time for which the clock of the file system is not read again, in milliseconds. */
const RECHECK_MS = 1_000;

/** Size of the chunks in which files are read, in bytes. */
const CHUNK_BYTES = 1024 * 1024;

/** Number of chunks after which the event loop gets a turn. */
const CHUNKS_PER_TURN = 16;

/** Remembered facts about a step. */
export interface RememberedStep {
  /** Outputs that its runs created and that did not exist before. */
  readonly created: readonly string[];
  /**
   * Outputs that existed before a run that has not ended; all other outputs are
   * from that run.
   */
  readonly foreign?: readonly string[];
  /** The result that was used last, if it is small. */
  readonly entry?: StepEntry;
  /** When the result was last found in a store on a server, and in which store. */
  readonly seen?: SeenResult;
}

/** When a result was found in a store on a server. */
export interface SeenResult {
  /** Text that describes the store. */
  readonly store: string;
  /** In milliseconds since 1970. */
  readonly ms: number;
}

/** Facts about the user and the file system. */
export interface MemoryFacts {
  /** ID of the user, to whom the memory must belong. */
  readonly userId: number | null;
  /**
   * Returns the time by the clock of the file system of the job, in milliseconds
   * since 1970.
   */
  readonly fileTime: () => number;
}

/**
 * Remembers hashes of files between runs, so that a file is read again only if its
 * size, its times, its inode or its device have changed. No program can set the
 * change time (ctime), so even a coarse one is enough.
 *
 * Each directory of a job has its own memory, a file in the user's cache directory.
 * A memory that belongs to another user, or that others can write, is not used. If
 * a memory is lost or damaged, files are read again.
 */
export class FileMemory {
  readonly #path: string | undefined;
  /** Hashes of files, each followed by the metadata of the file. */
  readonly #files: Map<string, string>;
  readonly #steps: Map<string, RememberedStep>;
  readonly #fileTime: () => number;
  /** Time by the clock of the file system when it was last read. */
  #fileTimeMs = -Infinity;
  /** When that clock was last read. */
  #readClockMs = -Infinity;
  /** When the user last cleared a store. */
  readonly #clearedMs: number;
  #hasChanged = false;

  private constructor(
    path: string | undefined,
    fileTime: () => number,
    { files = {}, steps = {} }: Content = {},
    clearedMs = 0,
  ) {
    this.#path = path;
    this.#fileTime = fileTime;
    this.#clearedMs = clearedMs;
    this.#files = new Map(Object.entries(files));
    this.#steps = new Map(Object.entries(steps));
  }

  /**
   * Opens the memory of a directory.
   *
   * @param root Absolute path of the directory of the job, without links.
   * @param parent Absolute path of the directory that contains the file;
   * `undefined` if nothing can be remembered.
   * @param facts What is known about the user and the file system.
   */
  static async open(
    root: string,
    parent: string | undefined,
    { userId, fileTime }: MemoryFacts,
  ): Promise<FileMemory> {
    if (parent === undefined) return new FileMemory(undefined, fileTime);
    const path = `${parent}/${await sha256Hex(root)}.json`;
    return new FileMemory(
      path,
      fileTime,
      await readContent(path, userId),
      readClearedMs(parent),
    );
  }

  /** Returns the remembered facts about a step. */
  step(id: string): RememberedStep | undefined {
    const remembered = this.#steps.get(id);
    if (
      remembered?.seen === undefined || remembered.seen.ms > this.#clearedMs
    ) {
      return remembered;
    }
    const { seen: _, ...facts } = remembered;
    return facts;
  }

  /** Remembers a step. */
  rememberStep(id: string, { entry, ...facts }: RememberedStep): void {
    const isSmall = entry !== undefined &&
      Object.keys(entry.parts).length + entry.outputs.length <= MAX_PARTS;
    const remembered = this.#steps.get(id);
    const isSame = remembered !== undefined &&
      remembered.entry?.key === (isSmall ? entry.key : undefined) &&
      isEqual(remembered.created, facts.created) &&
      isEqual(remembered.foreign, facts.foreign) &&
      remembered.seen?.store === facts.seen?.store &&
      remembered.seen?.ms === facts.seen?.ms;
    if (isSame) return;
    this.#steps.set(id, { ...facts, ...isSmall ? { entry } : {} });
    this.#hasChanged = true;
  }

  /**
   * Returns the SHA-256 of a file.
   *
   * @param path Absolute path; no link is followed at its end.
   * @param info Metadata of the file.
   * @throws {Uncacheable} If the file no longer has this metadata.
   */
  async hashFile(
    path: string,
    info: Deno.FileInfo,
    signal: AbortSignal,
  ): Promise<string> {
    const facts = describeFile(info);
    const remembered = this.#files.get(path);
    if (facts !== undefined && remembered?.endsWith(facts)) {
      const hash = remembered.slice(0, -facts.length);
      if (hash.length === HASH_LENGTH) return hash;
    }
    const isOld = this.#isOld(info.ctime?.getTime() ?? Infinity);
    const newHash = await readHash(path, info, signal);
    if (facts !== undefined && isOld && this.#files.size < MAX_REMEMBERED) {
      this.#files.set(path, newHash + facts);
      this.#hasChanged = true;
    } else if (this.#files.delete(path)) this.#hasChanged = true;
    return newHash;
  }

  #isOld(changedMs: number): boolean {
    if (changedMs > Date.now() - MIN_AGE_MS) return false;
    const isOldEnough = () => changedMs <= this.#fileTimeMs - MIN_AGE_MS;
    const nowMs = performance.now();
    if (!isOldEnough() && nowMs - this.#readClockMs > RECHECK_MS) {
      this.#readClockMs = nowMs;
      this.#fileTimeMs = this.#fileTime();
    }
    return isOldEnough();
  }

  /** Saves changes. Errors are ignored, because the memory is optional. */
  async save(): Promise<void> {
    if (this.#path === undefined || !this.#hasChanged) return;
    this.#hasChanged = false;
    const content = JSON.stringify({
      version: FORMAT_VERSION,
      files: Object.fromEntries(this.#files),
      steps: Object.fromEntries(this.#steps),
    });
    try {
      const parent = this.#path.slice(0, this.#path.lastIndexOf("/"));
      await Deno.mkdir(parent, { recursive: true, mode: 0o700 });
      await writeAtomic(this.#path, content, { mode: 0o600 });
    } catch {
      // The next run reads the files again.
    }
  }
}

/**
 * Returns the directory of the memories in the user's cache directory; `undefined`
 * if there is none. Files in it that belong to other users are ignored.
 */
export function memoryDirectory(
  { XDG_CACHE_HOME: cache = "", HOME: home = "" }: Readonly<
    Record<string, string>
  >,
): string | undefined {
  if (cache.startsWith("/")) return `${cache}/reactorcide/files`;
  return home.startsWith("/") ? `${home}/.cache/reactorcide/files` : undefined;
}

/**
 * Records that the user has cleared a store, so that results are no longer assumed
 * to be in a store without checking.
 *
 * @param parent Absolute path of the directory that contains the memories.
 */
export async function recordClearing(parent: string): Promise<void> {
  await Deno.mkdir(parent, { recursive: true, mode: 0o700 });
  await writeAtomic(`${parent}/${CLEARED}`, "", { mode: 0o600 });
}

function readClearedMs(parent: string): number {
  try {
    return Deno.lstatSync(`${parent}/${CLEARED}`).mtime?.getTime() ?? 0;
  } catch {
    // Nothing was cleared.
    return 0;
  }
}

function isEqual(
  left: readonly string[] | undefined,
  right: readonly string[] | undefined,
): boolean {
  return left?.length === right?.length &&
    (left ?? []).every((path, at) => path === right?.[at]);
}

interface Content {
  files?: Readonly<Record<string, string>>;
  steps?: Readonly<Record<string, RememberedStep>>;
}

async function readContent(
  path: string,
  userId: number | null,
): Promise<Content> {
  try {
    const { uid, mode, isFile } = await Deno.lstat(path);
    const isOwn = isFile && uid === userId && ((mode ?? 0) & 0o022) === 0;
    if (!isOwn) return {};
    const value: unknown = JSON.parse(await readOwnFile(path, MAX_BYTES));
    return isObject(value) && value.version === FORMAT_VERSION &&
        isObject(value.files) &&
        isObject(value.steps)
      ? value as Content
      : {};
  } catch {
    // There is none, or it is damaged.
    return {};
  }
}

function describeFile(info: Deno.FileInfo): string | undefined {
  const { size, mtime, ctime, ino, dev } = info;
  if (mtime === null || ctime === null || ino === null) return undefined;
  return ` ${size} ${mtime.getTime()} ${ctime.getTime()} ${ino} ${dev}`;
}

/**
 * Reads a file synchronously, which takes a fraction of the time for small
 * files. It is opened without blocking, in case a pipe has replaced it.
 */
async function readHash(
  path: string,
  { ino, dev, size }: Deno.FileInfo,
  signal: AbortSignal,
): Promise<string> {
  const [fs, { createHash }] = await Promise.all([
    import("node:fs"),
    import("node:crypto"),
  ]);
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = fs.constants;
  const hash = createHash("sha256");
  let file: number | undefined;
  try {
    file = fs.openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    const opened = fs.fstatSync(file);
    const isSame = opened.isFile() && opened.ino === ino && opened.dev === dev;
    if (!isSame) throw new Error("it was replaced");
    const buffer = new Uint8Array(Math.min(CHUNK_BYTES, size + 1));
    for (let count = 1;; count++) {
      const length = fs.readSync(file, buffer);
      if (length === 0) return hash.digest("hex");
      hash.update(buffer.subarray(0, length));
      if (count % CHUNKS_PER_TURN === 0) {
        await pause(0, signal);
        signal.throwIfAborted();
      }
    }
  } catch (cause) {
    signal.throwIfAborted();
    throw new Uncacheable(`"${path}" cannot be read`, { cause });
  } finally {
    if (file !== undefined) fs.closeSync(file);
  }
}
