import { joinBytes } from "../../bytes.ts";
import {
  DumpLines,
  isPlainOffset,
  NO_ROW,
  numberEnd,
  OPEN_PREFIX,
  ROW_START_BYTES,
  rowAt,
  skipBlanks,
} from "./dump_lines.ts";
import {
  DumpedBytes,
  MAX_SKIPPED_LINES,
  type Notation,
} from "./dumped_bytes.ts";
import type { NeedleSet } from "./needle_set.ts";
import type { RangeSink } from "./ranges.ts";
import { MIN_GRAMS } from "./scanner.ts";
import { holdsGrams } from "./word_index.ts";

/** Number of printed bytes to search again, which hold the rows of a needle, and maximum length of a row. */
const [CONTEXT_BYTES, MAX_ROW_BYTES] = [2560, 8192];

/** Maximum length of text after the last byte of a row, such as its column of text, before the next row. */
const MAX_DISTANCE = 2048;

const [LF, COLON] = [10, 0x3a];

const NOTHING = new Uint8Array();

/** Without offsets, only common notations are read: most numbers in a log are not bytes. */
const NOTATIONS: readonly Notation[] = [
  { radix: 16, isLittleEndian: false, hasOffset: true },
  { radix: 16, isLittleEndian: true, hasOffset: true },
  { radix: 16, isLittleEndian: false, hasOffset: false },
  { radix: 16, isLittleEndian: true, hasOffset: false },
  { radix: 8, isLittleEndian: true, hasOffset: true },
  { radix: 8, isLittleEndian: false, hasOffset: true },
  { radix: 10, isLittleEndian: true, hasOffset: true },
  { radix: 10, isLittleEndian: false, hasOffset: true },
  { radix: 2, isLittleEndian: false, hasOffset: true },
  { radix: 0, isLittleEndian: false, hasOffset: true },
  { radix: 0, isLittleEndian: false, hasOffset: false },
];

/**
 * Finds secrets in hex dumps: rows of `xxd`, `hexdump`, `od` and the like, with
 * an offset before the bytes, and a column of text after them.
 *
 * The bytes of consecutive rows are joined, in each notation in which the rows
 * can be read: words of any size, either byte first, in hexadecimal, octal,
 * decimal or binary digits, or as characters. What is found is masked among the
 * digits and in the column of text.
 *
 * Only lines that begin like a row are searched. The last printed rows are searched
 * again with the next window.
 */
export class DumpRows {
  /** Printed part of the last line if it may be a row, and the rows before it. */
  #context: Uint8Array = new Uint8Array();
  /** Whether a line starts with the context, or with the window if that is empty. */
  #isLineKnown = true;
  readonly #lines = new DumpLines();
  readonly #dump = new DumpedBytes();
  /** Number of printed bytes before the window in the searched text. */
  #shift = 0;
  #heldFrom = 0;
  /** Whether the window may contain a row. */
  #isSearched = false;
  /** Whether a needle was found, whose text may still have to be masked. */
  #isFound = false;

  /**
   * Finds needles in rows.
   *
   * @param window The window.
   * @param isLast Whether the text ends after the window.
   * @param starts Where lines start in it that look like rows, in order.
   * @param needles Needles to search for.
   * @param ranges Receives the ranges of needles.
   * @returns Start of a part that may still become a needle; the length of the
   * window if there is none.
   */
  find(
    window: Uint8Array,
    isLast: boolean,
    starts: readonly number[],
    needles: NeedleSet,
    ranges: RangeSink,
  ): number {
    this.#heldFrom = window.length;
    this.#isFound = this.#isSearched = false;
    const isRowAtStart = this.#isRowAtStart(window);
    const openLine = this.#openRow(window);
    let done = -Infinity;
    const searchRows = (text: Uint8Array, rows: readonly number[]) => {
      const shift = text === window ? 0 : this.#context.length;
      for (const row of rows) {
        if (row - shift < done) continue;
        const end = this.#regionEnd(text, row);
        done = end - shift;
        const isEnd = done === window.length && !isLast;
        this.#search(text, row, end, shift, isEnd, needles, ranges);
      }
    };
    if (isRowAtStart) {
      // Copying the whole window would take longer than everything else.
      const start = window.subarray(0, this.#regionEnd(window, 0, 1));
      const text = joinBytes([this.#context, start]);
      searchRows(text, this.#findRows(text));
    }
    searchRows(window, starts);
    if (openLine >= 0) searchRows(window, [openLine]);
    return this.#heldFrom;
  }

  /**
   * Remembers the printed part of a window.
   *
   * @param window The window.
   * @param heldFrom Where its printed part ends.
   */
  remember(window: Uint8Array, heldFrom: number): void {
    if (heldFrom === 0) return;
    if (!this.#isSearched && heldFrom >= ROW_START_BYTES) {
      return this.#rememberStart(window.subarray(0, heldFrom));
    }
    const text = this.#lastLines(window, heldFrom);
    if (text === undefined) {
      this.#isLineKnown = false;
      this.#context = new Uint8Array();
      return;
    }
    const { length } = text;
    const line = lineStart(text, length);
    let from = line;
    if (this.#isFound) {
      from = lineStart(text, Math.max(0, length - CONTEXT_BYTES));
    } else if (this.#isAfterRow(text, line)) from = linesBefore(text, line);
    // The known part of a line may be too short to recognize a row.
    const isOther = from === line && line < length &&
      this.#lines.classifyLine(text, line) === NO_ROW;
    this.#isLineKnown = !isOther && from >= 0 && length - from <= MAX_ROW_BYTES;
    this.#context = this.#isLineKnown ? text.slice(from) : new Uint8Array();
  }

  /** Remembers the last line if too little of it is known; otherwise, it is not a row. */
  #rememberStart(printed: Uint8Array): void {
    let line = printed.length;
    const min = line - ROW_START_BYTES;
    while (line > min && printed[line - 1] !== LF) line--;
    this.#isLineKnown = line > min;
    this.#context = this.#isLineKnown ? printed.slice(line) : NOTHING;
  }

  /** The last lines that were printed, from the start of one on; `undefined` if none starts there. */
  #lastLines(window: Uint8Array, heldFrom: number): Uint8Array | undefined {
    const printed = window.subarray(0, heldFrom);
    const from = lineStart(printed, Math.max(0, heldFrom - CONTEXT_BYTES));
    if (from > 0) return printed.subarray(from);
    if (from === 0 && this.#isLineKnown) {
      const context = this.#context;
      return context.length > 0 ? joinBytes([context, printed]) : printed;
    }
    const lineBreak = printed.indexOf(LF);
    return lineBreak < 0 ? undefined : printed.subarray(lineBreak + 1);
  }

  /** Whether a row may continue or begin at the start of the window. */
  #isRowAtStart(window: Uint8Array): boolean {
    const context = this.#context;
    if (!this.#isLineKnown) return false;
    const isAfterRow = context.includes(LF);
    if (isAfterRow || context.length >= ROW_START_BYTES) return true;
    const start = joinBytes([context, window.subarray(0, ROW_START_BYTES)]);
    return this.#lines.classifyLine(start, 0) !== NO_ROW;
  }

  #search(
    text: Uint8Array,
    from: number,
    to: number,
    shift: number,
    isEnd: boolean,
    needles: NeedleSet,
    ranges: RangeSink,
  ): void {
    this.#isSearched = true;
    this.#shift = shift;
    const lines = this.#lines;
    lines.read(text, from, to);
    const view = lines.view();
    const withOffset = checkOffsets(view);
    for (const notation of NOTATIONS) {
      if (notation.hasOffset ? !withOffset.some : withOffset.all) continue;
      this.#dump.read(lines, isEnd, notation);
      this.#mask(needles, ranges);
      if (isEnd) this.#hold(view.length, needles);
    }
  }

  #mask(needles: NeedleSet, ranges: RangeSink): void {
    const dump = this.#dump;
    const { filter, pairs } = needles.grams;
    const mayHold = pairs !== undefined ||
      holdsGrams(dump.bytes, dump.length, filter, MIN_GRAMS);
    if (!mayHold) return;
    needles.find(dump.view(dump.length), {
      add: (start, end) => {
        this.#isFound = true;
        dump.forEachPlace(start, end, (from, to) => {
          this.#addRange(from, to, ranges);
        });
      },
    });
  }

  /** Adds a part of the lines, without the codes for a terminal in it. */
  #addRange(from: number, to: number, ranges: RangeSink): void {
    const { places } = this.#lines;
    for (let at = from; at < to; at++) {
      const start = places[at] - this.#shift;
      while (at + 1 < to && places[at + 1] === places[at] + 1) at++;
      const end = places[at] + 1 - this.#shift;
      if (end > 0) ranges.add(Math.max(0, start), end);
    }
  }

  /** Holds back bytes that may continue in the next row. */
  #hold(to: number, needles: NeedleSet): void {
    const dump = this.#dump;
    const open = dump.openFrom(needles.grams.bytes);
    if (open >= 0 && to - open <= MAX_DISTANCE) this.#holdFrom(open);
    if (dump.isOver || dump.distance(to) > MAX_DISTANCE) return;
    for (const length of dump.lengths) {
      const partial = needles.partialFrom(dump.view(length));
      if (partial < length) this.#holdFrom(dump.wordStarts[partial]);
    }
  }

  #holdFrom(at: number): void {
    const place = this.#lines.places[at] - this.#shift;
    this.#heldFrom = Math.min(this.#heldFrom, Math.max(0, place));
  }

  /** Finds where rows start in a text. */
  #findRows(text: Uint8Array): number[] {
    const rows: number[] = [];
    for (let line = 0; line >= 0 && line < text.length;) {
      if (this.#lines.classifyLine(text, line) !== NO_ROW) rows.push(line);
      const lineBreak = text.indexOf(LF, line);
      line = lineBreak < 0 ? -1 : lineBreak + 1;
    }
    return rows;
  }

  /** End of the lines that may belong together, starting with a row. */
  #regionEnd(text: Uint8Array, from: number, moreLines = 0): number {
    let skipped = -moreLines;
    let line = from;
    while (line < text.length && skipped <= MAX_SKIPPED_LINES) {
      const isRow = this.#lines.classifyLine(text, line) !== NO_ROW;
      skipped = isRow ? 0 : skipped + 1;
      const lineBreak = text.indexOf(LF, line);
      line = lineBreak < 0 ? text.length : lineBreak + 1;
    }
    return line;
  }

  /** Where the last line of a text starts if it may be a row; negative otherwise. */
  #openRow(text: Uint8Array): number {
    const from = Math.max(0, text.length - ROW_START_BYTES);
    const line = text.subarray(from).lastIndexOf(LF) + 1 + from;
    if (line === from || line === text.length) return -1;
    const kind = this.#lines.classifyLine(text, line);
    return kind === NO_ROW || kind === OPEN_PREFIX ? -1 : line;
  }

  /** Whether a line may be a row, or few lines are between it and one. */
  #isAfterRow(text: Uint8Array, from: number): boolean {
    let line = from;
    for (let skipped = 0; skipped <= MAX_SKIPPED_LINES + 1; skipped++) {
      const isRow = line < text.length &&
        this.#lines.classifyLine(text, line) !== NO_ROW;
      if (isRow) return true;
      if (line <= 0) return false;
      line = lineStart(text, line - 1);
    }
    return false;
  }
}

/** Checks whether some lines, and whether all lines that begin like a row, may begin with an offset. */
function checkOffsets(text: Uint8Array) {
  const withOffset = { some: false, all: true };
  const to = text.length;
  for (let line = 0; line < to;) {
    const lineBreak = text.indexOf(LF, line);
    const lineEnd = lineBreak < 0 ? to : lineBreak;
    const end = numberEnd(text, skipBlanks(text, line, lineEnd), lineEnd);
    const isOther = text[end] !== COLON;
    if (!isOther || isPlainOffset(text, line, lineEnd)) withOffset.some = true;
    if (isOther && rowAt(text, line) !== NO_ROW) withOffset.all = false;
    line = lineEnd + 1;
  }
  return withOffset;
}

/** Where the lines start that may be between a row and the next one. */
function linesBefore(text: Uint8Array, from: number): number {
  let line = from;
  for (let count = 0; count <= MAX_SKIPPED_LINES && line > 0; count++) {
    line = lineStart(text, line - 1);
  }
  return line;
}

/** Where the line starts that a place is in; negative if that is too far away. */
function lineStart(text: Uint8Array, at: number): number {
  if (at === 0) return 0;
  const min = Math.max(0, at - MAX_ROW_BYTES);
  const lineBreak = text.subarray(min, at).lastIndexOf(LF);
  return lineBreak < 0 && min > 0 ? -1 : min + lineBreak + 1;
}
