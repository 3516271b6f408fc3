import { isMissing, sha256Hex } from "../../fs/files.ts";
import { openUntrusted, readAt, readToEnd } from "../../fs/untrusted_file.ts";
import { parseEvent } from "../event_schema.ts";
import { RECORD_VERSION, type RunEvent } from "../run_event.ts";

/** Maximum depth at which records are searched. */
const MAX_DEPTH = 12;

/** Maximum number of directory entries that are examined. */
const MAX_NAMES = 20_000;

/** Maximum number of files that are checked. */
const MAX_FILES = 500;

/** Maximum number of runs that are listed. */
const MAX_RUNS = 200;

/** Maximum length of a name in the list, in UTF-16 units. */
const MAX_NAME_LENGTH = 200;

/**
 * Number of bytes that are read from the start and from the end of a record.
 */
const PART_BYTES = 64 * 1024;

/** Directories with many files that are not records. */
const SKIPPED: ReadonlySet<string> = new Set([".git", "node_modules"]);

const decoder = new TextDecoder();

/** A run whose record was found. */
export interface FoundRun {
  /** Name of the run in addresses: 32 hexadecimal digits. */
  readonly id: string;
  /** Path of its record, relative to the directory. */
  readonly path: string;
  /** Name of the job or workflow. */
  readonly name: string;
  /** `job` or `workflow`. */
  readonly kind: string;
  /** When it started, in ISO 8601. */
  readonly startedAt: string;
  readonly status: string;
  /** How long it took; `undefined` if it has not ended or was killed. */
  readonly durationMs: number | undefined;
}

/** Cached content of a file. */
interface Known {
  /** Changes with the file. */
  readonly stamp: string;
  /** Its run; `undefined` if it is not a record. */
  readonly run: FoundRun | undefined;
}

/** Finds the records of runs below a directory. */
export class RunFinder {
  readonly #root: string;
  /** Content by path, valid as long as the file is unchanged. */
  #known = new Map<string, Known>();
  #paths = new Map<string, string>();

  /** @param root Absolute path of the directory, free of links. */
  constructor(root: string) {
    this.#root = root;
  }

  /**
   * Finds records. Links are not followed, and there are limits for a directory
   * that is too large or too deep.
   *
   * @returns Runs, the latest first.
   */
  async find(): Promise<FoundRun[]> {
    const known = new Map<string, Known>();
    for (const path of await candidates(this.#root)) {
      // It was removed, or is not a regular file.
      const entry = await this.#readRun(path).catch(() => undefined);
      if (entry !== undefined) known.set(path, entry);
    }
    this.#known = known;
    const runs = [...known.values()].flatMap(({ run }) => run ?? [])
      .sort((a, b) => a.startedAt < b.startedAt ? 1 : -1)
      .slice(0, MAX_RUNS);
    this.#paths = new Map(
      runs.map(({ id, path }) => [id, `${this.#root}/${path}`]),
    );
    return runs;
  }

  /**
   * Finds the record of a run that was listed.
   *
   * @param id Name of the run in addresses.
   * @returns Absolute path.
   */
  async findPath(id: string): Promise<string | undefined> {
    if (!this.#paths.has(id)) await this.find();
    return this.#paths.get(id);
  }

  async #readRun(path: string): Promise<Known> {
    const base = this.#root;
    await using file = await openUntrusted(path, { base });
    const isLocked = await file.isLocked() ?? true;
    const stamp = [file.id, file.size, file.modifiedMs, isLocked].join();
    const known = this.#known.get(path);
    if (known?.stamp === stamp) return known;
    const { size } = file;
    const head = await readAt(file, 0, Math.min(size, PART_BYTES));
    const [started] = eventsIn(head);
    if (
      started?.event !== "run.started" || started.version > RECORD_VERSION
    ) return { stamp, run: undefined };
    // The lock was checked first: a run that ended since then has written more.
    const tailStart = Math.max(0, size - PART_BYTES);
    const tail = await readToEnd(file, tailStart, 2 * PART_BYTES);
    const last = eventsIn(tail).at(-1);
    const ended = last?.event === "run.ended" ? last : undefined;
    const relative = path.slice(base.length + 1);
    const run: FoundRun = {
      id: await runId(relative),
      path: relative,
      name: (started.name ?? started.kind).slice(0, MAX_NAME_LENGTH),
      kind: started.kind,
      startedAt: started.time,
      status: ended?.status ?? (isLocked ? "running" : "interrupted"),
      durationMs: ended?.durationMs,
    };
    return { stamp, run };
  }
}

/** Lists files that may be records, those at the top first. */
async function candidates(root: string): Promise<string[]> {
  const found: string[] = [];
  let level = [root];
  let names = 0;
  for (let depth = 0; depth < MAX_DEPTH && level.length > 0; depth++) {
    const next: string[] = [];
    for (const directory of level) {
      for (
        const { name, isFile, isDirectory } of await readEntries(directory)
      ) {
        if (++names > MAX_NAMES || found.length === MAX_FILES) return found;
        const path = `${directory}/${name}`;
        if (isDirectory && !SKIPPED.has(name)) next.push(path);
        if (isFile && name.endsWith(".jsonl")) found.push(path);
      }
    }
    level = next;
  }
  return found;
}

async function readEntries(directory: string): Promise<Deno.DirEntry[]> {
  const entries: Deno.DirEntry[] = [];
  try {
    for await (const entry of Deno.readDir(directory)) {
      if (entries.push(entry) > MAX_NAMES) break;
    }
  } catch (error) {
    // It was removed, or belongs to another user.
    const isUnreadable = isMissing(error) ||
      error instanceof Deno.errors.PermissionDenied;
    if (!isUnreadable) throw error;
  }
  return entries.sort((a, b) => a.name < b.name ? -1 : 1);
}

function eventsIn(bytes: Uint8Array): RunEvent[] {
  return decoder.decode(bytes).split("\n").flatMap((line) =>
    parseEvent(line) ?? []
  );
}

/**
 * Returns the name of a run in addresses.
 *
 * @param path Path of its record, relative to the directory.
 * @returns 32 hexadecimal digits.
 */
export async function runId(path: string): Promise<string> {
  return (await sha256Hex(path)).slice(0, 32);
}
