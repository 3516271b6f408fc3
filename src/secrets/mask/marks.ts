import { EscapeReader } from "./escapes.ts";
import { grown } from "./needle_pool.ts";
import { wordAt, type WordFilter } from "./word_filter.ts";
import { HEX, NORMAL, QUOTE } from "./normal_bytes.ts";

/** Kinds of {@linkcode Marks}, as bits: an escape, a line break, digits with blanks between them. */
export const [ESCAPE, BREAK, SPACED] = [1, 2, 4];

/** Marks that are closer to one another, in bytes, are looked at together. */
export const NEAR_BYTES = 12;

const [LF, CR, TAB, BLANK, APOSTROPHE] = [10, 13, 9, 32, 39];

export const DOLLAR = 36;

/** What begins an escape: ESC, `%`, `&` and a backslash. */
const ESCAPES = [0x1b, 0x25, 0x26, 0x5c];

/** What may begin a mark, by its first byte. */
const MARKS = marksOf();

/** What begins a mark, by pairs of bytes; a run without secrets makes no such table. */
let pairs: Uint8Array | undefined;

/** Bytes that are left out where line breaks do not count: white space, and what quotes the lines. */
const IS_LEFT_OUT = leftOut();

/** The same before escapes are undone. */
const IS_SKIPPED = Uint8Array.from(
  NORMAL,
  (normal, byte) => byte === BLANK ? 1 : IS_LEFT_OUT[normal],
);

/** The bits of {@linkcode pairsOf} for all that is not simply text where lines are joined. */
const NO_TEXT = 1 | 2 | 16;

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
  readonly #reader = new EscapeReader();
  #grams: WordFilter | undefined;

  /**
   * Finds the marks of a text.
   *
   * @param text Text that starts at the first byte of its buffer.
   * @param isWhole Whether nothing follows.
   * @param grams Every four bytes of what is looked for; a line break that has
   * none of them next to it is no mark.
   */
  find(
    text: Uint8Array<ArrayBuffer>,
    isWhole: boolean,
    grams?: WordFilter,
  ): void {
    this.#grams = grams;
    const { length } = text;
    this.count = 0;
    this.limit = length;
    const words = new Int32Array(text.buffer, 0, length >>> 2);
    const table = pairs ??= pairsOf();
    let at = 0;
    for (let i = 0; (i = nextUnquiet(words, i, table)) < words.length;) {
      const start = i << 2;
      if (at < start) at = start;
      const low = table[words[i] & 0xffff];
      const high = table[words[i] >>> 16];
      const places = low & 3 | high << 2 & 12;
      if ((low & high >>> 1 & 4) !== 0) {
        at = this.#markEach(text, at, start + 4, isWhole);
      }
      while (at < start + 4) {
        const rest = places >>> at - start;
        if (rest === 0) break;
        // The place of the lowest bit that is set.
        at += 31 - Math.clz32(rest & -rest);
        at = this.#markAt(text, at, isWhole);
      }
      if (at >= length) return;
      i = Math.max(i + 1, at >>> 2);
    }
    at = Math.max(at, words.length << 2);
    this.#markEach(text, at, length, isWhole);
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

  #markEach(
    text: Uint8Array,
    from: number,
    to: number,
    isWhole: boolean,
  ): number {
    let at = from;
    while (at < to) {
      if (MARKS[text[at]] === 0) at++;
      else at = this.#markAt(text, at, isWhole);
    }
    return at;
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
      return end;
    }
    if (kind === BREAK) {
      if (this.#mayBreak(text, at)) this.#add(BREAK, at, at + 1, LF, 1);
    } else if (kind === SPACED && isSpacedHex(text, at)) {
      this.#add(SPACED, at, at + 1, NORMAL[BLANK], 1);
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
    if (start - 4 < least || next + 4 > text.length) return true;
    const word = wordAt(text, start - 4, 4);
    const nextWord = wordAt(text, next, 4);
    const table = pairs!;
    const both = table[word & 0xffff] | table[word >>> 16] |
      table[nextWord & 0xffff] | table[nextWord >>> 16];
    if ((both & NO_TEXT) === 0) {
      return grams.mayHave(word) || grams.mayHave(nextWord);
    }
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

/**
 * Finds the next word in which a mark may begin: with a byte that begins one,
 * or with a pair between blanks.
 *
 * The loop calls nothing: it is the hottest of the program.
 *
 * @param words The text as words, on a little-endian machine.
 * @param from First place that is looked at.
 * @param pairs What there is in each pair of bytes, see {@linkcode pairsOf}.
 * @returns The place; the number of words if there is none.
 */
function nextUnquiet(
  words: Int32Array,
  from: number,
  pairs: Uint8Array,
): number {
  const { length } = words;
  let at = from;
  for (; at < length; at++) {
    const word = words[at];
    const low = pairs[word & 0xffff];
    const high = pairs[word >>> 16];
    if (((low | high) & 3 | low & high >> 1 & 4) !== 0) break;
  }
  return at;
}

/**
 * Makes a table of all pairs of bytes: 1 if the first one begins a mark, 2 if the
 * second one does, 4 and 8 if they are blanks, 16 if one of
 * them is not always text where lines are joined. Printable text touches so
 * little of it that it stays in the nearest cache.
 */
function pairsOf(): Uint8Array {
  const pairs = new Uint8Array(1 << 16);
  for (let other = 0; other < 256; other++) {
    pairs[BLANK | other << 8] |= 4;
    pairs[other | BLANK << 8] |= 8;
  }
  for (const byte of [LF, ...ESCAPES]) {
    for (let other = 0; other < 256; other++) {
      pairs[byte | other << 8] |= 1;
      pairs[other | byte << 8] |= 2;
    }
  }
  for (let byte = 0; byte < 256; byte++) {
    if (IS_SKIPPED[byte] === 0 && byte !== DOLLAR) continue;
    for (let other = 0; other < 256; other++) {
      pairs[byte | other << 8] |= 16;
      pairs[other | byte << 8] |= 16;
    }
  }
  return pairs;
}

/** Tells whether a blank stands between two-digit numbers, of three at least. */
function isSpacedHex(text: Uint8Array, at: number): boolean {
  if (!isHexPair(text, at + 1)) return false;
  return isBlankPair(text, at + 3) || isBlankPair(text, at - 3) ||
    at + 6 > text.length;
}

/**
 * Tells whether a text ends with a two-digit number and a blank, or another
 * one behind that.
 *
 * @param text The text.
 * @param length Where it ends.
 */
export function endsInSpacedHex(text: Uint8Array, length: number): boolean {
  for (let at = length - 1; at >= Math.max(2, length - 3); at--) {
    if (text[at] === BLANK) return isHexPair(text, at - 2);
  }
  return false;
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
 * Tells whether four bytes of joined text in front of a place may be those of
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

function isBlankPair(text: Uint8Array, at: number): boolean {
  return text[at] === BLANK && isHexPair(text, at + 1);
}

function isHexPair(text: Uint8Array, at: number): boolean {
  return at >= 0 && at + 2 <= text.length && HEX[text[at]] < 16 &&
    HEX[text[at + 1]] < 16;
}

function marksOf(): Uint8Array {
  const marks = new Uint8Array(256);
  for (const byte of ESCAPES) marks[byte] = ESCAPE;
  marks[LF] = BREAK;
  marks[BLANK] = SPACED;
  return marks;
}

function leftOut(): Uint8Array {
  const table = new Uint8Array(256);
  for (const byte of [TAB, LF, 11, 12, CR, QUOTE]) table[byte] = 1;
  return table;
}
