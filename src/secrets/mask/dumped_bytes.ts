import {
  CELL_BYTES,
  cellAt,
  cellEnd,
  type DumpLines,
  isPlainOffset,
  lineIndent,
  MIN_OFFSET_DIGITS,
  NO_ROW,
  numberEnd,
  rowAt,
  skipBlanks,
  skipSeparator,
} from "./dump_lines.ts";
import { GAP, HEX } from "./escapes.ts";
import { growArray } from "./word_index.ts";

/** Maximum number of lines between two rows: `od` writes a row in several notations. */
export const MAX_SKIPPED_LINES = 2;

const [LF, CR, BLANK, MINUS, COLON] = [10, 13, 32, 0x2d, 0x3a];
const [STAR, BAR, ANGLE] = [0x2a, 0x7c, 0x3e];

/** How the bytes of a row are written. */
export interface Notation {
  /** Radix of the numbers; 0 for characters. */
  readonly radix: 0 | 2 | 8 | 10 | 16;
  /** Whether the last byte of a word is written first. */
  readonly isLittleEndian: boolean;
  /** Whether there is an offset before the bytes. */
  readonly hasOffset: boolean;
}

/** Sizes of numbers in bytes: by their digits in octal, by the width of their column in decimal. */
const OCTAL_SIZES: Record<number, number> = { 3: 1, 6: 2, 11: 4, 22: 8 };
const DECIMAL_SIZES: Readonly<Record<number, number>> = {
  ...{ 4: 1, 5: 1, 6: 2, 7: 2, 8: 2, 11: 4, 12: 4, 21: 8 },
};

/** The bytes of rows in one notation, and where each of them is written. */
export class DumpedBytes {
  /** Number of bytes. */
  length = 0;
  bytes: Uint8Array<ArrayBuffer> = new Uint8Array(512);
  /** Where the digits of each byte, and the word that contains them, start and end. */
  starts: Int32Array = new Int32Array(512);
  ends: Int32Array = new Int32Array(512);
  wordStarts: Int32Array = new Int32Array(512);
  /** Number of the row of each byte. */
  #rowOf = new Int32Array(512);
  /** First byte of each row, and where its column of text starts and ends. */
  #firsts: number[] = [];
  #textStarts: number[] = [];
  #textEnds: number[] = [];
  /** Whether too many lines follow the last row. */
  isOver = false;
  /** The number at the end of the text that is not complete. */
  #open: Uint8Array = new Uint8Array();
  #openFrom = -1;
  #notation!: Notation;
  #prefixed: ReadonlySet<number> = new Set();
  /** Current row: start of its line, whether the line may continue, and its first byte. */
  #line = 0;
  #isOpen = false;
  #rowFirst = 0;
  /** Number of bytes before numbers that may be a column of text; negative if none may be. */
  #certainLength = -1;
  /** Where in its line the column of text of the last row starts. */
  #column = 0;

  /** Possible numbers of bytes: the end of a cut line may be numbers or text. */
  get lengths(): number[] {
    const certain = this.#certainLength;
    return certain < 0 ? [this.length] : [this.length, certain];
  }

  /** How much text there is between the last byte and a place. */
  distance(to: number): number {
    return this.length === 0 ? 0 : to - this.ends[this.length - 1];
  }

  /** The first bytes as a searchable text. */
  view(length: number): Uint8Array<ArrayBuffer> {
    return this.bytes.subarray(0, length);
  }

  /**
   * Reads the rows among lines.
   *
   * @param lines The lines.
   * @param isCut Whether the last one may continue.
   * @param notation How bytes are written.
   */
  read(lines: DumpLines, isCut: boolean, notation: Notation): void {
    const text = lines.view();
    const to = text.length;
    this.#prefixed = lines.prefixed;
    this.#notation = notation;
    this.length = 0;
    this.#column = 0;
    this.#firsts.length = this.#textStarts.length = this.#textEnds.length = 0;
    this.#openFrom = -1;
    let skipped = 0;
    for (let line = 0; line < to;) {
      const lineBreak = text.indexOf(LF, line);
      const isOpen = this.#isOpen = lineBreak < 0 && isCut;
      this.#line = line;
      let end = lineBreak < 0 ? to : lineBreak;
      if (text[end - 1] === CR && end > line && !isOpen) end--;
      this.#certainLength = -1;
      const isRow = this.#readRow(text, line, end) ||
        end === line + 1 && text[line] === STAR && this.#repeatRow(line);
      if (isRow) skipped = 0;
      else if (!isOpen && ++skipped === MAX_SKIPPED_LINES + 1) this.#addGap();
      line = lineBreak < 0 ? to : lineBreak + 1;
    }
    this.isOver = skipped > MAX_SKIPPED_LINES;
  }

  /** Calls back with the ranges of bytes, both as digits of each row and in its column of text. */
  forEachPlace(
    start: number,
    end: number,
    add: (from: number, to: number) => void,
  ): void {
    for (let at = start; at < end;) {
      const row = this.#rowOf[at];
      const first = at;
      let from = this.starts[at];
      let to = this.ends[at];
      for (; at < end && this.#rowOf[at] === row; at++) {
        from = Math.min(from, this.starts[at]);
        to = Math.max(to, this.ends[at]);
      }
      if (from < to) add(from, to);
      const shift = this.#textStarts[row] - this.#firsts[row];
      const textEnd = Math.min(at + shift, this.#textEnds[row]);
      if (first + shift < textEnd) add(first + shift, textEnd);
    }
  }

  /** Start of an incomplete number that may belong to a needle; negative if there is none. */
  openFrom(isNeedleByte: Uint8Array): number {
    const from = this.#openFrom;
    const open = this.#open;
    const { radix } = this.#notation;
    if (radix === 0 && open.length === 1) {
      return isNeedleByte[open[0]] !== 0 ? from : -1;
    }
    if (from < 0 || radix !== 16) return from;
    for (let at = 0; at < open.length; at += 2) {
      const high = HEX[open[at]] << 4;
      const low = at + 1 < open.length ? HEX[open[at + 1]] : 0;
      const last = at + 1 < open.length ? low : 15;
      for (let digit = low; digit <= last; digit++) {
        if (isNeedleByte[high | digit] !== 0) return from + at;
      }
    }
    return -1;
  }

  /** Adds the last row again: a line with an asterisk means that it repeats at least once. */
  #repeatRow(line: number): boolean {
    const row = this.#firsts.length;
    if (row === 0 || this.bytes[this.length - 1] === GAP) return false;
    const { length } = this;
    const first = this.#firsts[row - 1];
    this.#addRow();
    for (let at = first; at < length; at++) {
      this.#put(this.bytes[at], line, line + 1, line);
    }
    return true;
  }

  #addRow(): void {
    this.#firsts.push(this.length);
    this.#textStarts.push(0);
    this.#textEnds.push(0);
  }

  #readRow(text: Uint8Array, from: number, to: number): boolean {
    const isOther = !this.#notation.hasOffset && this.#prefixed.has(from);
    if (isOther || rowAt(text, from) === NO_ROW) return false;
    const first = this.#rowFirst = this.length;
    const row = this.#firsts.length;
    this.#addRow();
    const isRow = this.#notation.radix === 0
      ? this.#readCells(text, from, to)
      : this.#readNumbers(text, from, to);
    if (isRow && this.length > first) return true;
    this.length = first;
    this.#firsts.length = this.#textStarts.length = this.#textEnds.length = row;
    if (!isRow) this.#openFrom = -1;
    return false;
  }

  #readNumbers(
    text: Uint8Array,
    from: number,
    to: number,
  ): boolean {
    const data = this.#dataStart(text, from, to);
    if (data < 0) return false;
    let at = skipBlanks(text, data, to);
    if (data === from && this.#mayBecomeOffset(text, at, to)) {
      return this.#setOpen(text, at, to);
    }
    const start = at;
    let before = data;
    let width = 0;
    while (at < to) {
      const end = numberEnd(text, at, to);
      if (this.#isOpen && end === to) {
        return this.#setOpen(text, at, end);
      }
      const column = this.#notation.radix === 10 ? end - before : end - at;
      // Of `bytes.hex(" ", 4)`, the first word may be a short one, too.
      const isSecond = width > 0 && before - start === width;
      const isSame = width === 0 || column === width ||
        this.#notation.radix === 16 && (column < width || isSecond);
      if (!isSame || !this.#addNumber(text, at, end, column)) {
        this.#readFramed(text, at, to);
        return true;
      }
      if (width === 0 || isSecond) width = column;
      before = end;
      at = isHyphen(text, end) ? end + 1 : skipBlanks(text, end, to);
      if (this.#certainLength < 0 && this.#findColumn(text, end, to)) {
        if (!this.#isOpen) return true;
        // The rest of the line may show that these are numbers.
        this.#certainLength = this.length;
      }
    }
    return true;
  }

  /** Where the bytes of a row start; negative if the row does not fit the notation. */
  #dataStart(text: Uint8Array, from: number, to: number): number {
    const { hasOffset } = this.#notation;
    const at = skipBlanks(text, from, to);
    const end = numberEnd(text, at, to);
    if (end > at && text[end] === COLON) return hasOffset ? end + 1 : -1;
    const mayBeOffset = isPlainOffset(text, from, to);
    if (hasOffset) return mayBeOffset ? skipSeparator(text, end, to) : -1;
    // A short number may also be the first word, and then belong to a needle.
    if (!mayBeOffset || end - at < MIN_OFFSET_DIGITS) return from;
    const next = skipBlanks(text, end, to);
    const nextEnd = numberEnd(text, next, to);
    // All words have the same length, except for the last one.
    const isWord = nextEnd - next === end - at ||
      nextEnd - next < end - at && skipBlanks(text, nextEnd, to) === to;
    return isWord ? from : -1;
  }

  /** Whether the rest of a line may show that its first word is an offset, or no part of a row. */
  #mayBecomeOffset(text: Uint8Array, at: number, to: number): boolean {
    if (!this.#isOpen || this.#notation.hasOffset) return false;
    const end = numberEnd(text, at, to);
    const next = skipBlanks(text, end, to);
    return isPlainOffset(text, at, to) &&
      numberEnd(text, next, to) === to;
  }

  /** Adds the bytes of a number; returns `false` if it is not a number. */
  #addNumber(text: Uint8Array, from: number, to: number, column: number) {
    const { radix } = this.#notation;
    if (to === from) return false;
    if (radix === 16) return this.#addHex(text, from, to);
    const length = to - from;
    const size = radix === 2
      ? length === 8 ? 1 : 0
      : (radix === 8 ? OCTAL_SIZES[length] : DECIMAL_SIZES[column]) ?? 0;
    return size > 0 && this.#addWord(text, from, to, radix, size);
  }

  #addHex(text: Uint8Array, from: number, to: number): boolean {
    if ((to - from) % 2 > 0 || text[from] === MINUS) return false;
    const count = (to - from) / 2;
    for (let byte = 0; byte < count; byte++) {
      const isReversed = this.#notation.isLittleEndian;
      const at = from + 2 * (isReversed ? count - 1 - byte : byte);
      this.#put(HEX[text[at]] << 4 | HEX[text[at + 1]], at, at + 2, from);
    }
    return true;
  }

  #addWord(
    text: Uint8Array,
    from: number,
    to: number,
    radix: number,
    size: number,
  ): boolean {
    const isNegative = text[from] === MINUS;
    const digits = text.subarray(isNegative ? from + 1 : from, to);
    if (digits.some((digit) => HEX[digit] >= radix)) return false;
    const prefix = radix === 8 ? "0o" : radix === 2 ? "0b" : "0";
    const value = BigInt(prefix + String.fromCharCode(...digits));
    const bits = 8 * size;
    if (value >> BigInt(bits) !== 0n) return false;
    const word = BigInt.asUintN(bits, isNegative ? -value : value);
    for (let byte = 0; byte < size; byte++) {
      const { isLittleEndian } = this.#notation;
      const shift = 8 * (isLittleEndian ? byte : size - 1 - byte);
      this.#put(Number(word >> BigInt(shift) & 255n), from, to, from);
    }
    return true;
  }

  #readCells(
    text: Uint8Array,
    from: number,
    to: number,
  ): boolean {
    const end = numberEnd(text, from, to);
    const hasOffset = end - from >= MIN_OFFSET_DIGITS;
    if (hasOffset !== this.#notation.hasOffset) return false;
    const first = skipBlanks(text, hasOffset ? end : from, to);
    if (first === to || !hasOffset && first === from) return false;
    const firstEnd = cellEnd(text, first, to);
    if (this.#isOpen && firstEnd === to && !hasOffset) {
      return this.#setOpen(text, first, to);
    }
    let at = hasOffset ? end : from + lineIndent(first - from, firstEnd - from);
    for (; at + CELL_BYTES <= to; at += CELL_BYTES) {
      const byte = cellAt(text, at);
      if (byte < 0) break;
      const start = Math.min(at + 3, skipBlanks(text, at, to));
      this.#put(byte, start, at + CELL_BYTES, start);
    }
    const rest = skipBlanks(text, at, to);
    const isCut = this.#isOpen && rest < to && to - at < CELL_BYTES;
    if (isCut) return this.#setOpen(text, rest, to);
    return rest === to || this.#readFramed(text, rest, to);
  }

  /** Records a number or cell that may continue after the text. */
  #setOpen(text: Uint8Array, from: number, to: number): true {
    this.#openFrom = from;
    this.#open = text.subarray(from, to);
    return true;
  }

  #readFramed(text: Uint8Array, at: number, to: number): boolean {
    if (text[at] !== BAR && text[at] !== ANGLE) return false;
    const count = this.length - this.#rowFirst;
    const endOf = (start: number) => Math.min(to, start + count);
    // A blank after the bar belongs to the frame if only then the text fits.
    const isInner = text[at + 1] === BLANK &&
      !this.#isText(text, at + 1, endOf(at + 1)) &&
      this.#isText(text, at + 2, endOf(at + 2));
    const start = isInner ? at + 2 : at + 1;
    this.#setColumn(start, endOf(start));
    return true;
  }

  /** Finds an unframed column of text: at the end, where the last row has it, or after two blanks. One blank is enough before a column of all bytes, as in `curl --trace`. */
  #findColumn(text: Uint8Array, before: number, to: number): boolean {
    const count = this.length - this.#rowFirst;
    const first = skipBlanks(text, before, to);
    const known = this.#line + this.#column;
    const end = to - count;
    // In an incomplete line, blanks alone prove nothing.
    const places = !this.#isOpen
      ? [end, known, before + 2, first]
      : first < to
      ? [known, before + 2, first]
      : this.#column > 0
      ? [known]
      : [];
    const start = places.find((place) =>
      place - before >= (place === end || this.#isOpen ? 1 : 2) && place < to &&
      skipBlanks(text, before, place) === place &&
      this.#isText(text, place, to)
    );
    if (start === undefined) return false;
    this.#setColumn(start, to);
    return true;
  }

  /** Whether the rest of a line may be the text of the current row. */
  #isText(text: Uint8Array, from: number, to: number): boolean {
    const first = this.#rowFirst;
    if (to - from > this.length - first) return false;
    for (let at = from; at < to; at++) {
      const byte = this.bytes[first + at - from];
      const isPrintable = byte >= BLANK && byte < 0x7f;
      // Other bytes are shown as a character such as a dot, but never as a digit.
      if (isPrintable ? byte !== text[at] : HEX[text[at]] < 16) return false;
    }
    return true;
  }

  #setColumn(from: number, to: number): void {
    const row = this.#firsts.length - 1;
    this.#textStarts[row] = from;
    this.#textEnds[row] = to;
    if (!this.#isOpen) this.#column = from - this.#line;
  }

  #addGap(): void {
    if (this.length > 0) this.#put(GAP, 0, 0, 0);
  }

  #put(byte: number, start: number, end: number, wordStart: number): void {
    const at = this.length++;
    if (at === this.bytes.length) {
      this.bytes = growArray(this.bytes, at + 1) as Uint8Array<ArrayBuffer>;
      this.starts = growArray(this.starts, at + 1);
      this.ends = growArray(this.ends, at + 1);
      this.wordStarts = growArray(this.wordStarts, at + 1);
      this.#rowOf = growArray(this.#rowOf, at + 1);
    }
    this.bytes[at] = byte;
    this.starts[at] = start;
    this.ends[at] = end;
    this.wordStarts[at] = wordStart;
    this.#rowOf[at] = this.#firsts.length - 1;
  }
}

/** Whether a hyphen joins two numbers, as OpenSSL writes in the middle of a row. */
function isHyphen(text: Uint8Array, at: number): boolean {
  return text[at] === MINUS && HEX[text[at + 1]] < 16;
}
