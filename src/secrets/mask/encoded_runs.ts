import { joinBytes, LETTERS_AND_DIGITS } from "../../bytes.ts";
import { DecodedText } from "./decoded_text.ts";
import { Marks } from "./marks.ts";
import type { NeedleSet } from "./needle_set.ts";
import type { RangeSink } from "./ranges.ts";
import { HEX, MIN_GRAM_NEEDLE_BYTES } from "./scanner.ts";
import { grown, holdsGrams } from "./word_index.ts";

/** Maximum number of encodings inside an encoding that are undone. */
const MAX_DEPTH = 3;

/**
 * Number of bytes that show that a secret begins. All of their characters but
 * the last one may have been printed by then.
 */
const LOST_BYTES = 3;

/**
 * Minimum length of what the scanner takes for encoded text: unbroken letters
 * and digits, and hexadecimal digits.
 */
const [MIN_RUN, MIN_HEX_RUN] = [11, 16];

/** Maximum indentation of the lines of encoded text. */
const MAX_INDENT = 32;

/**
 * Maximum length of the part of a run at the end of a window that may belong to
 * a needle: one that is encoded three times.
 */
const REACH_BYTES = 1280;

/** Number of printed bytes that are searched again with what follows. */
const CONTEXT_BYTES = 256;

/**
 * Number of bytes at the start of a window that are searched with these. A
 * needle that ends behind them has a place that the scanner has found.
 */
const START_BYTES = 3 * REACH_BYTES;

/** Number of consecutive grams among which each alignment of a needle has one. */
const GRAMS = MIN_GRAM_NEEDLE_BYTES - 3;

const [LF, CR, TAB, BLANK] = [10, 13, 9, 32];

/** Value of characters that are not base64. */
const NO_DIGIT = 64;

/** The value of each character of base64, in both alphabets. */
const BASE64 = base64Values();

/** First characters of escapes. */
const ESCAPES = [0x1b, 0x25, 0x26, 0x5c];

/** A text, encoded or decoded, with the place of each byte in the window. */
class PlacedText {
  length = 0;
  bytes: Uint8Array<ArrayBuffer> = new Uint8Array(256);
  starts: Int32Array = new Int32Array(256);
  ends: Int32Array = new Int32Array(256);

  /** Adds a byte. */
  add(byte: number, start: number, end: number): void {
    const at = this.length++;
    if (at === this.bytes.length) {
      this.bytes = grown(this.bytes, at + 1) as Uint8Array<ArrayBuffer>;
      this.ends = grown(this.ends, at + 1);
      this.starts = grown(this.starts, at + 1);
    }
    this.bytes[at] = byte;
    this.starts[at] = start;
    this.ends[at] = end;
  }

  /** The bytes as a text that can be searched. */
  view(): Uint8Array<ArrayBuffer> {
    return this.bytes.subarray(0, this.length);
  }
}

/**
 * Finds secrets that were encoded more than once. Runs of base64 or hexadecimal
 * digits that decode to text are decoded. The text is searched for needles, also
 * with its escapes undone, and for such runs inside it.
 *
 * The alignment of a run is unknown, so each one is tried. Runs continue after
 * line breaks. The first bytes of a secret are not masked, because they may have
 * been printed before the others arrive.
 */
export class EncodedRuns {
  /** The last bytes that were printed. */
  #context: Uint8Array = new Uint8Array();
  /** The characters of a run, and what they stand for, by depth. */
  readonly #runs = Array.from(
    { length: MAX_DEPTH + 1 },
    () => new PlacedText(),
  );
  readonly #decoded = Array.from(
    { length: MAX_DEPTH + 1 },
    () => new PlacedText(),
  );
  readonly #marks = new Marks();
  readonly #unescaped = new DecodedText();
  readonly #placed = new PlacedText();
  /** Whether the run in the window is read as hexadecimal digits. */
  #isHex = false;
  #text: Uint8Array = new Uint8Array();
  #shift = 0;
  #heldFrom = 0;
  #needles: NeedleSet | undefined;
  #ranges: RangeSink | undefined;

  /**
   * Finds the places of needles in runs.
   *
   * @param window The window.
   * @param isLast Whether the text ends behind it.
   * @param places Where runs may stand for text, in order.
   * @param needles What is looked for.
   * @param ranges Receives what was found.
   * @returns Where a part starts that may still become a needle; the length of
   * the window if there is none.
   */
  find(
    window: Uint8Array,
    isLast: boolean,
    places: readonly number[],
    needles: NeedleSet,
    ranges: RangeSink,
  ): number {
    this.#heldFrom = window.length;
    this.#needles = needles;
    this.#ranges = ranges;
    let done = this.#findAtStart(window, isLast);
    // A needle with a place behind that may start in front of it.
    let least = done === START_BYTES - REACH_BYTES ? done - REACH_BYTES : done;
    this.#shift = 0;
    for (const place of places) {
      if (place < done) continue;
      const from = Math.max(least, runStart(window, place + 1, window.length));
      done = least = runEnd(window, place);
      this.#search(window, from, done, !isLast && done === window.length);
    }
    if (!isLast && done < window.length) {
      const from = Math.max(done, runStart(window, window.length, REACH_BYTES));
      if (from < window.length) this.#search(window, from, window.length, true);
    }
    return this.#heldFrom;
  }

  /**
   * Remembers what was printed.
   *
   * @param printed The part of the window that is printed.
   */
  remember(printed: Uint8Array): void {
    this.#context = printed.length < CONTEXT_BYTES
      ? joinBytes([this.#context, printed]).slice(-CONTEXT_BYTES)
      : printed.slice(-CONTEXT_BYTES);
  }

  /**
   * Searches a run that began before the window.
   *
   * @returns Where the places start that were not searched: at its end, or
   * earlier if it is long.
   */
  #findAtStart(window: Uint8Array, isLast: boolean): number {
    const from = runStart(this.#context, this.#context.length, CONTEXT_BYTES);
    const context = this.#context.subarray(from);
    if (context.length === 0) return 0;
    const text = joinBytes([context, window.subarray(0, START_BYTES)]);
    const end = runEnd(text, 0);
    this.#shift = context.length;
    const isLong = end === text.length && window.length > START_BYTES;
    const isEnd = !isLast && !isLong && end === text.length;
    if (end > context.length) this.#search(text, 0, end, isEnd);
    return isLong
      ? START_BYTES - REACH_BYTES
      : Math.max(0, end - context.length);
  }

  #search(text: Uint8Array, from: number, to: number, isEnd: boolean): void {
    if (to - from < MIN_RUN && !isEnd) return;
    this.#text = text;
    const run = this.#runs[0];
    run.length = 0;
    for (let at = from; at < to; at++) {
      if (BASE64[text[at]] < NO_DIGIT) run.add(text[at], at, at + 1);
    }
    this.#decode(0, isEnd);
  }

  /** Decodes a run as base64 and as hexadecimal digits, in each alignment. */
  #decode(depth: number, isEnd: boolean): void {
    if (depth === 0) this.#isHex = false;
    for (let first = 0; first < 4; first++) {
      this.#decodeBase64(depth, first, isEnd);
    }
    if (depth === 0) this.#isHex = true;
    for (let first = 0; first < 2; first++) {
      this.#decodeHex(depth, first, isEnd);
    }
  }

  #decodeBase64(depth: number, first: number, isEnd: boolean): void {
    const { bytes, starts, ends, length } = this.#runs[depth];
    const decoded = this.#decoded[depth];
    decoded.length = 0;
    for (let at = first; at < length; at += 4) {
      // What starts here is too short if the next three bytes are no text.
      const isSkipped = decoded.length === 0 && at + 8 < length &&
        !isTextIn(bytes, at + 4);
      if (isSkipped) continue;
      const count = Math.min(4, length - at);
      let bits = 0;
      for (let digit = 0; digit < count; digit++) {
        bits |= BASE64[bytes[at + digit]] << 18 - 6 * digit;
      }
      for (let byte = 0; byte < count - 1; byte++) {
        const value = bits >> 16 - 8 * byte & 0xff;
        if (isText(value)) {
          decoded.add(value, starts[at + byte], ends[at + byte + 1]);
        } else this.#searchDecoded(depth, false);
      }
    }
    this.#searchDecoded(depth, isEnd);
  }

  #decodeHex(depth: number, first: number, isEnd: boolean): void {
    const { bytes, starts, ends, length } = this.#runs[depth];
    const decoded = this.#decoded[depth];
    decoded.length = 0;
    let at = first;
    for (; at + 2 <= length; at += 2) {
      // The same with the byte after the next two.
      const later = at + 6;
      const isSkipped = decoded.length === 0 && later + 2 < length &&
        !isText(HEX[bytes[later]] << 4 | HEX[bytes[later + 1]]);
      if (isSkipped) {
        at = later;
        continue;
      }
      const value = HEX[bytes[at]] << 4 | HEX[bytes[at + 1]];
      if (isText(value)) decoded.add(value, starts[at], ends[at + 1]);
      else this.#searchDecoded(depth, false);
    }
    const isOpen = isEnd && (at === length || HEX[bytes[at]] < 16);
    this.#searchDecoded(depth, isOpen);
  }

  /** Searches what was decoded, and begins anew. */
  #searchDecoded(depth: number, isEnd: boolean): void {
    const decoded = this.#decoded[depth];
    const { length } = decoded;
    if (length >= MIN_GRAM_NEEDLE_BYTES || isEnd && length >= LOST_BYTES) {
      this.#searchText(decoded, isEnd);
      const view = decoded.view();
      const isEscaped = ESCAPES.some((byte) => view.includes(byte));
      if (isEscaped) this.#searchEscaped(decoded, isEnd);
      if (depth < MAX_DEPTH) this.#searchRuns(decoded, depth + 1, isEnd);
    }
    decoded.length = 0;
  }

  #searchText(text: PlacedText, isEnd: boolean): void {
    const { starts, ends } = text;
    const needles = this.#needles!;
    const view = text.view();
    const last = LOST_BYTES - 1;
    if (holdsGrams(view, view.length, needles.grams.filter, GRAMS)) {
      needles.find(view, {
        add: (start, end) => {
          if (end - start < MIN_GRAM_NEEDLE_BYTES) return;
          this.#mask(starts[start], ends[start + last] - 1, ends[end - 1]);
        },
      });
    }
    if (!isEnd) return;
    const partial = needles.partialFrom(view);
    if (partial + last < view.length) this.#hold(ends[partial + last] - 1);
  }

  /** The same with escapes undone. */
  #searchEscaped(text: PlacedText, isEnd: boolean): void {
    const marks = this.#marks;
    const decoded = this.#unescaped;
    const placed = this.#placed;
    const view = text.view();
    marks.find(view, !isEnd);
    decoded.decode(view, marks, 0, marks.limit, false);
    placed.length = 0;
    for (let at = 0; at < decoded.length; at++) {
      const start = decoded.startOf(marks, at);
      const end = Math.max(decoded.starts[at] + 1, decoded.endOf(marks, at));
      placed.add(decoded.bytes[at], text.starts[start], text.ends[end - 1]);
    }
    this.#searchText(placed, isEnd);
    // The next byte may complete the last escape.
    if (marks.limit < text.length) this.#hold(text.starts[marks.limit]);
  }

  /** Decodes the runs in a text that was decoded. */
  #searchRuns(text: PlacedText, depth: number, isEnd: boolean): void {
    const { length } = text;
    const view = text.view();
    const run = this.#runs[depth];
    for (let at = 0; at < length;) {
      if (BASE64[view[at]] === NO_DIGIT) {
        at++;
        continue;
      }
      const end = runEnd(view, at);
      const isOpen = isEnd && end === length;
      if (end - at >= MIN_RUN || isOpen) {
        const size = end - at;
        run.length = 0;
        for (; at < end; at++) {
          if (BASE64[view[at]] === NO_DIGIT) continue;
          run.add(view[at], text.starts[at], text.ends[at]);
        }
        // Its lines are joined now.
        if (run.length < size) this.#searchText(run, isOpen);
        this.#decode(depth, isOpen);
      }
      at = end;
    }
  }

  /** Masks a needle, if it has a run that the scanner knows. */
  #mask(start: number, shown: number, end: number): void {
    const text = this.#text;
    const least = this.#isHex ? MIN_HEX_RUN : MIN_RUN;
    let length = 0;
    for (let at = start; at < end && length < least; at++) {
      const isPart = this.#isHex ? HEX[text[at]] < 16 : isPlain(text[at]);
      length = isPart ? length + 1 : 0;
    }
    const from = Math.max(0, shown - this.#shift);
    const to = end - this.#shift;
    if (length === least && from < to) this.#ranges!.add(from, to);
  }

  #hold(place: number): void {
    const at = Math.max(0, place - this.#shift);
    this.#heldFrom = Math.min(this.#heldFrom, at);
  }
}

/**
 * Finds the run that ends at a place, or goes on there behind a line break.
 *
 * @param reach Maximum length of what is looked at.
 * @returns Where it starts; the place itself without one.
 */
function runStart(text: Uint8Array, end: number, reach: number): number {
  const least = Math.max(0, end - reach);
  let start = end;
  for (let at = end; at > least;) {
    if (BASE64[text[at - 1]] < NO_DIGIT) {
      start = --at;
      continue;
    }
    let before = at;
    while (before > least && isIndent(text[before - 1])) before--;
    if (at - before > MAX_INDENT || before === least) break;
    if (text[before - 1] === LF) {
      before--;
      if (before > least && text[before - 1] === CR) before--;
    } else if (text[before - 1] === CR) before--;
    else break;
    if (before === least || BASE64[text[before - 1]] === NO_DIGIT) break;
    at = before;
  }
  return start;
}

/**
 * Returns the end of the run that starts at a place: that of the text if the run
 * may continue after it.
 */
function runEnd(text: Uint8Array, from: number): number {
  const { length } = text;
  for (let at = from;;) {
    while (at < length && BASE64[text[at]] < NO_DIGIT) at++;
    const end = at;
    if (at < length && text[at] === CR) at++;
    if (at < length && text[at] === LF) at++;
    if (at === end && at < length) return end;
    const indent = at;
    while (at < length && isIndent(text[at])) at++;
    if (at - indent > MAX_INDENT) return end;
    if (at === length) return length;
    if (BASE64[text[at]] === NO_DIGIT) return end;
  }
}

function isIndent(byte: number): boolean {
  return byte === BLANK || byte === TAB;
}

/** Whether a byte is a letter or a digit. */
function isPlain(byte: number): boolean {
  return BASE64[byte] < 62;
}

/** Whether four characters of base64 stand for bytes of a text. */
function isTextIn(bytes: Uint8Array, at: number): boolean {
  const bits = BASE64[bytes[at]] << 18 | BASE64[bytes[at + 1]] << 12 |
    BASE64[bytes[at + 2]] << 6 | BASE64[bytes[at + 3]];
  return isText(bits >> 16) && isText(bits >> 8 & 0xff) && isText(bits & 0xff);
}

/** Whether a byte may be one of a text. */
function isText(byte: number): boolean {
  return byte >= BLANK && byte < 0x7f || byte === LF || byte === CR ||
    byte === TAB;
}

function base64Values(): Uint8Array {
  const values = new Uint8Array(256).fill(NO_DIGIT);
  for (let at = 0; at < LETTERS_AND_DIGITS.length; at++) {
    values[LETTERS_AND_DIGITS.charCodeAt(at)] = at;
  }
  values[0x2b] = values[0x2d] = 62;
  values[0x2f] = values[0x5f] = 63;
  return values;
}
