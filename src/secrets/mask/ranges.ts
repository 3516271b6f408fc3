import type { MarkList } from "./marks.ts";
import { MAX_NEEDLE_BYTES } from "./word_index.ts";

/** Receives ranges of bytes. */
export interface RangeSink {
  /**
   * Receives a range.
   *
   * @param start Offset of its first byte.
   * @param end Offset after its last byte.
   */
  add(start: number, end: number): void;
}

/**
 * Disjoint ranges of bytes in ascending order.
 *
 * Ranges that overlap or touch are merged: the result depends only on which bytes
 * were added, not on their order or pieces.
 */
export class Ranges implements RangeSink {
  readonly #starts: number[] = [];
  readonly #ends: number[] = [];
  /** Index of the range after the one that was added last. */
  #cursor = 0;

  /** Number of ranges. */
  get count(): number {
    return this.#starts.length;
  }

  /**
   * Returns where a range starts.
   *
   * @param at Number of the range.
   * @returns Offset of its first byte.
   */
  start(at: number): number {
    return this.#starts[at];
  }

  /**
   * Returns where a range ends.
   *
   * @param at Number of the range.
   * @returns Offset after its last byte.
   */
  end(at: number): number {
    return this.#ends[at];
  }

  /** Removes all ranges. */
  clear(): void {
    this.#starts.length = this.#ends.length = this.#cursor = 0;
  }

  /**
   * Adds a range.
   *
   * Matches arrive nearly in order, so the search starts at the last one.
   *
   * @param start Offset of its first byte.
   * @param end Offset after its last byte.
   */
  add(start: number, end: number): void {
    if (this.count === 0 || start > this.#ends[this.count - 1]) {
      this.#cursor = this.#starts.push(start);
      this.#ends.push(end);
      return;
    }
    let after = this.#cursor;
    while (after < this.count && this.#starts[after] <= end) after++;
    while (after > 0 && this.#starts[after - 1] > end) after--;
    let first = after;
    while (first > 0 && this.#ends[first - 1] >= start) {
      first--;
      start = Math.min(start, this.#starts[first]);
      end = Math.max(end, this.#ends[first]);
    }
    this.#cursor = first + 1;
    if (after - first === 1) {
      this.#starts[first] = start;
      this.#ends[first] = end;
    } else {
      this.#starts.splice(first, after - first, start);
      this.#ends.splice(first, after - first, end);
    }
  }
}

/** Number of bytes searched around a mark: more than any needle has, including blanks. */
const REACH_BYTES = 2 * MAX_NEEDLE_BYTES + 64;

/** Regions of a text that do not touch one another, in order. */
export class MarkedRegions {
  readonly #marks: MarkList;
  readonly #bounds: number[] = [];

  /**
   * Creates an empty list.
   *
   * @param marks Marks of the text.
   */
  constructor(marks: MarkList) {
    this.#marks = marks;
  }

  /** Number of regions. */
  get count(): number {
    return this.#bounds.length / 2;
  }

  /** Where a region starts and ends. */
  at(index: number): [from: number, to: number] {
    return [this.#bounds[2 * index], this.#bounds[2 * index + 1]];
  }

  /**
   * Adds the text around a part, up to the limit of the marks.
   *
   * @param start Where the part starts; not within a mark.
   * @param end Where it ends; not within a mark.
   */
  add(start: number, end: number): void {
    const bounds = this.#bounds;
    const lastEnd = bounds.at(-1) ?? 0;
    const from = this.#extendBack(start, lastEnd);
    const to = Math.min(this.#marks.limit, this.#extendForward(end));
    if (bounds.length === 0 || from > lastEnd) bounds.push(from, to);
    else bounds[bounds.length - 1] = Math.max(lastEnd, to);
  }

  /** Finds the position that is {@linkcode REACH_BYTES} of decoded text before another one. */
  #extendBack(from: number, min: number): number {
    const marks = this.#marks;
    let mark = marks.firstAfter(from - 1);
    if (mark === marks.count || marks.ends[mark] > from) mark--;
    let rest = REACH_BYTES;
    let at = from;
    for (; mark >= 0 && at > min; mark--) {
      const gap = at - marks.ends[mark];
      if (gap >= rest) return at - rest;
      rest = Math.max(0, rest - gap - marks.sizes[mark]);
      at = marks.starts[mark];
    }
    return mark < 0 ? Math.max(0, at - rest) : at;
  }

  /** Finds the position that is as much text after another one. */
  #extendForward(to: number): number {
    const marks = this.#marks;
    let rest = REACH_BYTES;
    let at = to;
    for (let mark = marks.firstAfter(to); mark < marks.count; mark++) {
      const gap = marks.starts[mark] - at;
      if (gap >= rest) return at + rest;
      rest -= gap + marks.sizes[mark];
      at = marks.ends[mark];
      if (rest <= 0) return at;
    }
    return at + rest;
  }
}

/** Replaces secrets with placeholders, window by window. */
export class MaskPrinter {
  /** Buffer for the output if something is replaced. */
  #buffer = new Uint8Array();
  #coveredBytes = 0;
  /** Whether the last thing printed was a placeholder. */
  #afterPlaceholder = false;

  /** Number of held bytes that a printed placeholder already covers. */
  get coveredBytes(): number {
    return this.#coveredBytes;
  }

  /**
   * Returns the output for a window.
   *
   * @param window The window.
   * @param heldFrom Where the bytes start that are held back.
   * @param ranges Secret ranges in it.
   * @param placeholder Replacement of each range.
   * @returns The bytes; valid until the next call.
   */
  print(
    window: Uint8Array,
    heldFrom: number,
    ranges: Ranges,
    placeholder: Uint8Array,
  ): Uint8Array {
    let count = ranges.count;
    while (count > 0 && ranges.start(count - 1) >= heldFrom) count--;
    const coveredTo = count > 0 ? ranges.end(count - 1) : 0;
    this.#coveredBytes = Math.max(
      0,
      coveredTo - heldFrom,
      this.#coveredBytes - heldFrom,
    );
    const printed = window.subarray(0, heldFrom);
    if (count > 0) return this.#replace(printed, ranges, count, placeholder);
    if (heldFrom > 0) this.#afterPlaceholder = false;
    return printed;
  }

  /** Replaces the first ranges with placeholders. */
  #replace(
    bytes: Uint8Array,
    ranges: Ranges,
    rangeCount: number,
    placeholder: Uint8Array,
  ): Uint8Array {
    // The bytes are copied to the end of the buffer first; kept bytes then move forward.
    const shift = rangeCount * placeholder.length;
    if (this.#buffer.length < shift + bytes.length) {
      this.#buffer = new Uint8Array(2 * (shift + bytes.length));
    }
    const output = this.#buffer;
    output.set(bytes, shift);
    let length = 0;
    const keep = (from: number, to: number) => {
      if (from >= to) return;
      output.copyWithin(length, shift + from, shift + to);
      length += to - from;
      this.#afterPlaceholder = false;
    };
    let at = 0;
    for (let i = 0; i < rangeCount; i++) {
      keep(at, ranges.start(i));
      if (!this.#afterPlaceholder) {
        output.set(placeholder, length);
        length += placeholder.length;
      }
      this.#afterPlaceholder = true;
      at = ranges.end(i);
    }
    keep(at, bytes.length);
    return output.subarray(0, length);
  }
}

/** Number of bytes before a text that determine whether its first word is whole. */
export const WORD_CONTEXT_BYTES = 64;

/**
 * An escape at the end of a text: a terminal code, also spelled out, or an escape of
 * a string, a URL or mail. Its last character is not part of the word after it.
 */
const ESCAPE_AT_END =
  // deno-lint-ignore no-control-regex
  /(?:(?:\x1b|\^\[|\\(?:e|0?33|x1b|u001b|u\{1b\}))(?:\[[0-?]*[ -/]*[@-~]|[ -/]*[0-~])|\\(?:[abefnrtv]|x[\da-f]{2}|u[\da-f]{4}|u\{[\da-f]{1,6}\}|[0-7]{1,3})|[%=][\da-f]{2})$/i;

/**
 * Ordinary values, such as `production` or `20.11`, which are masked only where
 * they are a whole word: in `test mode`, but not in `attestation`.
 *
 * They come from variables that may or may not be secret. Unlike needles, they are
 * searched for literally, without undoing escapes. However, an escape before a word,
 * such as a color code, is not part of the word.
 */
export class WholeWords {
  readonly #words: Uint8Array[] = [];
  readonly #known = new Set<string>();
  /** For each byte, 1 if a word starts with it. */
  readonly #starts = new Uint8Array(256);

  /** Number of words. */
  get size(): number {
    return this.#words.length;
  }

  /** Adds a word. */
  add(word: string): void {
    if (this.#known.has(word)) return;
    this.#known.add(word);
    const bytes = new TextEncoder().encode(word);
    this.#words.push(bytes);
    this.#starts[bytes[0]] = 1;
  }

  /**
   * Finds every word of a text that is one of these.
   *
   * @param text The text.
   * @param before The last bytes before the text, at most {@linkcode
   * WORD_CONTEXT_BYTES}.
   * @param isLast Whether the text ends the stream.
   * @param ranges Receives the words.
   * @returns Where a word may start that continues after the text; the length of the
   * text if there is none.
   */
  find(
    text: Uint8Array,
    before: Uint8Array,
    isLast: boolean,
    ranges: RangeSink,
  ): number {
    let heldFrom = text.length;
    for (let at = 0; at < text.length; at++) {
      if (this.#starts[text[at]] === 0) continue;
      let isStart: boolean | undefined;
      for (const word of this.#words) {
        const length = commonLength(text, at, word);
        const end = at + length;
        const isCut = end === text.length && !isLast;
        if (length < word.length && !isCut) continue;
        if (length === word.length && end < text.length) {
          if (isWordByte(word[length - 1]) && isWordByte(text[end])) continue;
        }
        if (!(isStart ??= isWordStart(text, at, before))) break;
        if (isCut) heldFrom = Math.min(heldFrom, at);
        else ranges.add(at, end);
      }
    }
    return heldFrom;
  }
}

/** Number of bytes that a text at an offset shares with the start of a word. */
function commonLength(text: Uint8Array, at: number, word: Uint8Array): number {
  let length = 0;
  while (length < word.length && text[at + length] === word[length]) length++;
  return length;
}

/** Whether the byte at an offset does not continue a word. */
function isWordStart(
  text: Uint8Array,
  at: number,
  before: Uint8Array,
): boolean {
  if (!isWordByte(text[at])) return true;
  const byteAt = (index: number) =>
    index >= 0 ? text[index] : before.at(index) ?? 0;
  let last = at - 1;
  if (byteAt(last) < 0x80) {
    if (!isWordByte(byteAt(last))) return true;
    const length = Math.min(WORD_CONTEXT_BYTES, at + before.length);
    let context = "";
    for (let index = at - length; index < at; index++) {
      context += String.fromCharCode(byteAt(index));
    }
    return ESCAPE_AT_END.test(context);
  }
  while (byteAt(last) >= 0x80 && byteAt(last) < 0xc0 && last > at - 4) last--;
  return !isWordByte(byteAt(last));
}

/**
 * Whether a byte is, or starts, a letter, a digit or an underscore. Of UTF-8,
 * these are the letters of alphabets, but no quotation marks, lines, arrows or
 * emoji, and no script without spaces between words.
 */
function isWordByte(byte: number): boolean {
  return byte >= 0xc3 && byte < 0xe2 || byte >= 0x30 && byte <= 0x39 ||
    byte === 0x5f || (byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x7a;
}

/** Letters, a number or version, or a path of a few plain names. */
const ORDINARY =
  /^(?:[A-Za-z]{1,12}|v?\d[\d.,:_+-]{0,11}|(?:~|\.{0,2})(?:\/[a-z._-]{1,12}){1,8}\/?)$/;

/**
 * Checks whether a value is a word, a number or a path as in any log, so that masking
 * all occurrences of its bytes would garble the log.
 */
export function isOrdinary(value: string): boolean {
  return ORDINARY.test(value);
}
