import { GAP, MAX_CODE_BYTES, NORMAL, QUOTE } from "./escapes.ts";
import {
  BLANK,
  DOLLAR,
  isIgnored,
  type MarkList,
  MAX_SIDE_BYTES,
  startsQuotes,
} from "./marks.ts";
import type { NeedleSet } from "./needle_set.ts";
import { MIN_GRAM_NEEDLE_BYTES, MIN_GRAMS } from "./scanner.ts";
import { growArray, holdsGrams, wordAt } from "./word_index.ts";

/** Number of bytes on each side of a mark that show whether a needle may span it. */
const SIDE_BYTES = MIN_GRAM_NEEDLE_BYTES - 1;

/** Maximum number of marks whose decoded sizes are added up. */
const MAX_FEW_MARKS = 4;

/** In the two tables below, the value of bytes that do not always count as one byte. */
const SPECIAL = 0x100;

/** Decoded form of each byte, with escapes undone, and with lines joined as well. */
const UNESCAPED = createFormTable(false);
const JOINED = createFormTable(true);

/**
 * A stretch of a text in its normal form: escapes are undone and, optionally, line
 * breaks, blanks and quotes are removed.
 */
export class DecodedText {
  /** Number of bytes. */
  length = 0;
  /** The bytes, and where in the text each of them starts and ends. */
  bytes: Uint8Array<ArrayBuffer> = new Uint8Array(512);
  starts: Int32Array = new Int32Array(512);
  ends: Int32Array = new Int32Array(512);

  /**
   * Decodes a stretch.
   *
   * @param text The text.
   * @param marks Its marks.
   * @param from Where the stretch starts; not within a mark.
   * @param to Where it ends; not within a mark.
   * @param isJoined Whether lines are joined, and blanks and quotes left out.
   */
  decode(
    text: Uint8Array,
    marks: MarkList,
    from: number,
    to: number,
    isJoined: boolean,
  ): void {
    this.length = 0;
    this.append(text, marks, from, to, isJoined);
  }

  /** Adds a stretch to the decoded text. */
  append(
    text: Uint8Array,
    marks: MarkList,
    from: number,
    to: number,
    isJoined: boolean,
  ): void {
    // No escape is shorter than its value.
    this.#reserve(to - from + 4);
    let at = from;
    for (let mark = marks.firstAfter(from); mark < marks.count; mark++) {
      const start = marks.starts[mark];
      if (start >= to) break;
      this.#addPlain(text, at, start, isJoined);
      const end = at = marks.ends[mark];
      let value = marks.values[mark];
      for (let i = marks.sizes[mark]; i > 0; i--) {
        this.#add(value & 0xff, start, end, isJoined);
        value >>>= 8;
      }
    }
    this.#addPlain(text, at, to, isJoined);
  }

  /** The bytes as a searchable text. */
  view(): Uint8Array<ArrayBuffer> {
    return this.bytes.subarray(0, this.length);
  }

  /**
   * Returns which byte of a needle is the first one that is masked.
   *
   * @param first First byte of the needle.
   * @param lost Number of bytes before an early break that may have been printed.
   */
  firstShown(first: number, lost: number): number {
    const { starts, ends, length } = this;
    let shown = first;
    for (let at = first; at < first + lost && at + 1 < length; at++) {
      if (starts[at + 1] > ends[at] || starts[at] < 0) shown = at + 1;
    }
    return shown;
  }

  /** Where the byte at a place starts in the text; of several quotes, the last one. */
  getStart(marks: MarkList, at: number): number {
    if (this.bytes[at] !== QUOTE) return this.starts[at];
    const end = this.ends[at];
    const mark = marks.firstAfter(end - 1);
    const isMark = mark < marks.count && marks.ends[mark] === end;
    return isMark ? marks.starts[mark] : end - 1;
  }

  /** Where the byte at a place ends in the text; of several quotes, the first one. */
  getEnd(marks: MarkList, at: number): number {
    if (this.bytes[at] !== QUOTE) return this.ends[at];
    const start = this.starts[at];
    const mark = marks.firstAfter(start);
    const isMark = mark < marks.count && marks.starts[mark] === start;
    return isMark ? marks.ends[mark] : start + 1;
  }

  /** Same as adding each byte, but without calls, because most text is plain. */
  #addPlain(text: Uint8Array, from: number, to: number, isJoined: boolean) {
    const { bytes, starts, ends } = this;
    let { length } = this;
    for (let at = from; at < to; at++) {
      const byte = text[at];
      if (byte === DOLLAR && startsQuotes(text, at)) continue;
      const normal = NORMAL[byte];
      if (isJoined) {
        if (byte === BLANK || isIgnored(normal)) continue;
      } else if (
        normal === QUOTE && length > 0 && bytes[length - 1] === QUOTE
      ) {
        ends[length - 1] = at + 1;
        continue;
      }
      if (length > 0 && at - ends[length - 1] > MAX_CODE_BYTES) {
        bytes[length] = GAP;
        starts[length] = ends[length] = at;
        length++;
      }
      bytes[length] = normal;
      starts[length] = at;
      ends[length] = at + 1;
      length++;
    }
    this.length = length;
  }

  #add(byte: number, start: number, end: number, isJoined: boolean): void {
    const at = this.length;
    if (isJoined) {
      if (isIgnored(byte)) return;
    } else if (byte === QUOTE && at > 0 && this.bytes[at - 1] === QUOTE) {
      this.ends[at - 1] = end;
      return;
    }
    if (at > 0 && start - this.ends[at - 1] > MAX_CODE_BYTES) {
      this.#put(GAP, start, start);
    }
    this.#put(byte, start, end);
  }

  #put(byte: number, start: number, end: number): void {
    const at = this.length++;
    this.bytes[at] = byte;
    this.starts[at] = start;
    this.ends[at] = end;
  }

  #reserve(count: number): void {
    const length = this.length + count;
    this.bytes = growArray(this.bytes, length) as Uint8Array<ArrayBuffer>;
    this.starts = growArray(this.starts, length);
    this.ends = growArray(this.ends, length);
  }
}

/**
 * Determines which marks of a window a needle may span: hardly any in ordinary
 * text. The bytes around marks are looked up among the four-byte parts of
 * needles.
 */
export class MarkGate {
  /** Decoded text around a mark, with its positions. */
  readonly sample: DecodedText = new DecodedText();
  /** The same without positions, which are rarely needed. */
  #bytes: Uint8Array = new Uint8Array(256);
  #length = 0;
  /** Where these bytes start, and the first mark after that. */
  #start = 0;
  #firstMark = 0;
  readonly #marks: MarkList;
  #needles: NeedleSet;
  #window: Uint8Array = new Uint8Array();
  #isLast = false;

  /**
   * Creates a gate.
   *
   * @param marks The marks of each window.
   * @param needles Needles to search for.
   */
  constructor(marks: MarkList, needles: NeedleSet) {
    this.#marks = marks;
    this.#needles = needles;
  }

  /**
   * Moves on to the next window.
   *
   * @param window The window, whose marks have been found.
   * @param isLast Whether the text ends after the window.
   * @param needles Needles to search for.
   */
  open(window: Uint8Array, isLast: boolean, needles: NeedleSet): void {
    this.#window = window;
    this.#isLast = isLast;
    this.#needles = needles;
  }

  /** Where {@linkcode SIDE_BYTES} of joined text end at the beginning of the window; negative if it has too little. */
  startEnd(): number {
    return this.#sideEnd(0, 0, JOINED);
  }

  /** Whether an escape may be undone within a needle. */
  isRelevant(mark: number): boolean {
    const { values, sizes } = this.#marks;
    return sizes[mark] !== 1 || this.#needles.grams.bytes[values[mark]] !== 0;
  }

  /**
   * Quickly rules out most marks of a log with colors: neither the bytes before nor
   * those after are part of a needle.
   *
   * @param first Number of the first mark.
   * @param last Number of the last one.
   */
  isClear(first: number, last: number): boolean {
    const { starts, ends, sizes, count, limit } = this.#marks;
    const needles = this.#needles;
    if (last - first >= MAX_FEW_MARKS || needles.grams.pairs !== undefined) {
      return false;
    }
    const from = starts[first];
    const to = ends[last];
    const min = first > 0 ? ends[first - 1] : 0;
    const max = last + 1 < count ? starts[last + 1] : limit;
    if (from - 4 < min || to + 4 > max) return false;
    let size = to - from;
    for (let mark = first; mark <= last; mark++) {
      size += sizes[mark] - ends[mark] + starts[mark];
    }
    // In a longer text, a needle may have fewer than four bytes on both sides.
    if (size + 2 * 3 >= MIN_GRAM_NEEDLE_BYTES) return false;
    const window = this.#window;
    for (let at = 0; at < 4; at++) {
      if (JOINED[window[from - 1 - at]] >= SPECIAL) return false;
      if (JOINED[window[to + at]] >= SPECIAL) return false;
    }
    const grams = needles.grams.filter;
    return !grams.mayHave(wordAt(window, from - 4, 4)) &&
      !grams.mayHave(wordAt(window, to, 4));
  }

  /**
   * Checks whether a needle may span marks.
   *
   * @param first Number of the first mark.
   * @param last Number of the last one.
   * @param isJoined Whether lines are joined.
   */
  isSuspect(first: number, last: number, isJoined: boolean): boolean {
    const forms = isJoined ? JOINED : UNESCAPED;
    const end = this.#sideEnd(this.#marks.ends[last], last + 1, forms);
    if (end < 0 && !this.#isLast) return true;
    this.#findSideStart(first, forms);
    const { limit } = this.#marks;
    this.#sample(this.#firstMark, this.#start, end < 0 ? limit : end, forms);
    return this.holdsGrams(this.#bytes, this.#length) ||
      !isJoined && this.#holdsShortPairs();
  }

  /** Finds where {@linkcode SIDE_BYTES} of decoded text before a mark start, and the first mark in them. */
  #findSideStart(first: number, forms: Uint16Array): void {
    const window = this.#window;
    const { starts, ends } = this.#marks;
    let at = starts[first];
    let mark = first;
    let markEnd = mark > 0 ? ends[mark - 1] : -1;
    let max = MAX_SIDE_BYTES;
    for (let rest = SIDE_BYTES; rest > 0 && at > 0 && max > 0; max--) {
      if (at === markEnd) {
        mark--;
        at = starts[mark];
        markEnd = mark > 0 ? ends[mark - 1] : -1;
        rest -= this.#countText(mark, forms);
      } else if (forms[window[--at]] < SPECIAL) rest--;
    }
    this.#start = at;
    this.#firstMark = mark;
  }

  /** Finds where {@linkcode SIDE_BYTES} of text after a position end; negative if the known text ends too early. */
  #sideEnd(from: number, next: number, forms: Uint16Array): number {
    const window = this.#window;
    const { starts, ends, count, limit } = this.#marks;
    let at = from;
    let mark = next;
    let markStart = mark < count ? starts[mark] : -1;
    let max = MAX_SIDE_BYTES;
    let rest = SIDE_BYTES;
    for (; rest > 0 && at < limit && max > 0; max--) {
      if (at === markStart) {
        at = ends[mark];
        rest -= this.#countText(mark, forms);
        mark++;
        markStart = mark < count ? starts[mark] : -1;
      } else if (forms[window[at++]] < SPECIAL) rest--;
    }
    return rest > 0 && at === limit ? -1 : at;
  }

  /** Counts the decoded bytes of a mark that always count as text. */
  #countText(mark: number, forms: Uint16Array): number {
    const { values, sizes } = this.#marks;
    const size = sizes[mark];
    if (size !== 1) return size;
    if (forms === UNESCAPED) return values[mark] === QUOTE ? 0 : 1;
    return isIgnored(values[mark]) ? 0 : 1;
  }

  /** Decodes a stretch like {@linkcode DecodedText}, but without positions and gaps. */
  #sample(first: number, from: number, to: number, forms: Uint16Array): void {
    const { starts, ends, values, sizes, count } = this.#marks;
    const isJoined = forms === JOINED;
    const room = to - from + 4;
    if (this.#bytes.length < room) this.#bytes = growArray(this.#bytes, room);
    const bytes = this.#bytes;
    this.#length = 0;
    let at = from;
    for (let mark = first; mark < count && starts[mark] < to; mark++) {
      this.#addPlain(at, starts[mark], forms);
      at = ends[mark];
      let value = values[mark];
      for (let rest = sizes[mark]; rest > 0; rest--) {
        const byte = value & 0xff;
        value >>>= 8;
        if (isJoined ? !isIgnored(byte) : !this.#isSameQuote(byte)) {
          bytes[this.#length++] = byte;
        }
      }
    }
    this.#addPlain(at, to, forms);
  }

  #addPlain(from: number, to: number, forms: Uint16Array): void {
    const window = this.#window;
    const bytes = this.#bytes;
    let length = this.#length;
    for (let at = from; at < to; at++) {
      const form = forms[window[at]];
      if (form < SPECIAL) bytes[length++] = form;
      else if (window[at] === DOLLAR) {
        if (!startsQuotes(window, at)) bytes[length++] = DOLLAR;
      } else if (
        forms === UNESCAPED && (length === 0 || bytes[length - 1] !== QUOTE)
      ) bytes[length++] = QUOTE;
    }
    this.#length = length;
  }

  /** Whether a byte is a quote that follows another quote. */
  #isSameQuote(byte: number): boolean {
    const length = this.#length;
    return byte === QUOTE && length > 0 && this.#bytes[length - 1] === QUOTE;
  }

  /** Checks whether a text contains as many consecutive grams of needles as the shortest needle has. */
  holdsGrams(bytes: Uint8Array, length: number): boolean {
    return holdsGrams(bytes, length, this.#needles.grams.filter, MIN_GRAMS);
  }

  #holdsShortPairs(): boolean {
    const pairs = this.#needles.grams.pairs;
    if (pairs === undefined) return false;
    const bytes = this.#bytes;
    const length = this.#length;
    for (let at = 0; at + 3 <= length; at++) {
      if (
        pairs[bytes[at] << 8 | bytes[at + 1]] !== 0 &&
        pairs[bytes[at + 1] << 8 | bytes[at + 2]] !== 0
      ) return true;
    }
    return false;
  }
}

function createFormTable(isJoined: boolean): Uint16Array {
  const forms = Uint16Array.from(NORMAL);
  for (let byte = 0; byte < forms.length; byte++) {
    const isSpecial = byte === DOLLAR || NORMAL[byte] === QUOTE ||
      isJoined && isSpace(byte);
    if (isSpecial) forms[byte] = SPECIAL;
  }
  return forms;
}

/** Whether a byte is whitespace. */
function isSpace(byte: number): boolean {
  return byte === BLANK || byte >= 9 && byte <= 13;
}

/**
 * Whether a part of a window contains an escape or a line break. Without one, the
 * part was searched as it is.
 */
export function holdsMark(
  marks: MarkList,
  from: number,
  to: number,
  kind: number,
): boolean {
  const { starts, kinds, count } = marks;
  let mark = marks.firstAfter(from);
  for (; mark < count && starts[mark] < to; mark++) {
    if ((kinds[mark] & kind) !== 0) return true;
  }
  return false;
}

/** Start of the mark that contains a position; the position itself in other text. */
export function markStart(marks: MarkList, at: number): number {
  const mark = marks.firstAfter(at);
  return mark < marks.count ? Math.min(at, marks.starts[mark]) : at;
}
