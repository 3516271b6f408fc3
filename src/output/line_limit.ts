/** Line feed, the end of a line. */
export const LINE_FEED = 10;

/** A line break. */
export const LINE_BREAK: Uint8Array = Uint8Array.of(LINE_FEED);

/** Least limit for the length of a line that can be kept, in bytes. */
export const MIN_LINE_BYTES = 32;

/** Longest character of UTF-8, in bytes. */
const CHARACTER_BYTES = 4;

const NOTHING = new Uint8Array();

/**
 * Finds where a line that is too long is cut: not inside a character.
 *
 * Bytes that are no UTF-8 are cut anywhere.
 *
 * @param bytes Bytes that hold the line.
 * @param end Index of the first byte that does not fit.
 * @param from Index at which the line, or the known part of it, begins.
 * @returns Index of the first byte behind the cut, at most three before `end`.
 */
export function cutAt(bytes: Uint8Array, end: number, from: number): number {
  if (!isContinuation(bytes[end])) return end;
  const start = lastCharacter(bytes, end, from);
  return start + lengthOf(bytes[start]) > end ? start : end;
}

/**
 * Finds a character that has begun and would not fit once it is complete.
 *
 * @param bytes Bytes, the line being at their end.
 * @param from Index at which the known part of the line begins.
 * @param limit Index of the first byte that would not fit.
 * @returns Where the character begins; the length of the bytes without one.
 */
export function crossingFrom(
  bytes: Uint8Array,
  from: number,
  limit: number,
): number {
  const start = lastCharacter(bytes, bytes.length, from);
  return start + lengthOf(bytes[start]) > limit ? start : bytes.length;
}

/** Index of the byte that leads the last character; `end` when none does. */
function lastCharacter(bytes: Uint8Array, end: number, from: number): number {
  const first = Math.max(from, end - CHARACTER_BYTES + 1);
  for (let at = end - 1; at >= first; at--) {
    if (!isContinuation(bytes[at])) return at;
  }
  return end;
}

function isContinuation(byte: number): boolean {
  return (byte & 0xc0) === 0x80;
}

/** How long a character is, by its first byte; 0 when there is none. */
function lengthOf(byte: number | undefined): number {
  if (byte === undefined) return 0;
  if (byte >= 0xf8 || byte < 0xc0) return 1;
  if (byte >= 0xf0) return 4;
  return byte >= 0xe0 ? 3 : 2;
}

/** Which stream of a step bytes come from. */
export type StreamName = "stdout" | "stderr";

/**
 * Writes lines in the way that a reader expects.
 *
 * @param lines Whole lines, with their line feeds.
 * @returns What is printed, good until the next call.
 */
export type LineFormat = (lines: Uint8Array) => Uint8Array;

/**
 * Keeps the lines of a stream within a limit by putting line breaks in.
 *
 * Everything else passes unchanged and at once, lines without an end, too;
 * only a character that has begun, and may not fit, waits for its end.
 */
export class LineLimit {
  readonly #maxBytes: number;
  #column = 0;
  #held = NOTHING;

  /**
   * Makes a limit for one stream.
   *
   * @param maxBytes Longest line in bytes, its break not counted.
   */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /**
   * Passes bytes on.
   *
   * @param chunk What the stream gave.
   * @returns What may be printed; the chunk itself or a part of it, if nothing is cut.
   */
  pass(chunk: Uint8Array): Uint8Array {
    const bytes = this.#held.length > 0 ? join([this.#held, chunk]) : chunk;
    const pieces: Uint8Array[] = [];
    let shown = 0;
    let at = 0;
    while (bytes.length - at > this.#room) {
      const full = at + this.#room;
      const lineEnd = bytes.subarray(at, full + 1).lastIndexOf(LINE_FEED);
      if (lineEnd >= 0) {
        at += lineEnd + 1;
      } else {
        at = cutAt(bytes, full, at);
        pieces.push(bytes.subarray(shown, at), LINE_BREAK);
        shown = at;
      }
      this.#column = 0;
    }
    const heldFrom = this.#keepRest(bytes, at);
    const rest = bytes.subarray(shown, heldFrom);
    return pieces.length > 0 ? join([...pieces, rest]) : rest;
  }

  /** Ends the stream, and returns what still waited. */
  end(): Uint8Array {
    const rest = this.#held;
    this.#held = NOTHING;
    return rest;
  }

  get #room(): number {
    return this.#maxBytes - this.#column;
  }

  /** Notes where the last line stands, and returns where the held bytes begin. */
  #keepRest(bytes: Uint8Array, at: number): number {
    const lineEnd = bytes.subarray(at).lastIndexOf(LINE_FEED);
    if (lineEnd >= 0) {
      at += lineEnd + 1;
      this.#column = 0;
    }
    const heldFrom = crossingFrom(bytes, at, at + this.#room);
    this.#held = bytes.slice(heldFrom);
    this.#column += heldFrom - at;
    return heldFrom;
  }
}

function join(pieces: readonly Uint8Array[]): Uint8Array {
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
  const whole = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
