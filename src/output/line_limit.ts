import { crossingFrom, cutAt, LINE_BREAK, LINE_FEED } from "./line_cut.ts";

const NOTHING = new Uint8Array();

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
