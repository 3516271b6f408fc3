/**
 * The files of runs below a directory: their records, and the logs of their steps.
 *
 * @module
 */
import { basename } from "@std/path/posix/basename";
import { dirname } from "@std/path/posix/dirname";
import { isMissing, sha256Hex } from "../../fs/files.ts";
import {
  openUntrusted,
  readAt,
  readToEnd,
  type UntrustedFile,
} from "../../fs/untrusted_file.ts";
import { isInside, normalizePath } from "../../job_path.ts";
import { LINE_FEED } from "../../output/line_limit.ts";
import { LogFileNames, partialName } from "../../output/log_directory.ts";
import { onlyRenditions } from "../../terminal/styles.ts";
import { parseEvent } from "../event_schema.ts";
import { withoutHidden } from "../formats/html_document.ts";
import { RECORD_VERSION, type RunEvent } from "../run_event.ts";
import type { RunRecord, StepRecord } from "../run_record.ts";

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
    for (const path of await findCandidates(this.#root)) {
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
    const [started] = parseEvents(head);
    if (
      started?.event !== "run.started" || started.version > RECORD_VERSION
    ) return { stamp, run: undefined };
    // The lock was checked first: a run that ended since then has written more.
    const tailStart = Math.max(0, size - PART_BYTES);
    const tail = await readToEnd(file, tailStart, 2 * PART_BYTES);
    const last = parseEvents(tail).at(-1);
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
async function findCandidates(root: string): Promise<string[]> {
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

function parseEvents(bytes: Uint8Array): RunEvent[] {
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

/** Length of a log that is read at once, in bytes. */
const CHUNK_BYTES = 64 * 1024;

/**
 * Tolerance between the time of an event and that of a file, in milliseconds.
 */
const CLOCK_MS = 2_000;

/** A part of a log. */
export interface LogPart {
  /** Whole lines, without escape sequences except for colors and styles. */
  readonly text: string;
  /** Position after them, in bytes. */
  readonly offset: number;
  /** Whether there is more to read at once. */
  readonly hasMore: boolean;
}

/**
 * Reads logs of steps, which were masked when they were written. A record can
 * name any file, so a file is read only if it is in a directory `logs` below
 * `base` and was written during the run.
 */
export class StepLogs {
  readonly #base: string;
  readonly #recordPath: string;

  /**
   * @param recordPath Absolute path of the record.
   * @param base Absolute path of a directory that links must not leave.
   */
  constructor(recordPath: string, base: string) {
    this.#recordPath = recordPath;
    this.#base = base;
  }

  /**
   * Opens the log of a step.
   *
   * @param run The run.
   * @param step Index of the step.
   * @returns The file; `undefined` if there is none.
   */
  async open(
    run: RunRecord,
    step: number,
  ): Promise<UntrustedFile | undefined> {
    for (const path of this.#places(run, step)) {
      try {
        const file = await openUntrusted(path, { base: this.#base });
        if (belongsTo(run, file)) return file;
        await file[Symbol.asyncDispose]();
      } catch {
        // It does not exist, or is not a regular file.
      }
    }
    return undefined;
  }

  #places(run: RunRecord, index: number): string[] {
    const { [index]: step } = run.steps;
    if (step === undefined) return [];
    const directory = dirname(this.#recordPath);
    const parents = listParents(directory, this.#base);
    const name = findLogName(run, step);
    const places = [
      `${directory}/logs/${name}`,
      ...step.log === undefined
        ? parents.map((parent) => `${parent}/job/artifacts/logs/${name}`)
        : step.log.startsWith("/")
        ? [step.log]
        : parents.map((parent) => `${parent}/${step.log}`),
    ];
    return places.map(normalizePath).flatMap((path) => {
      const parent = dirname(path);
      if (basename(parent) !== "logs" || !path.endsWith(".log")) return [];
      if (!isInside(this.#base, path)) return [];
      return [`${parent}/${partialName(basename(path))}`, path];
    });
  }
}

/**
 * Reads the next lines of a log.
 *
 * @param file The log.
 * @param from Position; `undefined` for the last lines.
 * @param isOver Whether the step has ended, so that its last line is complete.
 */
export async function readLines(
  file: UntrustedFile,
  from: number | undefined,
  isOver: boolean,
): Promise<LogPart> {
  const start = from ?? Math.max(0, file.size - CHUNK_BYTES);
  const bytes = await readAt(
    file,
    start,
    Math.min(file.size, start + CHUNK_BYTES),
  );
  const isCut = from === undefined && start > 0;
  const first = isCut ? bytes.indexOf(LINE_FEED) + 1 : 0;
  const atEnd = start + bytes.length >= file.size;
  const lastBreak = bytes.lastIndexOf(LINE_FEED) + 1;
  // A line that fills the whole part is split; otherwise it would never be
  // shown.
  const end = atEnd && isOver || lastBreak === 0 && bytes.length === CHUNK_BYTES
    ? bytes.length
    : lastBreak;
  return {
    text: browserText(
      decoder.decode(bytes.subarray(first, Math.max(first, end))),
    ),
    offset: start + end,
    hasMore: !atEnd && end > 0,
  };
}

/**
 * Prepares output of a program for a browser: with its colors, and without
 * anything that hides or reverses text.
 */
export function browserText(text: string): string {
  return onlyRenditions(
    text,
    (part) => withoutHidden(part.replaceAll("\r\n", "\n")),
  );
}

function findLogName(run: RunRecord, step: StepRecord): string {
  if (step.log !== undefined) return basename(step.log);
  const names = new LogFileNames();
  for (const { name } of run.steps) names.nameFor(name);
  return names.nameFor(step.name);
}

function belongsTo(run: RunRecord, { modifiedMs }: UntrustedFile): boolean {
  const startMs = Date.parse(run.started.time) - CLOCK_MS;
  const endMs = run.ended === undefined
    ? Infinity
    : Date.parse(run.ended.time) + CLOCK_MS;
  return startMs <= modifiedMs && modifiedMs <= endMs;
}

function listParents(directory: string, base: string): string[] {
  const parents: string[] = [];
  for (let at = directory; isInside(base, at); at = dirname(at)) {
    parents.push(at);
    if (at === base) break;
  }
  return parents;
}
