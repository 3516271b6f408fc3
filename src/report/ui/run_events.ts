import { messageOf } from "../../errors.ts";
import { sha256Hex } from "../../fs/files.ts";
import {
  openUntrusted,
  readAt,
  readToEnd,
  type UntrustedFile,
} from "../../fs/untrusted_file.ts";
import { LINE_FEED } from "../../output/line_limit.ts";
import { pause } from "../../process/time_limit.ts";
import { styledPieces, type TextLook } from "../../terminal/styles.ts";
import { parseEvent } from "../event_schema.ts";
import { outputPieces } from "../formats/html_output.ts";
import type { RunEvent } from "../run_event.ts";
import { createRecord, elapsedMs, type RunRecord } from "../run_record.ts";
import { readLines, type StepLogs } from "./recorded_runs.ts";

/**
 * Interval at which a record and the logs of its steps are read, in
 * milliseconds.
 */
const POLL_MS = 200;

/**
 * Maximum share of time for reading a run, and for drawing its page, because
 * the job needs the processor. A pause is never longer than a tick.
 */
const MAX_SHARE = 0.02;

/**
 * Interval at which the page of a running job is redrawn even without events.
 */
const TICK_MS = 2_000;

/** Time after which something is sent, to detect a lost connection. */
const QUIET_MS = 15_000;

/** Maximum number of logs that are followed at once. */
const MAX_LOGS = 16;

/** Last event of a browser that reconnects. */
const CURSOR = /^([0-9a-f]{16})-([^~]{1,100})((?:~\d{1,5}@\d{1,15}){0,64})$/;

/** An event for a browser. */
export interface ServerEvent {
  readonly event: "change" | "log" | "log-end";
  readonly data: unknown;
}

/** How far a browser has read. */
export class Cursor {
  /** Version of the record that its page shows. */
  version = "";
  /** Position in the log of each step that it follows. */
  readonly logs = new Map<number, number>();
  /** The run, which another one may replace. */
  run = "";

  /**
   * Reads the ID of an event.
   *
   * @param text Value of `Last-Event-ID`.
   * @returns The cursor; one at the start if the text is not such an ID.
   */
  static parse(text: string | null): Cursor {
    const cursor = new Cursor();
    const [, run, version, logs] = text?.match(CURSOR) ?? [];
    if (run === undefined) return cursor;
    cursor.run = run;
    cursor.version = version;
    for (const [, step, at] of logs.matchAll(/~(\d+)@(\d+)/g)) {
      cursor.logs.set(Number(step), Number(at));
    }
    return cursor;
  }

  /** ID of an event after which the browser has read up to the cursor. */
  toString(): string {
    const logs = Array.from(this.logs, ([step, at]) => `~${step}@${at}`);
    return `${this.run}-${this.version}${logs.join("")}`;
  }
}

/** Options for {@linkcode runEvents}. */
export interface RunEventsOptions {
  /** The record. */
  follower: RecordFollower;
  /** Logs of its steps. */
  logs: StepLogs;
  /** How far the browser has read; it is updated. */
  cursor: Cursor;
  /** Ends the events. */
  signal: AbortSignal;
}

/**
 * Follows a run: reports when its page must be redrawn, and what its running
 * steps have printed.
 *
 * @returns Events; `undefined` if there has been none for a while.
 */
export async function* runEvents(
  { follower, logs, cursor, signal }: RunEventsOptions,
): AsyncGenerator<ServerEvent | undefined, void> {
  let sentAt = performance.now();
  let drawnAt = sentAt;
  // A browser that reconnects immediately gets what it has missed.
  let isFirst = true;
  const looks = new Map<number, TextLook>();
  while (!signal.aborted) {
    const start = performance.now();
    await follower.refresh();
    const { record, version } = follower;
    const run = await hashRun(record?.started);
    const isNew = run !== cursor.run;
    if (isNew) {
      cursor.logs.clear();
      looks.clear();
    }
    cursor.run = run;
    const now = performance.now();
    const undrawnMs = now - drawnAt;
    const isDue = record?.isRunning === true && undrawnMs >= TICK_MS;
    const hasChanged = version !== cursor.version || isDue;
    const restMs = isFirst ? 0 : computeRest(follower.drawMs);
    if (isNew || hasChanged && undrawnMs >= restMs) {
      isFirst = false;
      cursor.version = version;
      [sentAt, drawnAt] = [now, now];
      yield { event: "change", data: { isNew } };
    }
    let hasMore = false;
    for (const step of selectFollowed(record, cursor)) {
      const part = await readNextPart(record, step, { logs, cursor, looks });
      hasMore ||= part.hasMore;
      for (const event of part.events) {
        sentAt = performance.now();
        yield event;
      }
    }
    if (hasMore) continue;
    if (performance.now() - sentAt >= QUIET_MS) {
      sentAt = performance.now();
      yield undefined;
    }
    const takenMs = performance.now() - start;
    await pause(Math.max(POLL_MS, computeRest(takenMs)), signal);
  }
}

function computeRest(workMs: number): number {
  return Math.min(workMs / MAX_SHARE, TICK_MS);
}

/** Running steps, and those whose logs the browser has not read to the end. */
function selectFollowed(
  record: RunRecord | undefined,
  { logs }: Cursor,
): number[] {
  const indexes = new Set(logs.keys());
  for (const [index, { state }] of (record?.steps ?? []).entries()) {
    if (state === "running" || state === "retrying") indexes.add(index);
  }
  return [...indexes].slice(0, MAX_LOGS);
}

/** Reads new output of a step and advances the cursor. */
async function readNextPart(
  record: RunRecord | undefined,
  index: number,
  { logs, cursor, looks }: Pick<RunEventsOptions, "logs" | "cursor"> & {
    /**
     * Style of the last text of each step, which continues in the next text.
     */
    looks: Map<number, TextLook>;
  },
): Promise<{ events: ServerEvent[]; hasMore: boolean }> {
  const step = record?.steps[index];
  const isOver = step?.state === undefined;
  await using file = record && await logs.open(record, index);
  const part = file &&
    await readLines(file, cursor.logs.get(index), isOver);
  const events: ServerEvent[] = [];
  if (part !== undefined) {
    cursor.logs.set(index, part.offset);
    if (step !== undefined && part.text !== "") {
      const { name } = step;
      const { pieces, look } = styledPieces(part.text, looks.get(index));
      looks.set(index, look);
      events.push({
        event: "log",
        data: { step: index, name, pieces: outputPieces(pieces) },
      });
    }
  }
  const hasMore = part?.hasMore ?? false;
  if (isOver && !hasMore) {
    events.push({ event: "log-end", data: { step: index } });
    cursor.logs.delete(index);
  }
  return { events, hasMore };
}

async function hashRun(
  started: { readonly id: string; readonly time: string } | undefined,
): Promise<string> {
  const text = started === undefined ? "" : `${started.id} ${started.time}`;
  return (await sha256Hex(text)).slice(0, 16);
}

/** Maximum size of a record that is followed, in bytes. */
const MAX_BYTES = 32 * 1024 * 1024;

/** Maximum number of bytes without a line break. */
const MAX_LINE_BYTES = 8 * 1024 * 1024;

/** Maximum number of steps on a page. */
const MAX_STEPS = 10_000;

/** Length of its start that identifies a record, in bytes. */
const HEAD_BYTES = 1024;

/** Minimum interval between two checks of a file, in milliseconds. */
const FRESH_MS = 100;

/** The same for a file that could not be read. */
const RETRY_MS = 2_000;

const decoder = new TextDecoder();

/**
 * Follows the record of a run that another process writes. Reads only new
 * lines, and starts over when another record has replaced the file.
 */
export class RecordFollower {
  /** How long it took to draw the page of the run, in milliseconds. */
  drawMs = 0;
  readonly #path: string;
  readonly #base: string;
  #events: RunEvent[] = [];
  #steps = new Set<string>();
  #fileId = "";
  #head: Uint8Array = new Uint8Array();
  #offset = 0;
  #isLocked = false;
  #problem: string | undefined;
  #refreshing: Promise<void> | undefined;
  #refreshedAt = -Infinity;

  /**
   * @param path Absolute path of the record.
   * @param base Absolute path of a directory that links must not leave.
   */
  constructor(path: string, base: string) {
    this.#path = path;
    this.#base = base;
  }

  /** Absolute path of the record. */
  get path(): string {
    return this.#path;
  }

  /** Why there is nothing to show; `undefined` if there is. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** Changes whenever the content of the record changes. */
  get version(): string {
    const { length } = this.#events;
    return `${this.#offset}-${length}-${this.#isRunning}-${this.#problem}`;
  }

  /** The run so far. */
  get record(): RunRecord | undefined {
    const events = this.#events;
    return createRecord(
      events,
      this.#isRunning ? { nowMs: elapsedMs(events) } : {},
    );
  }

  /** Reads new lines. Concurrent callers share one read. */
  refresh(): Promise<void> {
    const freshMs = this.#problem === undefined ? FRESH_MS : RETRY_MS;
    if (performance.now() - this.#refreshedAt < freshMs) {
      return Promise.resolve();
    }
    this.#refreshing ??= this.#refresh().finally(() => {
      this.#refreshing = undefined;
      this.#refreshedAt = performance.now();
    });
    return this.#refreshing;
  }

  get #isRunning(): boolean {
    return this.#isLocked && this.#events.at(-1)?.event !== "run.ended";
  }

  async #refresh(): Promise<void> {
    try {
      await using file = await openUntrusted(this.#path, { base: this.#base });
      if (file.size > MAX_BYTES) {
        throw new Error(`it is larger than ${MAX_BYTES} bytes`);
      }
      if (!await this.#isSame(file)) this.#reset();
      this.#fileId = file.id;
      // Checked first: a run that ends now releases the lock after its last
      // line. Without locks, a run without an end may still be active.
      this.#isLocked = await file.isLocked() ?? true;
      await this.#readNew(file);
      this.#problem = this.#check();
    } catch (error) {
      this.#reset();
      this.#problem = error instanceof Deno.errors.NotFound
        ? "it does not exist any more"
        : messageOf(error);
    }
  }

  /** A new file can have the inode number of a removed one. */
  async #isSame(file: UntrustedFile): Promise<boolean> {
    if (file.id !== this.#fileId || file.size < this.#offset) return false;
    const head = await readAt(file, 0, this.#head.length);
    return head.every((byte, at) => byte === this.#head[at]);
  }

  #reset(): void {
    this.#events = [];
    this.#steps = new Set();
    this.#offset = 0;
    this.#head = new Uint8Array();
    this.#isLocked = false;
  }

  async #readNew(file: UntrustedFile): Promise<void> {
    const bytes = await readToEnd(file, this.#offset, MAX_BYTES);
    const end = bytes.lastIndexOf(LINE_FEED) + 1;
    if (bytes.length - end > MAX_LINE_BYTES) {
      throw new Error(`a line is longer than ${MAX_LINE_BYTES} bytes`);
    }
    if (this.#offset === 0) {
      this.#head = bytes.slice(0, Math.min(end, HEAD_BYTES));
    }
    this.#offset += end;
    for (const line of decoder.decode(bytes.subarray(0, end)).split("\n")) {
      const event = parseEvent(line);
      if (event !== undefined) this.#add(event);
    }
  }

  #add(event: RunEvent): void {
    this.#events.push(event);
    if (event.event === "run.planned") {
      for (const { name } of event.steps) this.#steps.add(name);
    } else if ("step" in event) {
      this.#steps.add(event.step);
    }
    if (this.#steps.size <= MAX_STEPS) return;
    throw new Error(`it has more than ${MAX_STEPS} steps`);
  }

  #check(): string | undefined {
    return this.record === undefined ? "it is not a run record" : undefined;
  }
}
