import { joinBytes } from "../bytes.ts";
import { WORKER_LINE_BYTES } from "../options/options.ts";
import type { JobConfig } from "../config/job_config.ts";
import type { Workspace } from "../workspace/layout.ts";

/** Line feed, the end of a line. */
export const LINE_FEED = 10;

/** A line break. */
export const LINE_BREAK: Uint8Array = Uint8Array.of(LINE_FEED);

/** Minimum of the line length limit, in bytes. */
export const MIN_LINE_BYTES = 32;

/** Maximum length of a UTF-8 character, in bytes. */
const CHARACTER_BYTES = 4;

const NOTHING = new Uint8Array();

/**
 * Finds where to cut a line that is too long, without splitting a character.
 *
 * Bytes that are not UTF-8 can be cut anywhere.
 *
 * @param bytes Bytes that contain the line.
 * @param end Index of the first byte over the limit.
 * @param from Index at which the line, or its known part, starts.
 * @returns Index of the first byte after the cut, at most three before `end`.
 */
export function findCut(bytes: Uint8Array, end: number, from: number): number {
  if (!isContinuation(bytes[end])) return end;
  const start = findLastCharacter(bytes, end, from);
  return start + readSequenceLength(bytes[start]) > end ? start : end;
}

/**
 * Finds an incomplete character at the end that would exceed the limit when
 * complete.
 *
 * @param bytes Bytes that end with the line.
 * @param from Index at which the known part of the line starts.
 * @param limit Index of the first byte over the limit.
 * @returns Start of the character; the length of the bytes if there is none.
 */
function findCrossing(
  bytes: Uint8Array,
  from: number,
  limit: number,
): number {
  const start = findLastCharacter(bytes, bytes.length, from);
  return start + readSequenceLength(bytes[start]) > limit
    ? start
    : bytes.length;
}

/**
 * Returns the index of the first byte of the last character; `end` if there is
 * none.
 */
function findLastCharacter(
  bytes: Uint8Array,
  end: number,
  from: number,
): number {
  const first = Math.max(from, end - CHARACTER_BYTES + 1);
  for (let at = end - 1; at >= first; at--) {
    if (!isContinuation(bytes[at])) return at;
  }
  return end;
}

function isContinuation(byte: number): boolean {
  return (byte & 0xc0) === 0x80;
}

/**
 * Returns the length of a character by its first byte; 0 if the byte does not
 * start one.
 */
function readSequenceLength(byte: number | undefined): number {
  if (byte === undefined) return 0;
  if (byte >= 0xf8 || byte < 0xc0) return 1;
  if (byte >= 0xf0) return 4;
  return byte >= 0xe0 ? 3 : 2;
}

/** Output stream of a step. */
export type StreamName = "stdout" | "stderr";

/**
 * Formats lines for printing.
 *
 * @param lines Complete lines with line feeds.
 */
export type LineFormat = (lines: Uint8Array) => Uint8Array;

/**
 * Breaks the lines of a stream that are longer than a limit.
 *
 * Everything else is passed on unchanged and immediately, including unfinished
 * lines. Only an incomplete character that may exceed the limit is held back.
 */
export class LineLimit {
  readonly #maxBytes: number;
  #column = 0;
  #held = NOTHING;

  /**
   * @param maxBytes Maximum length of a line in bytes, without its line break.
   */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /**
   * Adds line breaks to bytes.
   *
   * @returns Bytes to print; the chunk itself or a part of it if nothing is
   * cut.
   */
  pass(chunk: Uint8Array): Uint8Array {
    const bytes = this.#held.length > 0
      ? joinBytes([this.#held, chunk])
      : chunk;
    const pieces: Uint8Array[] = [];
    let start = 0;
    let at = 0;
    while (bytes.length - at > this.#available) {
      const full = at + this.#available;
      const lineEnd = bytes.subarray(at, full + 1).lastIndexOf(LINE_FEED);
      if (lineEnd >= 0) {
        at += lineEnd + 1;
      } else {
        at = findCut(bytes, full, at);
        pieces.push(bytes.subarray(start, at), LINE_BREAK);
        start = at;
      }
      this.#column = 0;
    }
    const heldFrom = this.#keepRest(bytes, at);
    const rest = bytes.subarray(start, heldFrom);
    return pieces.length > 0 ? joinBytes([...pieces, rest]) : rest;
  }

  /** Ends the stream, and returns the bytes that were held back. */
  end(): Uint8Array {
    const rest = this.#held;
    this.#held = NOTHING;
    return rest;
  }

  get #available(): number {
    return this.#maxBytes - this.#column;
  }

  /** Updates the column, and returns where the bytes to hold back begin. */
  #keepRest(bytes: Uint8Array, at: number): number {
    const lineEnd = bytes.subarray(at).lastIndexOf(LINE_FEED);
    if (lineEnd >= 0) {
      at += lineEnd + 1;
      this.#column = 0;
    }
    const heldFrom = findCrossing(bytes, at, at + this.#available);
    this.#held = bytes.slice(heldFrom);
    this.#column += heldFrom - at;
    return heldFrom;
  }
}

/**
 * Returns the maximum length of a printed line.
 *
 * @returns Length in bytes, without the line break; `undefined` if unlimited.
 */
export function maxLineBytes(
  { output: { maxLineBytes } }: JobConfig,
  { inContainer }: Workspace,
): number | undefined {
  return maxLineBytes ?? (inContainer ? WORKER_LINE_BYTES : undefined);
}
