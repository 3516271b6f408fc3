import {
  DumpLines,
  isBlank,
  mayEndOffset,
  ROW,
  ROW_START_BYTES,
  rowAt,
} from "./dump_lines.ts";
import { EscapeReader, HEX, NORMAL, QUOTE, SIMPLE_ESCAPES } from "./escapes.ts";
import { type Grams, LIST, ROWS, RUNS } from "./scanner.ts";
import { growArray } from "./word_index.ts";
import { isSeparator, ListedParts, mayBeListed } from "./number_list.ts";
import type { WordFilter } from "./word_index.ts";

/** Kinds of {@linkcode Marks}, as bits: an escape, a line break. */
export const [ESCAPE, BREAK] = [1, 2];

/**
 * Maximum number of bytes of a secret before its first line break that may be printed
 * unmasked. Otherwise, most line breaks would have to be held back.
 */
export const LOST_BYTES = 3;

/** Maximum distance of marks that are checked together, in bytes. */
export const NEAR_BYTES = 12;

const [LF, CR, TAB, APOSTROPHE, X] = [10, 13, 9, 39, 0x78];
const [EQUALS, BACKSLASH] = [0x3d, 0x5c];
const [ESC, BRACKET] = [0x1b, 0x5b];

export const [BLANK, DOLLAR] = [0x20, 36];

/** The bit in which lowercase and uppercase letters differ. */
const CASE = 0x20;

/** Bytes that begin an escape: NUL, ESC, `%`, `&` and backslash. */
const ESCAPES = [0, ESC, 0x25, 0x26, 0x5c];

/** Kind of mark that each byte may begin; 0 for none. */
export const MARKS: Uint8Array = createMarkTable();

/** Bytes that are removed where lines are joined: whitespace, and quotes around lines. */
const IS_LEFT_OUT = createLeftOutTable();

/** The same bytes before escapes are undone. */
const IS_SKIPPED = Uint8Array.from(
  NORMAL,
  (normal, byte) => byte === BLANK ? 1 : IS_LEFT_OUT[normal],
);

/** Maximum length of the text in which bytes next to a position are searched. */
export const MAX_SIDE_BYTES = 64;

/** Escapes, and places where a text may have been broken into lines, in order. */
export class MarkList {
  /** Number of marks. */
  count = 0;
  /** Start, end and kinds of each mark. */
  starts: Int32Array = new Int32Array(64);
  ends: Int32Array = new Int32Array(64);
  kinds: Uint8Array = new Uint8Array(64);
  /** Decoded bytes of each mark, the first one lowest, and their number. */
  values: Int32Array = new Int32Array(64);
  sizes: Uint8Array = new Uint8Array(64);
  /** End of the text, or start of an incomplete mark. */
  limit = 0;

  /** Index of the first mark that ends after a position. */
  firstAfter(at: number): number {
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.ends[middle] > at) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** Appends a mark. */
  add(
    kind: number,
    start: number,
    end: number,
    value: number,
    size: number,
  ): void {
    const at = this.count++;
    if (at === this.starts.length) {
      this.starts = growArray(this.starts, at + 1);
      this.ends = growArray(this.ends, at + 1);
      this.values = growArray(this.values, at + 1);
      this.kinds = growArray(this.kinds, at + 1);
      this.sizes = growArray(this.sizes, at + 1);
    }
    this.starts[at] = start;
    this.ends[at] = end;
    this.values[at] = value;
    this.kinds[at] = kind;
    this.sizes[at] = size;
  }
}

/** Positions in a window of text that need a closer look. */
export class Marks extends MarkList {
  /** Escapes of quoted-printable, which may also be something else: `=41` in `port=4100`. */
  readonly soft: MarkList = new MarkList();
  /** Parts with lists of numbers that may encode a needle. */
  readonly numbers: ListedParts = new ListedParts();
  /** Where lines start that may be rows of a hex dump, in order. */
  readonly rows: number[] = [];
  /** Where runs of letters and digits start that may encode text, in order. */
  readonly runs: number[] = [];
  readonly #lines = new DumpLines();
  /** Start and end of the last line that was searched for a row. */
  #lineStart = 0;
  #lineEnd = 0;
  readonly #reader = new EscapeReader();
  #grams: WordFilter | undefined;

  /**
   * Finds the marks of a text.
   *
   * @param text The text.
   * @param isWhole Whether nothing follows.
   * @param grams Four-byte parts of needles; a line break without any of them next
   * to it is not a mark.
   */
  find(text: Uint8Array, isWhole: boolean, grams?: Grams): void {
    this.#grams = grams?.filter;
    this.count = this.soft.count = 0;
    this.limit = this.soft.limit = text.length;
    this.numbers.clear();
    this.runs.length =
      this.rows.length =
      this.#lineStart =
      this.#lineEnd =
        0;
    if (grams === undefined) this.#markEach(text, isWhole);
    else this.#markFound(text, isWhole, grams);
  }

  #markEach(text: Uint8Array, isWhole: boolean): void {
    for (let at = 0; at < text.length;) {
      if (MARKS[text[at]] === 0) at++;
      else at = this.#markAt(text, at, isWhole);
    }
  }

  #markFound(text: Uint8Array, isWhole: boolean, grams: Grams): void {
    const { scanner } = grams;
    const { places } = scanner;
    const hasQuotes = grams.bytes[QUOTE] !== 0;
    let at = 0;
    for (let from = 0; from < text.length; from = scanner.end) {
      scanner.scan(text, from);
      const { count, shift, end } = scanner;
      for (let found = 0; found < count; found++) {
        const place = (places[found] & ~(LIST | ROWS | RUNS)) - shift;
        if ((places[found] & RUNS) !== 0) {
          this.#putInOrder(this.runs, place);
          continue;
        }
        if (text[place] === LF && place < end) this.#addRow(text, place + 1);
        if ((places[found] & (LIST | ROWS)) !== 0) {
          const isRow = places[found] < 0 || mayEndOffset(text, place);
          if (isRow) this.#addRowAround(text, place);
          if (places[found] < 0) this.#addNumber(text, place);
        } else if (text[place] === EQUALS) {
          if (place < end) this.#markSoft(text, place);
        } else if (place >= at && place < end) {
          this.#markBreakAfter(text, at, place);
          at = isQuoted(text, place) && !hasQuotes
            ? this.#passQuote(text, place)
            : this.#markAt(text, place, isWhole);
        }
      }
    }
    this.#markBreakAfter(text, at, this.limit);
    if (!isWhole) this.soft.limit = openSoftFrom(text);
  }

  /** Adds a line that begins like a row, possibly after a terminal code. */
  #addRow(text: Uint8Array, line: number): void {
    let at = line;
    if (text[at] === ESC) {
      if (text[at + 1] !== BRACKET) return;
      at += 2;
      while (text[at] < 0x40) at++;
      at++;
    }
    if (rowAt(text, at) === ROW) this.#putInOrder(this.rows, line);
  }

  /** Adds the line that contains a position, if it has a row after a prefix. */
  #addRowAround(text: Uint8Array, place: number): void {
    if (place < this.#lineEnd && place >= this.#lineStart) return;
    const min = Math.max(0, place - 2 * ROW_START_BYTES);
    let line = place;
    while (line > min && text[line - 1] !== LF) line--;
    const lineBreak = text.indexOf(LF, place);
    this.#lineStart = line;
    this.#lineEnd = lineBreak < 0 ? text.length : lineBreak;
    // Text before the window belongs to the printed rows.
    if (line === min || this.#lines.classifyLine(text, line) !== ROW) return;
    this.#putInOrder(this.rows, line);
    // The previous row may contain only the first byte, which proves nothing.
    const before = text.lastIndexOf(LF, line - 2) + 1;
    const isRow = before > 0 && line - before <= ROW_START_BYTES &&
      this.#lines.classifyLine(text, before) === ROW;
    if (isRow) this.#putInOrder(this.rows, before);
  }

  #putInOrder(places: number[], place: number): void {
    let at = places.length;
    while (at > 0 && places[at - 1] > place) at--;
    if (at === places.length) places.push(place);
    else if (at === 0 || places[at - 1] < place) places.splice(at, 0, place);
  }

  /** Marks a line break directly after an escape, whose end the scanner does not know. */
  #markBreakAfter(text: Uint8Array, from: number, to: number): void {
    const last = this.count - 1;
    if (last < 0 || this.ends[last] !== from) return;
    for (let at = from; at < Math.min(to, from + 4); at++) {
      if (text[at] === LF) return this.add(BREAK, at, at + 1, LF, 1);
    }
  }

  #addNumber(text: Uint8Array, at: number): void {
    if (at < 0 || at >= text.length || this.numbers.has(at)) return;
    if (mayBeListed(text, at, this.#grams!)) this.numbers.addAround(text, at);
  }

  /** Marks an escape of quoted-printable. */
  #markSoft(text: Uint8Array, at: number): void {
    const { soft } = this;
    const [first, second] = [text[at + 1], text[at + 2]];
    if (first === LF || first === CR && second === LF) {
      soft.add(ESCAPE, at, at + (first === LF ? 2 : 3), 0, 0);
    } else if (HEX[first] < 16 && HEX[second] < 16) {
      const value = NORMAL[HEX[first] << 4 | HEX[second]];
      soft.add(ESCAPE, at, at + 3, value, 1);
    }
  }

  /** Skips an escaped quote: if needles contain no quotes, it is like a plain one. */
  #passQuote(text: Uint8Array, at: number): number {
    const isNumber = (text[at - 2] | CASE) === X && isSeparator(text[at + 1]);
    if (isNumber) this.#addNumber(text, at - 1);
    return at + 1;
  }

  /** Adds the mark that begins at a position, and returns where to continue. */
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
      const isBetween = byte === ESC && this.#endsNumber(text, at);
      if (isBetween && this.#grams !== undefined) this.#addRowAround(text, at);
      this.add(isBreak ? ESCAPE | BREAK : ESCAPE, at, end, value, size);
      const isNumber = (text[end - 3] | CASE) === X && isSeparator(text[end]);
      if (isNumber && this.#grams !== undefined) this.#addNumber(text, end - 2);
      return end;
    }
    const isBreak = kind === BREAK && (byte === LF || text[at + 1] !== LF);
    if (isBreak && this.#mayBreak(text, at)) {
      this.add(BREAK, at, at + 1, byte, 1);
    }
    return at + 1;
  }

  /** Whether there is only a number of a row between the last mark and a position. */
  #endsNumber(text: Uint8Array, at: number): boolean {
    const last = this.count - 1;
    const size = last < 0 ? 0 : at - this.ends[last];
    return size >= 2 && size <= 8 && HEX[text[at - 1]] < 16 &&
      HEX[text[at - 2]] < 16;
  }

  /** Whether encoded text may continue after a line break, or a mark is near it. */
  #mayBreak(text: Uint8Array, at: number): boolean {
    const grams = this.#grams;
    if (grams === undefined) return true;
    const last = this.count - 1;
    if (last >= 0 && at - this.ends[last] < NEAR_BYTES) return true;
    const start = text[at - 1] === CR ? at - 1 : at;
    let next = at + 1;
    while (next < text.length && isBlank(text[next])) next++;
    const min = last < 0 ? 0 : this.ends[last];
    return mayEndAt(text, start, min, grams) ||
      mayBeginAt(text, next, grams);
  }
}

/** Finds an incomplete quoted-printable escape at the end of a text; returns its start, or the end of the text. */
function openSoftFrom(text: Uint8Array): number {
  const { length } = text;
  if (text[length - 1] === EQUALS) return length - 1;
  const [before, last] = [text[length - 2], text[length - 1]];
  const isDigit = last < 0x47 && HEX[last] < 16;
  return before === EQUALS && (isDigit || last === CR) ? length - 2 : length;
}

/** Whether a backslash precedes a quote. */
function isQuoted(text: Uint8Array, at: number): boolean {
  return text[at] === BACKSLASH && SIMPLE_ESCAPES[text[at + 1]] === QUOTE;
}

/** Whether a dollar sign is, or may be, that of `$'…'`, which continues a word. */
export function startsQuotes(text: Uint8Array, at: number): boolean {
  return at + 1 === text.length || text[at + 1] === APOSTROPHE;
}

/** Whether a decoded byte is removed where lines are joined. */
export function isIgnored(byte: number): boolean {
  return IS_LEFT_OUT[byte] !== 0;
}

/**
 * Checks whether the four bytes of joined text before a position may belong to a
 * needle.
 *
 * @param text The text.
 * @param at The place.
 * @param min Where the last mark before it ends.
 * @param grams Every four bytes of needles.
 */
function mayEndAt(
  text: Uint8Array,
  at: number,
  min: number,
  grams: WordFilter,
): boolean {
  let word = 0;
  let rest = 4;
  for (let place = at - 1; rest > 0; place--) {
    if (place < Math.max(min, at - MAX_SIDE_BYTES)) return true;
    const byte = text[place];
    if (MARKS[byte] === ESCAPE || byte === DOLLAR) return true;
    if (IS_SKIPPED[byte] !== 0) continue;
    word = word << 8 | NORMAL[byte];
    rest--;
  }
  return grams.mayHave(word);
}

/** The same for the four bytes after a position. */
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

function createMarkTable(): Uint8Array {
  const marks = new Uint8Array(256);
  for (const byte of ESCAPES) marks[byte] = ESCAPE;
  marks[LF] = marks[CR] = BREAK;
  return marks;
}

function createLeftOutTable(): Uint8Array {
  const table = new Uint8Array(256);
  for (const byte of [TAB, LF, 11, 12, CR, QUOTE]) table[byte] = 1;
  return table;
}
