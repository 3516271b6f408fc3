import { byteTable, joinBytes, LETTERS_AND_DIGITS } from "../../bytes.ts";
import { GAP } from "./escapes.ts";
import { BREAK, LOST_BYTES, type Marks } from "./marks.ts";
import type { NeedleSet } from "./needle_set.ts";
import type { RangeSink } from "./ranges.ts";
import { MIN_GRAM_NEEDLE_BYTES, MIN_GRAMS } from "./scanner.ts";
import {
  growArray,
  holdsGrams,
  MAX_NEEDLE_BYTES,
  wordAt,
  type WordFilter,
} from "./word_index.ts";

/** Maximum length of a prefix, and of blanks after the last word of a line, in bytes. */
const [MAX_PREFIX_BYTES, MAX_BLANK_BYTES] = [64, 64];

/** Number of printed bytes that are remembered. */
const CONTEXT_BYTES = 2 * MAX_NEEDLE_BYTES;

/** Number of bytes of a window that are searched together with these. */
const START_BYTES = 1024;

/** Number of bytes on each side of a line break that are compared with needles. */
const SIDE_BYTES = MIN_GRAM_NEEDLE_BYTES - 1;

/** Minimum length of the last word of a line that continues in the next one, in bytes. */
const MIN_WORD_BYTES = 8;

const [LF, CR, TAB, BLANK, PLUS, MINUS] = [10, 13, 9, 32, 0x2b, 0x2d];

/** Characters of encoded text: base64, in both alphabets, and hexadecimal digits. */
const IS_DIGIT = byteTable(`-+/=_${LETTERS_AND_DIGITS}`);

/**
 * Finds secrets in encoded lines with prefixes, such as `# `, `remote: ` or a time,
 * by joining the last words of lines.
 *
 * Only line breaks after four bytes of a needle are checked, and only if the last
 * word of the next line may continue it.
 */
export class PrefixedLines {
  /** The last bytes that were printed. */
  #context: Uint8Array = new Uint8Array();
  /** Buffer for these and the start of a window. */
  #start: Uint8Array = new Uint8Array(CONTEXT_BYTES + START_BYTES);
  /** The last words of lines, joined, and the place of each byte. */
  #length = 0;
  #bytes: Uint8Array<ArrayBuffer> = new Uint8Array(512);
  #places: Int32Array = new Int32Array(512);
  /** Start of a line at the end of the text, and of its word in the joined words. */
  #cutLine = 0;
  #cutWord = 0;
  /** Start of the line after these; the end of the text if the last line is cut. */
  #next = 0;
  /** Whether one of the lines has a prefix. */
  #hasPrefix = false;
  #isLast = false;
  #heldFrom = 0;

  /**
   * Finds needles in last words.
   *
   * @param window The window.
   * @param isLast Whether the text ends after the window.
   * @param marks The marks of the window.
   * @param needles Needles to search for.
   * @param ranges Receives the ranges of needles.
   * @returns Start of a part that may still become a needle; the length of the
   * window if there is none.
   */
  find(
    window: Uint8Array,
    isLast: boolean,
    marks: Marks,
    needles: NeedleSet,
    ranges: RangeSink,
  ): number {
    this.#isLast = isLast;
    this.#heldFrom = window.length;
    this.#findAtStart(window, needles, ranges);
    const { filter } = needles.grams;
    const { count, kinds, starts } = marks;
    const breaks: number[] = [];
    for (let mark = 0; mark < count; mark++) {
      if ((kinds[mark] & BREAK) === 0) continue;
      const at = starts[mark];
      const isSuspect = window[at] === LF &&
        this.#isSuspect(window, at, filter) &&
        this.#isNearNeedle(window, at, filter);
      if (isSuspect) breaks.push(at);
    }
    this.#search(window, breaks, 0, needles, ranges);
    const end = isLast ? -1 : lastBreak(window);
    if (end >= 0 && this.#mayContinue(window, end, filter)) {
      this.#search(window, [end], 0, needles, ranges);
    }
    if (!isLast) this.#holdBeforeBlanks(window, needles);
    return this.#heldFrom;
  }

  /**
   * Remembers the printed bytes.
   *
   * @param printed The part of the window that is printed.
   */
  remember(printed: Uint8Array): void {
    this.#context = printed.length < CONTEXT_BYTES
      ? joinBytes([this.#context, printed]).slice(-CONTEXT_BYTES)
      : printed.slice(-CONTEXT_BYTES);
  }

  /** Checks the last line break before the window and the first one in it. */
  #findAtStart(
    window: Uint8Array,
    needles: NeedleSet,
    ranges: RangeSink,
  ): void {
    const shift = this.#context.length;
    const before = this.#context.lastIndexOf(LF);
    const first = window.indexOf(LF);
    if (before < 0 && first < 0) return;
    const { filter } = needles.grams;
    const start = this.#joinStart(window, START_BYTES);
    // The text before the first line break may be only bytes that were printed early.
    const isSuspect = before >= 0 && this.#mayContinue(start, before, filter) ||
      first >= 0 && this.#isSuspect(start, shift + first, filter);
    if (!isSuspect) return;
    const at = first < 0 ? before : shift + first;
    if (at < start.length && !this.#isNearNeedle(start, at, filter)) return;
    // Copying the whole window would take longer than everything else.
    for (let size = START_BYTES;; size *= 4) {
      const text = this.#joinStart(window, size);
      if (size < window.length) {
        if (at >= text.length) continue;
        this.#collect(text, [at], 0, shift, MAX_NEEDLE_BYTES);
        if (this.#next >= text.length) continue;
      }
      return this.#search(text, [at], shift, needles, ranges);
    }
  }

  /** Joins the printed bytes and the first ones of the window. */
  #joinStart(window: Uint8Array, size: number): Uint8Array {
    const context = this.#context;
    const start = window.subarray(0, size);
    const length = context.length + start.length;
    this.#start = growArray(this.#start, length);
    this.#start.set(context);
    this.#start.set(start, context.length);
    return this.#start.subarray(0, length);
  }

  /** Holds back a word before blanks, which may be the end of its line. */
  #holdBeforeBlanks(window: Uint8Array, needles: NeedleSet): void {
    const { length } = window;
    const end = wordEnd(window, 0, length);
    if (end === length || length - end > MAX_BLANK_BYTES) return;
    const first = Math.max(0, end - MAX_NEEDLE_BYTES);
    const word = window.subarray(first, end);
    const partial = needles.partialFrom(word, true);
    if (word.length - partial > LOST_BYTES) this.#holdFrom(first + partial);
  }

  /** Whether a needle may continue after a line break with the last word of the next line. */
  #isSuspect(text: Uint8Array, at: number, filter: WordFilter): boolean {
    const end = wordEnd(text, 0, at);
    if (end < MIN_WORD_BYTES) return false;
    for (let size = 1; size <= MIN_WORD_BYTES; size++) {
      if (IS_DIGIT[text[end - size]] === 0) return false;
    }
    if (!filter.mayHave(wordAt(text, end - 4, 4))) return false;
    // The known part of a line may be only its prefix.
    const isCut = !this.#isLast && text.indexOf(LF, at + 1) < 0;
    return isCut || this.#mayHave(text, end, at, LOST_BYTES, filter);
  }

  /** The same where the line may be short, or have few bytes of a needle. */
  #mayContinue(text: Uint8Array, at: number, filter: WordFilter): boolean {
    const end = wordEnd(text, 0, at);
    if (end === 0 || IS_DIGIT[text[end - 1]] === 0) return false;
    if (end >= 4 && filter.mayHave(wordAt(text, end - 4, 4))) return true;
    for (let size = 1; size <= Math.min(LOST_BYTES, end); size++) {
      if (this.#mayHave(text, end, at, size, filter)) return true;
    }
    return false;
  }

  /** Whether bytes before a line break and those at the start of the next last word may be of a needle. */
  #mayHave(
    text: Uint8Array,
    end: number,
    at: number,
    size: number,
    filter: WordFilter,
  ): boolean {
    const lineBreak = text.indexOf(LF, at + 1);
    const isCut = lineBreak < 0 && !this.#isLast;
    const lineEnd = lineBreak < 0 ? text.length : lineBreak;
    const wordStop = wordEnd(text, at + 1, lineEnd);
    const start = wordStart(text, at + 1, wordStop);
    if (start + 4 - size > wordStop) return isCut;
    let word = 0;
    for (let byte = 0; byte < 4; byte++) {
      const place = byte < size ? end - size + byte : start + byte - size;
      word |= text[place] << 8 * byte;
    }
    return filter.mayHave(word);
  }

  /** Whether the last words next to a line break have as much of a needle as the shortest one holds. */
  #isNearNeedle(text: Uint8Array, at: number, filter: WordFilter): boolean {
    this.#collect(text, [at], 0, 0, SIDE_BYTES);
    return this.#next > text.length - SIDE_BYTES ||
      holdsGrams(this.#bytes, this.#length, filter, MIN_GRAMS);
  }

  /**
   * Searches the last words around line breaks. Those of breaks that are near
   * one another are searched together, so that no line is read more than twice.
   */
  #search(
    text: Uint8Array,
    breaks: readonly number[],
    shift: number,
    needles: NeedleSet,
    ranges: RangeSink,
  ): void {
    for (let index = 0; index < breaks.length;) {
      index = this.#collect(text, breaks, index, shift, MAX_NEEDLE_BYTES);
      // Lines without a prefix are joined by others.
      if (this.#hasPrefix) {
        const isCut = this.#next > text.length && !this.#isLast;
        this.#mask(needles, ranges, isCut ? this.#cutWord : this.#length);
      }
      if (!this.#isLast) this.#holdEnd(text, needles);
    }
  }

  /** Holds back bytes that may continue after the text. */
  #holdEnd(text: Uint8Array, needles: NeedleSet): void {
    const { length } = text;
    const next = this.#next;
    if (next < length) return;
    const cutWord = this.#cutWord;
    if (next > length && cutWord < this.#length) {
      this.#holdPartial(needles, false);
    }
    const isPrefix = length - this.#cutLine <= MAX_PREFIX_BYTES;
    if (next === length || isPrefix) {
      this.#length = cutWord;
      this.#holdPartial(needles, true);
    }
  }

  /**
   * Joins the last words around a line break, so many bytes on each side of it,
   * and around those that follow nearby.
   *
   * @param breaks Line breaks in order.
   * @param index Number of the first one.
   * @returns Number of the next one that is not near.
   */
  #collect(
    text: Uint8Array,
    breaks: readonly number[],
    index: number,
    shift: number,
    reach: number,
  ): number {
    const { length } = text;
    let at = breaks[index];
    let following = index + 1;
    let next = reachBack(text, at, reach);
    this.#length = 0;
    this.#hasPrefix = false;
    let bytes = 0;
    while (next < length && bytes < reach) {
      const lineBreak = text.indexOf(LF, next);
      const lineEnd = lineBreak < 0 ? length : lineBreak;
      const end = wordEnd(text, next, lineEnd);
      const before = this.#length;
      if (lineBreak < 0) {
        this.#cutLine = next;
        this.#cutWord = before;
      }
      const start = wordStart(text, next, end);
      this.#hasPrefix ||= start > next;
      if (start - next > MAX_PREFIX_BYTES) this.#addGap(start - shift);
      this.#add(text, start, end, shift);
      if (lineEnd - end > MAX_BLANK_BYTES) this.#addGap(end - shift);
      if (next > at) {
        bytes += this.#length - before;
        if (this.#length === before && lineBreak >= 0) break;
      }
      if (lineBreak >= 0 && lineBreak === breaks[following]) {
        at = lineBreak;
        following++;
        bytes = 0;
      }
      next = lineEnd + 1;
    }
    if (next === length) this.#cutWord = this.#length;
    this.#next = next;
    return following;
  }

  #reserve(count: number): void {
    const length = this.#length + count;
    this.#bytes = growArray(this.#bytes, length) as Uint8Array<ArrayBuffer>;
    this.#places = growArray(this.#places, length);
  }

  /** Separates words that do not belong together. */
  #addGap(place: number): void {
    this.#reserve(1);
    this.#bytes[this.#length] = GAP;
    this.#places[this.#length++] = place;
  }

  #add(text: Uint8Array, from: number, to: number, shift: number): void {
    this.#reserve(to - from);
    for (let at = from; at < to; at++) {
      this.#bytes[this.#length] = text[at];
      this.#places[this.#length++] = at - shift;
    }
  }

  /**
   * Masks needles that have enough bytes before a line break.
   *
   * @param known Where the word of a line starts that may not be its last one.
   */
  #mask(needles: NeedleSet, ranges: RangeSink, known: number): void {
    const places = this.#places;
    needles.find(this.#bytes.subarray(0, this.#length), {
      add: (start, end) => {
        const to = places[end - 1] + 1;
        const from = Math.max(0, places[this.#shownFrom(start)]);
        if (from >= to || !this.#isBroken(start, end)) return;
        if (end <= known) ranges.add(from, to);
        else this.#holdFrom(from);
      },
    }, true);
  }

  /** Whether a line break follows a word that is long enough, and more bytes of it than may be lost. */
  #isBroken(start: number, end: number): boolean {
    const places = this.#places;
    const sizeAt = (at: number, min: number) => {
      let from = at;
      while (from > min && places[from] === places[from - 1] + 1) from--;
      return at - from + 1;
    };
    for (let at = start; at + 1 < end; at++) {
      if (places[at + 1] === places[at] + 1) continue;
      const isLong = sizeAt(at, Math.max(0, at - MIN_WORD_BYTES)) >=
        MIN_WORD_BYTES;
      if (isLong && sizeAt(at, start) > LOST_BYTES) return true;
    }
    return false;
  }

  /** First byte of a needle that is masked: bytes before an early break may have been printed. */
  #shownFrom(first: number): number {
    const places = this.#places;
    const last = Math.min(first + LOST_BYTES, this.#length - 1);
    let shown = first;
    for (let at = first; at < last; at++) {
      if (places[at + 1] !== places[at] + 1) shown = at + 1;
    }
    return shown;
  }

  #holdPartial(needles: NeedleSet, isAtLineEnd: boolean): void {
    const length = this.#length;
    const view = this.#bytes.subarray(0, length);
    const partial = needles.partialFrom(view, true);
    if (length - partial <= (isAtLineEnd ? LOST_BYTES : 0)) return;
    this.#holdFrom(this.#places[this.#shownFrom(partial)]);
  }

  #holdFrom(at: number): void {
    this.#heldFrom = Math.min(this.#heldFrom, Math.max(0, at));
  }
}

/** Where the line starts that has so many bytes of last words between it and a line break. */
function reachBack(text: Uint8Array, at: number, reach: number): number {
  let from = at;
  for (let bytes = 0; from > 0 && bytes < reach;) {
    const lineStart = text.lastIndexOf(LF, from - 1) + 1;
    const end = wordEnd(text, lineStart, from);
    const size = end - wordStart(text, lineStart, end);
    if (size === 0 && from !== at) break;
    bytes += size;
    from = lineStart - 1;
  }
  return from + 1;
}

/** Where the last word of a line ends, if it has one. */
function wordEnd(text: Uint8Array, from: number, lineEnd: number): number {
  let at = lineEnd;
  while (at > from && isTrailingBlank(text[at - 1])) at--;
  return at;
}

/** Where it starts, without the sign at the start of a line of a diff. */
function wordStart(text: Uint8Array, from: number, end: number): number {
  let at = end;
  while (at > from && IS_DIGIT[text[at - 1]] !== 0) at--;
  const isSigned = at === from && (text[at] === PLUS || text[at] === MINUS);
  return isSigned && at < end ? at + 1 : at;
}

/** Last line break of a text, if the text after it may be the start of an encoded line. */
function lastBreak(text: Uint8Array): number {
  const min = Math.max(0, text.length - MAX_PREFIX_BYTES - MAX_NEEDLE_BYTES);
  let at = text.length - 1;
  while (at >= min && text[at] !== LF) at--;
  return at < min ? -1 : at;
}

function isTrailingBlank(byte: number): boolean {
  return byte === BLANK || byte === TAB || byte === CR;
}
