import type { Sink } from "./sink.ts";

/** A word joiner, which cannot be seen, in UTF-8. */
const JOINER = [0xe2, 0x81, 0xa0];

const LINE_FEED = 10;
const ESCAPE = 0x1b;
const BRACKET = 0x5b;

/** Bytes of which a heading begins with three. */
const MARKS: ReadonlySet<number> = new Set(
  Array.from("-+~^", (mark) => mark.charCodeAt(0)),
);

/** Backspace and carriage return, after which a terminal writes over the line. */
const RETURNS: ReadonlySet<number> = new Set([8, 13]);

/** White space that ends the marks, besides line breaks; so does any Unicode. */
const BLANKS: ReadonlySet<number> = new Set([9, 11, 12, 13, 32]);

/** A line that is past the point where it could become a heading. */
const INSIDE = -1;

/**
 * Keeps lines of a program from being headings: lines that begin with `---`,
 * `+++`, `~~~` or `^^^` and white space. Buildkite folds the log at such lines.
 *
 * A word joiner is put before the white space, so that a diff looks as before.
 * Colors before and between the marks are not counted, as in Buildkite's agent.
 *
 * @see https://buildkite.com/docs/pipelines/configure/managing-log-output
 */
export class HeadingGuard implements Sink {
  readonly #sink: Sink;
  /** Number of marks with which the line begins; {@linkcode INSIDE} after them. */
  #count = 0;
  #mark = 0;
  /** Where an escape sequence is: nowhere, after its first byte, or in it. */
  #escape: 0 | 1 | 2 = 0;

  /** Creates a guard for the output that goes to a sink. */
  constructor(sink: Sink) {
    this.#sink = sink;
  }

  /** Writes output, with joiners where they are needed. */
  write(bytes: Uint8Array): Promise<void> {
    const places: number[] = [];
    for (const [at, byte] of bytes.entries()) {
      if (this.#completesHeading(byte)) places.push(at);
    }
    return this.#sink.write(places.length === 0 ? bytes : join(bytes, places));
  }

  #completesHeading(byte: number): boolean {
    // A control character ends a sequence that is not complete.
    if (byte < 0x20) this.#escape = 0;
    if (this.#escape > 0) {
      this.#passEscape(byte);
      return false;
    }
    if (byte === LINE_FEED) {
      this.#count = 0;
      return false;
    }
    if (byte === ESCAPE) {
      this.#escape = 1;
      return false;
    }
    const isHeading = this.#count === 3 && (BLANKS.has(byte) || byte >= 0x80);
    if (RETURNS.has(byte)) this.#count = 0;
    else if (this.#count !== INSIDE) this.#countMark(byte);
    return isHeading;
  }

  #countMark(byte: number): void {
    const isNext = MARKS.has(byte) && this.#count < 3 &&
      (this.#count === 0 || byte === this.#mark);
    this.#count = isNext ? this.#count + 1 : INSIDE;
    this.#mark = byte;
  }

  #passEscape(byte: number): void {
    if (this.#escape === 1) {
      this.#escape = byte === BRACKET ? 2 : 0;
      return;
    }
    if (byte < 0x40 || byte > 0x7e) return;
    this.#escape = 0;
    // Other sequences than those of colors and clearing move the cursor.
    if (byte !== 0x6d && byte !== 0x4b) this.#count = 0;
  }
}

function join(bytes: Uint8Array, places: readonly number[]): Uint8Array {
  const joined = new Uint8Array(bytes.length + places.length * JOINER.length);
  let from = 0;
  let to = 0;
  for (const place of places) {
    joined.set(bytes.subarray(from, place), to);
    to += place - from;
    joined.set(JOINER, to);
    to += JOINER.length;
    from = place;
  }
  joined.set(bytes.subarray(from), to);
  return joined;
}
