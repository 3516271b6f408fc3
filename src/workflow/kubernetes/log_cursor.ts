import { joinBytes } from "../../bytes.ts";

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
  /** Whether the line came before the cut, as far as it is known. */
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
 *    same identity, whatever the clock of the node shows.
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
        : this.#readString(this.#line, rest, output);
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
    this.#readString(this.#line, head, output);
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

  #readString(
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
