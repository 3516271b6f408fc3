import { byteTable } from "../../bytes.ts";
import { EscapeReader, HEX } from "./escapes.ts";
import { growArray } from "./word_index.ts";

/** Whether a line has a row of a hex dump; unknown if it is cut in the row or in its prefix. */
export const [NO_ROW, ROW, OPEN_ROW, OPEN_PREFIX] = [0, 1, 2, 3];

/** Number of bytes of a line, including terminal codes, that show whether it has a row. */
export const ROW_START_BYTES = 256;

/** Maximum number of blanks and digits with which a row begins. */
const [MAX_INDENT, MAX_FIRST_DIGITS] = [7, 22];

/** Maximum length of the prefix before a row in each line, in bytes. */
const MAX_PREFIX_BYTES = 64;

/** Maximum length of a terminal code before an offset, in bytes. */
const MAX_SHORT_CODE_BYTES = 32;

/** Minimum number of digits of an offset that has no colon, or that follows a prefix. */
export const MIN_OFFSET_DIGITS = 6;

/** Minimum number of digits of an offset before bytes of two digits each, as in Wireshark. */
const MIN_SHORT_OFFSET_DIGITS = 4;

/** Width of a cell of `od -c` and `od -a`, in which characters are right-aligned. */
export const CELL_BYTES = 4;

const [LF, CR, TAB, BLANK, ESC] = [10, 13, 9, 32, 0x1b];
const [MINUS, DOT, COLON, STAR] = [0x2d, 0x2e, 0x3a, 0x2a];
const BACKSLASH = 0x5c;

/** Numbers of digits of offsets of `od`. */
const OFFSET_DIGITS = [6, 7];

/** Values of escaped letters and names of control characters in a cell. */
let cells: Map<string, number> | undefined;

/** Separators between an offset and the bytes after it. */
const SEPARATORS = byteTable("-:|");

/** Possible last characters of a prefix. */
const ENDS_PREFIX = byteTable("\t #)*+>|]");

/**
 * Lines of hex dumps without terminal codes, and without the prefixes before rows,
 * such as the name of a service.
 *
 * A row after a prefix starts with an offset, or in the column of the previous row.
 */
export class DumpLines {
  /** Number of bytes. */
  length = 0;
  /** The bytes, and the place of each of them in the text. */
  bytes: Uint8Array<ArrayBuffer> = new Uint8Array(512);
  places: Int32Array = new Int32Array(512);
  /** Starts of lines whose row followed a prefix; they begin with an offset. */
  readonly prefixed: Set<number> = new Set();
  readonly #reader = new EscapeReader();
  /** Start of the row in the last line that was checked. */
  #rowStart = 0;
  /** Whether that is the column of the previous row, without an offset. */
  #isIndented = false;

  /**
   * Checks whether a line has a row.
   *
   * @param text The text.
   * @param line Where the line starts.
   */
  classifyLine(text: Uint8Array, line: number): number {
    const kind = rowAt(text, line);
    if (kind !== NO_ROW) return kind;
    this.length = 0;
    const end = Math.min(text.length, line + ROW_START_BYTES);
    const lineEnd = this.#addVisible(text, line, end);
    if (lineEnd < end) this.#add(LF, lineEnd);
    return this.#findRow(0, lineEnd === text.length);
  }

  /**
   * Reads lines. Lines without a row are dropped, except for an asterisk, which
   * repeats the previous row.
   *
   * @param text The text.
   * @param from Where the first line starts.
   * @param to Where the last one ends.
   */
  read(text: Uint8Array, from: number, to: number): void {
    this.length = 0;
    this.prefixed.clear();
    let column = 0;
    for (let line = from; line < to;) {
      const first = this.length;
      const end = this.#addVisible(text, line, to);
      const isAsterisk = this.#isAsterisk(first + column);
      if (end < to) this.#add(LF, end);
      const start = this.#startIn(first, column);
      if (start >= 0) {
        column = start;
        this.#drop(first, start);
        if (start > 0 && !this.#isIndented) this.prefixed.add(first);
      } else if (isAsterisk) {
        this.#drop(first, column);
      } else {
        this.length = first;
        this.#add(DOT, line);
        if (end < to) this.#add(LF, end);
      }
      line = end + 1;
    }
  }

  /** The bytes as a text. */
  view(): Uint8Array {
    return this.bytes.subarray(0, this.length);
  }

  /** Where the row starts in a line; negative if it has none. */
  #startIn(first: number, column: number): number {
    this.#isIndented = false;
    const kind = this.#findRow(first, false);
    if (kind !== NO_ROW) return this.#rowStart;
    this.#isIndented = column > 0 && first + column < this.length &&
      rowAt(this.view(), first + column) !== NO_ROW;
    return this.#isIndented ? column : -1;
  }

  /** Whether a line is only an asterisk in the column of the previous row. */
  #isAsterisk(column: number): boolean {
    let end = this.length;
    if (this.bytes[end - 1] === CR) end--;
    return end === column + 1 && this.bytes[column] === STAR;
  }

  /** Adds the visible part of a line, and returns where the line ends. */
  #addVisible(text: Uint8Array, from: number, to: number): number {
    this.#reserve(to - from + 2);
    let at = from;
    while (at < to && text[at] !== LF) {
      if (text[at] !== ESC) this.#add(text[at], at++);
      else {
        this.#reader.read(text, to, at);
        at = this.#reader.isOpen ? to : this.#reader.end;
      }
    }
    return at;
  }

  /** Finds the row in the last line, and records where it starts. */
  #findRow(first: number, isCut: boolean): number {
    const line = this.bytes.subarray(first, this.length);
    this.#rowStart = 0;
    const kind = rowAt(line, 0);
    if (kind !== NO_ROW) return kind;
    const { length } = line;
    for (let at = 1; at <= MAX_PREFIX_BYTES && at < length; at++) {
      if (ENDS_PREFIX[line[at - 1]] === 0) continue;
      const end = digitsEnd(line, at);
      if (end + 1 >= length && isCut) return OPEN_PREFIX;
      if (!isOffset(line, at, end)) continue;
      this.#rowStart = at;
      return ROW;
    }
    return isCut && length <= MAX_PREFIX_BYTES ? OPEN_PREFIX : NO_ROW;
  }

  /** Removes added bytes, starting at a position. */
  #drop(from: number, count: number): void {
    this.bytes.copyWithin(from, from + count, this.length);
    this.places.copyWithin(from, from + count, this.length);
    this.length -= count;
  }

  #reserve(count: number): void {
    const length = this.length + count;
    this.bytes = growArray(this.bytes, length) as Uint8Array<ArrayBuffer>;
    this.places = growArray(this.places, length);
  }

  #add(byte: number, place: number): void {
    this.bytes[this.length] = byte;
    this.places[this.length++] = place;
  }
}

/** Whether digits are an offset before a row. */
function isOffset(line: Uint8Array, from: number, end: number): boolean {
  const count = end - from;
  if (count < MIN_OFFSET_DIGITS || count > MAX_FIRST_DIGITS) return false;
  if (line[end] === COLON) return isBlank(line[end + 1]);
  return end === line.length || isBlank(line[end]) || isLineEnd(line[end]);
}

/**
 * Checks whether a text begins like a row of a hex dump at a place: with a
 * number, or with a cell of a character.
 *
 * @param text The text.
 * @param at The place.
 */
export function rowAt(text: Uint8Array, at: number): number {
  const { length } = text;
  let first = at;
  while (text[first] === BLANK && first - at < MAX_INDENT) first++;
  let end = first;
  while (HEX[text[end]] < 16 && end - first < MAX_FIRST_DIGITS) end++;
  if (end === length) return OPEN_ROW;
  if (end > first) {
    if (isBlank(text[end]) || isLineEnd(text[end])) return ROW;
    if (text[end] === COLON && isBlank(text[end + 1])) return ROW;
    if (text[end] === COLON && end + 1 === length) return OPEN_ROW;
  }
  return text[at] === BLANK ? cellsAt(text, at) : NO_ROW;
}

/** The same for rows without an offset in which each character has a cell. */
function cellsAt(text: Uint8Array, at: number): number {
  const end = at + CELL_BYTES;
  for (let place = at; place < end; place++) {
    if (text[place] === LF || text[place] === ESC) return NO_ROW;
  }
  if (end >= text.length) return OPEN_ROW;
  return text[end] === BLANK || isLineEnd(text[end]) ? ROW : NO_ROW;
}

/**
 * Checks whether digits may be the offset of a row after a prefix. A word that only
 * ends with digits, such as a commit in a URL, is not an offset.
 *
 * @param text The text.
 * @param end Where the digits end.
 */
export function mayEndOffset(text: Uint8Array, end: number): boolean {
  const min = Math.max(0, end - MAX_FIRST_DIGITS);
  let at = end;
  while (at >= min && HEX[text[at - 1]] < 16) at--;
  if (at < min) return false;
  const before = text[at - 1];
  if (at === 0 || before === LF || ENDS_PREFIX[before] === 1) return true;
  // It may be the end of a terminal code.
  for (
    let code = at - 1;
    code >= 0 && at - code <= MAX_SHORT_CODE_BYTES;
    code--
  ) {
    if (text[code] === ESC) return true;
  }
  return false;
}

function digitsEnd(text: Uint8Array, from: number): number {
  let at = from;
  while (HEX[text[at]] < 16) at++;
  return at;
}

/** End of the blanks that start at a position. */
export function skipBlanks(text: Uint8Array, from: number, to: number): number {
  let at = from;
  while (at < to && isBlank(text[at])) at++;
  return at;
}

/** End of the digits of a number, which may have a sign. */
export function numberEnd(text: Uint8Array, from: number, to: number): number {
  let at = text[from] === MINUS ? from + 1 : from;
  while (at < to && HEX[text[at]] < 16) at++;
  return at;
}

/**
 * Checks whether the number at the start of a row may be an offset without a
 * colon: it is long, or numbers of two digits follow it. Only an offset before a
 * separator may be indented.
 *
 * @param text The text.
 * @param from Where the row starts.
 * @param to Where it ends, or is cut.
 */
export function isPlainOffset(
  text: Uint8Array,
  from: number,
  to: number,
): boolean {
  const at = skipBlanks(text, from, to);
  const end = numberEnd(text, at, to);
  const separatorEnd = skipSeparator(text, end, to);
  if (at > from && separatorEnd === end) return false;
  if (end - at >= MIN_OFFSET_DIGITS) return true;
  if (end - at < MIN_SHORT_OFFSET_DIGITS) return false;
  const next = skipBlanks(text, separatorEnd, to);
  const nextEnd = numberEnd(text, next, to);
  return nextEnd - next === 2 && next > end ||
    nextEnd - next < 2 && nextEnd === to;
}

/** End of the separator after an offset, as in `0010 - 70`; the same place if there is none. */
export function skipSeparator(
  text: Uint8Array,
  from: number,
  to: number,
): number {
  const at = skipBlanks(text, from, to);
  const isSeparator = at > from && SEPARATORS[text[at]] === 1 &&
    (at + 1 === to || isBlank(text[at + 1]));
  return isSeparator ? at + 1 : from;
}

/** Whether a byte is a blank or a tab. */
export function isBlank(byte: number): boolean {
  return byte === BLANK || byte === TAB;
}

function isLineEnd(byte: number): boolean {
  return byte === LF || byte === CR;
}

/** Width of an omitted offset: `od` omits it when it repeats a row in another notation. */
export function lineIndent(indent: number, firstEnd: number): number {
  return OFFSET_DIGITS.find((count) =>
    count % CELL_BYTES === firstEnd % CELL_BYTES && indent >= count
  ) ?? 0;
}

/** End of the word that starts at a position of a row. */
export function cellEnd(text: Uint8Array, from: number, to: number): number {
  let at = from;
  while (at < to && !isBlank(text[at])) at++;
  return at;
}

/** Byte in a cell of `od -c` or `od -a`; negative if there is none. */
export function cellAt(text: Uint8Array, at: number): number {
  const [before, first, second, third] = text.subarray(at, at + CELL_BYTES);
  if (before !== BLANK) return -1;
  if (first === BLANK && second === BLANK) {
    return third >= BLANK && third < 0x7f ? third : -1;
  }
  const octal = 64 * (first - 0x30) + 8 * (second - 0x30) + third - 0x30;
  const isOctal = HEX[first] < 4 && HEX[second] < 8 && HEX[third] < 8;
  if (isOctal) return octal;
  const name = String.fromCharCode(first, second, third).trimStart();
  return (cells ??= createCells()).get(name) ?? -1;
}

function createCells(): Map<string, number> {
  const names =
    "nul soh stx etx eot enq ack bel bs ht nl vt ff cr so si dle dc1 dc2 dc3 dc4 nak syn etb can em sub esc fs gs rs us sp"
      .split(" ").map((name, byte): [string, number] => [name, byte]);
  const letters = Array.from(
    "abtnvfr",
    (letter, at): [string, number] => [`\\${letter}`, 7 + at],
  );
  const zero = `${String.fromCharCode(BACKSLASH)}0`;
  return new Map([...names, ...letters, [zero, 0], ["del", 0x7f]]);
}
