import { joinBytes } from "../../bytes.ts";
import { messageOf } from "../../errors.ts";
import { onAbort } from "../../process/cancellation.ts";
import { pause, type TimeLimit, timeLimit } from "../../process/time_limit.ts";
import { type Cluster, CLUSTER_OUTAGE_MS } from "./cluster.ts";
import { ClusterError } from "./cluster_transport.ts";

/** Maximum length of the time at the start of a line, in bytes. */
const MAX_TIME_BYTES = 64;

/**
 * Maximum time by which a line may be newer than a later line, in milliseconds: the
 * lines of the two streams of a container are not sorted exactly.
 */
const MAX_DISORDER_MS = 2_000;

/** Maximum number of distinct timestamps whose lines are counted. */
const MAX_TIMES = 10_000;

/** Maximum size of the lines that are held back until the last line is found. */
const MAX_HELD_BYTES = 1024 * 1024;

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/;

/** Length of a timestamp up to its seconds. */
const SECOND_LENGTH = "2026-01-01T00:00:00".length;

const SECOND_MS = 1_000;

const NOTHING = new Uint8Array();

const LINE_FEED = 10;

const SPACE = 32;

/**
 * Time without bytes after which a stream is reopened while its container runs, in
 * milliseconds.
 */
const MAX_STREAM_MS = 10 * 60_000;

/**
 * Time for which the log of an ended container may be missing, in milliseconds.
 */
const NO_LOG_MS = 10_000;

const MAX_PAUSE_MS = 5_000;

/** Options for {@linkcode followLog}. */
export interface FollowLogOptions {
  /** Name of the Pod. */
  readonly pod: string;
  /** Name of the container, which has started. */
  readonly container: string;
  /** Aborted when the container has ended. */
  readonly ended: AbortSignal;
  /** Takes the bytes of the log. */
  readonly write: (bytes: Uint8Array<ArrayBuffer>) => Promise<void>;
  /** Stops reading. */
  readonly signal: AbortSignal;
  /**
   * Maximum time for which the log of an ended container may be unreadable, in
   * milliseconds.
   *
   * @default {300_000}
   */
  readonly outageMs?: number;
  /**
   * Time without bytes after which a stream is reopened once its container has
   * ended, in milliseconds.
   *
   * @default {10_000}
   */
  readonly idleMs?: number;
  /**
   * Minimum pause between two streams, in milliseconds.
   *
   * @default {250}
   */
  readonly minPauseMs?: number;
}

/**
 * Follows the log of a container to its end, across streams that break.
 *
 * A stream may end early without an error. The log is complete when a stream ends
 * that was opened after the end of the container.
 *
 * @returns Why the log is not complete; `undefined` if it is.
 * @throws {ClusterError} If the log cannot be read at all.
 */
export async function followLog(
  cluster: Cluster,
  options: FollowLogOptions,
): Promise<string | undefined> {
  const { ended, write, signal, minPauseMs = 250 } = options;
  const { outageMs = CLUSTER_OUTAGE_MS } = options;
  const cursor = new LogCursor();
  // Nothing else limits the time of retries after the end of the container.
  let failedSinceMs: number | undefined;
  for (let pauseMs = minPauseMs;;) {
    const isLast = ended.aborted;
    cursor.restart();
    try {
      for await (const bytes of openStream(cluster, cursor.since, options)) {
        const text = cursor.accept(bytes);
        if (text.length > 0) await write(text);
        pauseMs = minPauseMs;
        // A stream repeats what was read before it continues.
        if (text.length > 0) failedSinceMs = undefined;
      }
      if (isLast) break;
      // The stream ends a moment before or after its container.
      if (ended.aborted) continue;
    } catch (error) {
      if (signal.aborted) throw error;
      if (isDeleted(error)) {
        await write(cursor.finish());
        return "the pod was deleted before its log was read";
      }
      if (!isTemporary(error)) throw error;
      if (isLast) {
        failedSinceMs ??= performance.now();
        const maxMs = isMissing(error)
          ? Math.min(NO_LOG_MS, outageMs)
          : outageMs;
        if (performance.now() - failedSinceMs > maxMs) {
          await write(cursor.finish());
          return error instanceof DOMException
            ? "its stream does not end"
            : messageOf(error);
        }
      }
    }
    await pause(pauseMs, ended.aborted ? signal : ended);
    pauseMs = Math.min(2 * pauseMs, MAX_PAUSE_MS);
  }
  const rest = cursor.finish();
  if (rest.length > 0) await write(rest);
  return cursor.hasGap
    ? "the node removed lines before they were read"
    : undefined;
}

async function* openStream(
  cluster: Cluster,
  since: string | undefined,
  { pod, container, ended, signal, idleMs = 10_000 }: FollowLogOptions,
): AsyncGenerator<Uint8Array> {
  const query = new URLSearchParams({
    container,
    follow: "true",
    timestamps: "true",
    ...since === undefined ? {} : { sinceTime: since },
  });
  const stuck = new AbortController();
  let idle: TimeLimit | undefined;
  const awaitBytes = () => {
    idle?.[Symbol.dispose]();
    idle = timeLimit(ended.aborted ? idleMs : MAX_STREAM_MS);
    void idle.reached.then(() => stuck.abort());
  };
  // The time that the reader takes does not count as idle.
  using _ = onAbort(ended, () => {
    if (idle !== undefined) awaitBytes();
  });
  const path = `${cluster.path("pods", pod)}/log?${query}`;
  const eitherSignal = AbortSignal.any([signal, stuck.signal]);
  try {
    awaitBytes();
    for await (const bytes of cluster.transport.stream(path, eitherSignal)) {
      idle?.[Symbol.dispose]();
      idle = undefined;
      yield bytes;
      awaitBytes();
    }
  } finally {
    idle?.[Symbol.dispose]();
  }
}

function isDeleted(error: unknown): boolean {
  return error instanceof ClusterError && error.status === 404;
}

/** Checks whether the node has no log: the container has not started, or was removed. */
function isMissing(error: unknown): boolean {
  return error instanceof ClusterError && error.status === 400;
}

function isTemporary(error: unknown): boolean {
  return error instanceof DOMException ||
    isMissing(error) || error instanceof ClusterError && error.isTransient;
}

/** Identity of a complete line. */
interface LinePlace {
  /** RFC 3339 timestamp, as in the log. */
  readonly time: string;
  /** Number of the line among the lines with the same timestamp, from 1. */
  readonly number: number;
}

/** A line that is being read. */
interface OpenLine {
  /** Its timestamp; `undefined` for a message of the node. */
  readonly time: string | undefined;
  /** Number of bytes read so far. */
  length: number;
  /** Number of bytes that were read before the stream was cut. */
  readonly skip: number;
  /** Whether the line counts as one from before the cut. */
  readonly isSkipped: boolean;
}

/** The search for the last complete line after a cut. */
interface Search {
  /** Number of repeated lines with the timestamp of the last line. */
  seen: number;
  /** Lines that are not older than the last one. */
  held: Uint8Array[];
  heldBytes: number;
  /** Identity of the last held line. */
  heldTime?: string;
}

/**
 * Position in the log of a container, which is read again after its stream was
 * cut.
 *
 * Each line of the stream starts with a timestamp in nanoseconds. A new request can
 * only start at a whole second, so it repeats lines that have been read:
 *
 * 1. A line is identified by its timestamp and the number of earlier lines with the
 *    same timestamp. The log is a file that only grows, so a repeated line has the
 *    same identity, regardless of the clock of the node.
 * 2. After a cut, lines are skipped up to the last complete one. If a line was cut,
 *    the bytes of it that have been read are skipped as well.
 * 3. If the last complete line is not repeated, the node has rotated the log. Newer
 *    lines are kept, and the gap is reported.
 *
 * The result contains each byte of the log exactly once.
 */
export class LogCursor {
  /** Last complete line. */
  #last: LinePlace | undefined;
  /** Line that was cut: its timestamp, and the number of bytes that were read. */
  #cut: { readonly time: string; readonly length: number } | undefined;
  /** Number of lines by timestamp, for the last timestamps. */
  #counts = new Map<string, number>();
  /**
   * Time of the first line in the newest second; the clock of a node may be set
   * back.
   */
  #newestMs = -Infinity;
  /** Second of the last line. */
  #second = "";
  #search: Search | undefined;
  #line: OpenLine | undefined;
  /** Bytes of the timestamp of the next line. */
  #head: Uint8Array<ArrayBuffer> = NOTHING;
  #hasGap = false;

  /** Second from which to request the log; `undefined` for its start. */
  get since(): string | undefined {
    if (this.#last === undefined) return undefined;
    // A later line may be a little older.
    const date = new Date(parseTimeMs(this.#last.time) - MAX_DISORDER_MS);
    return date.toISOString().replace(/\.\d+/, "");
  }

  /** Whether lines are missing, because the node has rotated its log. */
  get hasGap(): boolean {
    return this.#hasGap;
  }

  /** Prepares for the bytes of a new request. */
  restart(): void {
    this.#line = undefined;
    this.#head = NOTHING;
    this.#search = this.#last === undefined
      ? undefined
      : { seen: 0, held: [], heldBytes: 0 };
  }

  /**
   * Takes bytes of the stream.
   *
   * @returns New bytes of the log, without timestamps.
   */
  accept(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
    const output: Uint8Array[] = [];
    for (let rest = bytes; rest.length > 0;) {
      rest = this.#line === undefined
        ? this.#readTime(rest, output)
        : this.#readText(this.#line, rest, output);
    }
    return joinBytes(output);
  }

  /**
   * Ends the log. If the last line has not been repeated, lines are missing.
   *
   * @returns Lines that were held back while searching for the last line.
   */
  finish(): Uint8Array<ArrayBuffer> {
    const output: Uint8Array[] = [];
    if (this.#search !== undefined) this.#endSearch(this.#search, output);
    return joinBytes(output);
  }

  /** Reads the timestamp of a line, which may be split between two chunks. */
  #readTime(bytes: Uint8Array, output: Uint8Array[]): Uint8Array {
    const length = Math.min(bytes.length, MAX_TIME_BYTES + 1);
    let end = 0;
    while (end < length && bytes[end] !== SPACE && bytes[end] !== LINE_FEED) {
      end++;
    }
    const before = this.#head;
    if (end === length && before.length + end <= MAX_TIME_BYTES) {
      this.#head = joinBytes([before, bytes]);
      return NOTHING;
    }
    this.#head = NOTHING;
    const head = before.length === 0
      ? bytes.subarray(0, end)
      : joinBytes([before, bytes.subarray(0, end)]);
    const time = String.fromCharCode(...head);
    if (end < length && TIME.test(time)) {
      this.#startLine(time, output);
      const isEmpty = bytes[end] === LINE_FEED;
      return bytes.subarray(isEmpty ? end : end + 1);
    }
    // A message of the node has no timestamp.
    const isSkipped = this.#search !== undefined;
    this.#line = { time: undefined, length: 0, skip: 0, isSkipped };
    this.#readText(this.#line, head, output);
    return bytes.subarray(end);
  }

  #startLine(time: string, output: Uint8Array[]): void {
    const search = this.#search;
    if (search !== undefined && this.#isMissing(search, time)) {
      this.#endSearch(search, output);
    }
    const isSkipped = this.#search !== undefined;
    const cut = this.#cut;
    let skip = 0;
    if (!isSkipped && cut !== undefined) {
      if (cut.time === time) skip = cut.length;
      else this.#dropCut(output);
    }
    this.#line = { time, length: 0, skip, isSkipped };
  }

  /** Ends a line that was cut, because its rest is not repeated. */
  #dropCut(output: Uint8Array[]): void {
    this.#hasGap = true;
    this.#cut = undefined;
    output.push(Uint8Array.of(LINE_FEED));
  }

  #readText(
    line: OpenLine,
    bytes: Uint8Array,
    output: Uint8Array[],
  ): Uint8Array {
    const feed = bytes.indexOf(LINE_FEED);
    const text = feed === -1 ? bytes : bytes.subarray(0, feed + 1);
    const known = Math.max(0, line.skip - line.length);
    line.length += text.length;
    if (line.isSkipped) this.#hold(line, text);
    else {
      if (text.length > known) {
        output.push(known === 0 ? text : text.subarray(known));
      }
      if (feed === -1 && line.time !== undefined) {
        const length = Math.max(line.length, line.skip);
        this.#cut = { time: line.time, length };
      }
    }
    if (feed !== -1) this.#endLine(line);
    return bytes.subarray(text.length);
  }

  #hold({ time }: OpenLine, text: Uint8Array): void {
    const search = this.#search!;
    if (
      time === undefined || parseTimeMs(time) < parseTimeMs(this.#last!.time)
    ) return;
    search.held.push(text.slice());
    search.heldBytes += text.length;
    search.heldTime = time;
  }

  #endLine({ time, isSkipped }: OpenLine): void {
    this.#line = undefined;
    if (time === undefined) return;
    if (!isSkipped) {
      this.#cut = undefined;
      this.#last = { time, number: this.#count(time) };
      return;
    }
    const search = this.#search!;
    const last = this.#last!;
    if (time === last.time && ++search.seen === last.number) {
      this.#search = undefined;
    }
  }

  /** Returns the number of a line among the lines with the same timestamp. */
  #count(time: string): number {
    const second = time.slice(0, SECOND_LENGTH);
    if (second !== this.#second) {
      this.#second = second;
      this.#newestMs = Math.max(this.#newestMs, parseTimeMs(time));
    }
    const counts = this.#counts;
    const number = (counts.get(time) ?? 0) + 1;
    counts.set(time, number);
    if (counts.size > 2 * MAX_TIMES) {
      const times = counts.keys();
      while (counts.size > MAX_TIMES) counts.delete(times.next().value!);
    }
    return number;
  }

  /** Checks whether it is certain that the last line is not repeated. */
  #isMissing({ heldBytes }: Search, time: string): boolean {
    return heldBytes > MAX_HELD_BYTES ||
      parseTimeMs(time) > this.#newestMs + SECOND_MS + MAX_DISORDER_MS;
  }

  /** Ends the search for the last line, because it is not repeated. */
  #endSearch(search: Search, output: Uint8Array[]): void {
    if (this.#cut !== undefined) this.#dropCut(output);
    this.#hasGap = true;
    this.#search = undefined;
    output.push(...search.held);
    const { heldTime } = search;
    if (heldTime !== undefined) {
      this.#last = { time: heldTime, number: this.#count(heldTime) };
    }
  }
}

function parseTimeMs(time: string): number {
  return Date.parse(time);
}
