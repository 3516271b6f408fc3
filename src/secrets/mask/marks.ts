import { NORMAL, QUOTE } from "./characters.ts";
import { EscapeReader } from "./escapes.ts";
import { grown } from "./words.ts";
import { isSeparator, ListedParts, mayBeListed } from "./number_list.ts";
import { type Grams, LIST, type Scanner } from "./scanner.ts";
import type { WordFilter } from "./words.ts";

/** Kinds of {@linkcode Marks}, as bits: an escape, a line break. */
export const [ESCAPE, BREAK] = [1, 2];

/** Marks that are closer to one another, in bytes, are looked at together. */
export const NEAR_BYTES = 12;

const [LF, CR, TAB, BLANK, APOSTROPHE, X] = [10, 13, 9, 32, 39, 0x78];

export const DOLLAR = 36;

/** The bit in which small and capital letters differ. */
const CASE = 0x20;

/** What begins an escape: ESC, `%`, `&` and a backslash. */
const ESCAPES = [0x1b, 0x25, 0x26, 0x5c];

/** What may begin a mark, by its first byte. */
const MARKS = marksOf();

/** Bytes that are left out where line breaks do not count: white space, and what quotes the lines. */
const IS_LEFT_OUT = leftOut();

/** The same before escapes are undone. */
const IS_SKIPPED = Uint8Array.from(
  NORMAL,
  (normal, byte) => byte === BLANK ? 1 : IS_LEFT_OUT[normal],
);

/** In how much text the bytes next to a place are looked for at most. */
export const MAX_SIDE_BYTES = 64;

/**
 * The places in a window of text that have to be looked at closely: escapes,
 * and where a text may have been broken into lines.
 */
export class Marks {
  /** Number of marks. */
  count = 0;
  /** Where each mark starts and ends, and what kinds it is of. */
  starts: Int32Array = new Int32Array(64);
  ends: Int32Array = new Int32Array(64);
  kinds: Uint8Array = new Uint8Array(64);
  /** The bytes that each mark stands for, the first one lowest, and their number. */
  values: Int32Array = new Int32Array(64);
  sizes: Uint8Array = new Uint8Array(64);
  /** Where the text ends, or a mark starts that is not complete. */
  limit = 0;
  /** Parts with lists of numbers that may be those of a needle. */
  readonly numbers: ListedParts = new ListedParts();
  readonly #reader = new EscapeReader();
  #grams: WordFilter | undefined;

  /**
   * Finds the marks of a text.
   *
   * @param text The text.
   * @param isWhole Whether nothing follows.
   * @param grams What needles are made of; a line break that has none of it next
   * to it is no mark.
   */
  find(text: Uint8Array, isWhole: boolean, grams?: Grams): void {
    this.#grams = grams?.filter;
    this.count = 0;
    this.limit = text.length;
    this.numbers.clear();
    if (grams === undefined) this.#markEach(text, isWhole);
    else this.#markFound(text, isWhole, grams.scanner);
  }

  /** Number of the first mark that ends behind a place. */
  firstBehind(at: number): number {
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.ends[middle] > at) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  #markEach(text: Uint8Array, isWhole: boolean): void {
    for (let at = 0; at < text.length;) {
      if (MARKS[text[at]] === 0) at++;
      else at = this.#markAt(text, at, isWhole);
    }
  }

  #markFound(text: Uint8Array, isWhole: boolean, scanner: Scanner): void {
    const { places } = scanner;
    let at = 0;
    for (let from = 0; from < text.length; from = scanner.end) {
      scanner.scan(text, from);
      const { count, shift, end } = scanner;
      for (let found = 0; found < count; found++) {
        const place = (places[found] & ~LIST) - shift;
        if (places[found] < 0) this.#addNumber(text, place);
        else if (place >= at && place < end) {
          this.#markBreakBehind(text, at, place);
          at = this.#markAt(text, place, isWhole);
        }
      }
    }
    this.#markBreakBehind(text, at, this.limit);
  }

  /** Marks a line break right behind an escape, of which the scanner knows no end. */
  #markBreakBehind(text: Uint8Array, from: number, to: number): void {
    const last = this.count - 1;
    if (last < 0 || this.ends[last] !== from) return;
    for (let at = from; at < Math.min(to, from + 4); at++) {
      if (text[at] === LF) return this.#add(BREAK, at, at + 1, LF, 1);
    }
  }

  #addNumber(text: Uint8Array, at: number): void {
    if (at < 0 || at >= text.length || this.numbers.has(at)) return;
    if (mayBeListed(text, at, this.#grams!)) this.numbers.addAround(text, at);
  }

  /** Marks what begins at a place, and gives where to look next. */
  #markAt(text: Uint8Array, at: number, isWhole: boolean): number {
    const byte = text[at];
    const kind = MARKS[byte];
    if (kind === ESCAPE) {
      const reader = this.#reader;
      const isEscape = reader.read(text, text.length, at);
      if (reader.isOpen && !isWhole) {
        this.limit = at;
        return text.length;
      }
      if (!isEscape) return at + 1;
      const { end, value, size } = reader;
      const isBreak = size === 1 && (value === LF || value === CR);
      this.#add(isBreak ? ESCAPE | BREAK : ESCAPE, at, end, value, size);
      const isNumber = (text[end - 3] | CASE) === X && isSeparator(text[end]);
      if (isNumber && this.#grams !== undefined) this.#addNumber(text, end - 2);
      return end;
    }
    if (kind === BREAK && this.#mayBreak(text, at)) {
      this.#add(BREAK, at, at + 1, LF, 1);
    }
    return at + 1;
  }

  /** Whether encoded text may go on behind a line break, or a mark is near it. */
  #mayBreak(text: Uint8Array, at: number): boolean {
    const grams = this.#grams;
    if (grams === undefined) return true;
    const last = this.count - 1;
    if (last >= 0 && at - this.ends[last] < NEAR_BYTES) return true;
    const start = text[at - 1] === CR ? at - 1 : at;
    let next = at + 1;
    while (next < text.length && isBlank(text[next])) next++;
    const least = last < 0 ? 0 : this.ends[last];
    return mayEndAt(text, start, least, grams) ||
      mayBeginAt(text, next, grams);
  }

  #add(
    kind: number,
    start: number,
    end: number,
    value: number,
    size: number,
  ): void {
    const at = this.count++;
    if (at === this.starts.length) {
      this.starts = grown(this.starts, at + 1);
      this.ends = grown(this.ends, at + 1);
      this.values = grown(this.values, at + 1);
      this.kinds = grown(this.kinds, at + 1);
      this.sizes = grown(this.sizes, at + 1);
    }
    this.starts[at] = start;
    this.ends[at] = end;
    this.values[at] = value;
    this.kinds[at] = kind;
    this.sizes[at] = size;
  }
}

/** Whether a dollar sign is, or may be, that of `$'…'`, with which a word goes on. */
export function startsQuotes(text: Uint8Array, at: number): boolean {
  return at + 1 === text.length || text[at + 1] === APOSTROPHE;
}

/** Whether a decoded byte is left out where line breaks do not count. */
export function isLeftOut(byte: number): boolean {
  return IS_LEFT_OUT[byte] !== 0;
}

/**
 * Checks whether four bytes of joined text in front of a place may be those of
 * a needle.
 *
 * @param text The text.
 * @param at The place.
 * @param least Where the last mark in front of it ends.
 * @param grams Every four bytes of needles.
 */
export function mayEndAt(
  text: Uint8Array,
  at: number,
  least: number,
  grams: WordFilter,
): boolean {
  let word = 0;
  let rest = 4;
  for (let place = at - 1; rest > 0; place--) {
    if (place < Math.max(least, at - MAX_SIDE_BYTES)) return true;
    const byte = text[place];
    if (MARKS[byte] === ESCAPE || byte === DOLLAR) return true;
    if (IS_SKIPPED[byte] !== 0) continue;
    word = word << 8 | NORMAL[byte];
    rest--;
  }
  return grams.mayHave(word);
}

/** The same of what begins at a place. */
function mayBeginAt(
  text: Uint8Array,
  at: number,
  grams: WordFilter,
): boolean {
  let word = 0;
  let size = 0;
  for (let place = at; size < 4; place++) {
    if (place === Math.min(text.length, at + MAX_SIDE_BYTES)) return true;
    const byte = text[place];
    if (MARKS[byte] === ESCAPE || byte === DOLLAR) return true;
    if (IS_SKIPPED[byte] !== 0) continue;
    word |= NORMAL[byte] << 8 * size++;
  }
  return grams.mayHave(word);
}

function isBlank(byte: number): boolean {
  return byte === BLANK || byte === TAB;
}

function marksOf(): Uint8Array {
  const marks = new Uint8Array(256);
  for (const byte of ESCAPES) marks[byte] = ESCAPE;
  marks[LF] = BREAK;
  return marks;
}

function leftOut(): Uint8Array {
  const table = new Uint8Array(256);
  for (const byte of [TAB, LF, 11, 12, CR, QUOTE]) table[byte] = 1;
  return table;
}
