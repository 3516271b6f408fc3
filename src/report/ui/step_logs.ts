import { basename } from "@std/path/posix/basename";
import { dirname } from "@std/path/posix/dirname";
import {
  openUntrusted,
  readAt,
  type UntrustedFile,
} from "../../fs/untrusted_file.ts";
import { isInside, normalizePath } from "../../job_path.ts";
import { LINE_FEED } from "../../output/line_limit.ts";
import { LogFileNames, partialName } from "../../output/log_directory.ts";
import { onlyRenditions } from "../../terminal/styles.ts";
import { withoutHidden } from "../formats/html_document.ts";
import type { RunRecord, StepRecord } from "../run_record.ts";

/** Length of a log that is read at once, in bytes. */
const CHUNK_BYTES = 64 * 1024;

/**
 * Tolerance between the time of an event and that of a file, in milliseconds.
 */
const CLOCK_MS = 2_000;

const decoder = new TextDecoder();

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
    const parents = parentsWithin(directory, this.#base);
    const name = logName(run, step);
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

function logName(run: RunRecord, step: StepRecord): string {
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

function parentsWithin(directory: string, base: string): string[] {
  const parents: string[] = [];
  for (let at = directory; isInside(base, at); at = dirname(at)) {
    parents.push(at);
    if (at === base) break;
  }
  return parents;
}
