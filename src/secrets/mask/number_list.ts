import { byteTable, LETTERS_AND_DIGITS } from "../../bytes.ts";
import { GAP, HEX } from "./escapes.ts";
import { growArray, holdsGrams, type WordFilter } from "./word_index.ts";

/** Maximum number of bytes between two numbers of a list. */
const MAX_SEPARATOR_BYTES = 10;

/** Maximum number of letters and digits of a number, and of backslashes before them. */
const [MAX_LETTERS, MAX_BACKSLASHES] = [4, 4];

/** Maximum number of bytes of a number: backslashes with `x2f`. */
const MAX_NUMBER_BYTES = MAX_BACKSLASHES + 3;

/** Number of bytes of a text that show to which list the next number belongs. */
export const TAIL_BYTES = 2 * (MAX_NUMBER_BYTES + MAX_SEPARATOR_BYTES);

/** Ways to write a byte as a number. */
export const RADIXES = [16, 10, 8] as const;

export type Radix = (typeof RADIXES)[number];

const [ZERO, BACKSLASH] = [0x30, 0x5c];

/** Number of four-byte grams in the digits of five numbers. */
const NEARBY_GRAMS = 2 * 5 - 3;

/** Kinds of characters. */
const [OTHER, LETTER, SEPARATOR] = [0, 1, 2];
const KINDS = createKinds();

const DIGITS = new TextEncoder().encode("0123456789abcdef");

/**
 * The bytes that the numbers of a text encode, as hexadecimal digits: output of
 * `xxd -i`, `od` and `bytes.hex(":")`, and lists of numbers.
 *
 * A number has two hexadecimal digits, optionally after `0x` or `\x`, three octal
 * digits, or up to three decimal digits. Whitespace, quotes and punctuation separate
 * numbers; anything else ends a list.
 */
export class NumberList {
  /** Number of digits. */
  length = 0;
  /** The digits, and where in the text the number of each starts and ends. */
  bytes: Uint8Array<ArrayBuffer> = new Uint8Array(512);
  starts: Int32Array = new Int32Array(512);
  ends: Int32Array = new Int32Array(512);
  /** Start of a number at the end of the text that may continue; negative if there is none. */
  openFrom = -1;
  /** Whether the list may continue after the text. */
  isOpen = false;

  /** The digits as a searchable text. */
  view(): Uint8Array<ArrayBuffer> {
    return this.bytes.subarray(0, this.length);
  }

  /**
   * Reads the numbers of a text.
   *
   * @param text The text.
   * @param radix How numbers are written.
   * @param from Where to begin.
   * @param to Where to end.
   * @param isCut Whether it may begin within a number.
   * @param isWhole Whether a number ends where the text does.
   */
  read(
    text: Uint8Array,
    radix: Radix,
    from: number,
    to: number,
    isCut: boolean,
    isWhole: boolean,
  ): void {
    this.length = 0;
    this.openFrom = -1;
    let at = from;
    if (isCut) { while (at < to && KINDS[text[at]] === LETTER) at++; }
    let isBroken = true;
    let separatorBytes = 0;
    while (at < to) {
      const kind = KINDS[text[at]];
      if (kind === SEPARATOR) {
        separatorBytes++;
        at++;
        continue;
      }
      const start = at;
      while (at < to && text[at] === BACKSLASH) at++;
      const first = at;
      while (at < to && KINDS[text[at]] === LETTER) at++;
      if (at === start) at++;
      const isOpen = at === to && !isWhole;
      if (isOpen && at - first <= MAX_LETTERS) {
        this.openFrom = start;
        break;
      }
      const byte = isOpen ? -1 : parseByte(text, start, first, at, radix);
      if (byte < 0) isBroken = true;
      else {
        isBroken ||= separatorBytes === 0 ||
          separatorBytes > MAX_SEPARATOR_BYTES;
        if (isBroken && this.length > 0) this.#put(GAP, start, start);
        this.#put(DIGITS[byte >> 4], start, at);
        this.#put(DIGITS[byte & 15], start, at);
        isBroken = false;
      }
      separatorBytes = 0;
    }
    this.isOpen = !isBroken && separatorBytes <= MAX_SEPARATOR_BYTES &&
      (separatorBytes > 0 || this.openFrom < 0);
  }

  #put(byte: number, start: number, end: number): void {
    const at = this.length++;
    if (at === this.bytes.length) {
      this.bytes = growArray(this.bytes, at + 1) as Uint8Array<ArrayBuffer>;
      this.starts = growArray(this.starts, at + 1);
      this.ends = growArray(this.ends, at + 1);
    }
    this.bytes[at] = byte;
    this.starts[at] = start;
    this.ends[at] = end;
  }
}

/** The numbers around a place. */
const nearby = new NumberList();

/** Parses a number; returns a negative number for other words. */
function parseByte(
  text: Uint8Array,
  start: number,
  first: number,
  end: number,
  radix: Radix,
): number {
  const length = end - first;
  if (first > start) {
    const isNumber = radix === 16 && length === 3 && isX(text[first]) &&
      first - start <= MAX_BACKSLASHES;
    return isNumber ? parseDigits(text, first + 1, end, 16) : -1;
  }
  if (radix !== 16) {
    const isNumber = length === 3 || radix === 10 && length < 3;
    return isNumber ? parseDigits(text, first, end, radix) : -1;
  }
  if (length === 2) return parseDigits(text, first, end, 16);
  const isPrefixed = length === 4 && text[first] === ZERO &&
    isX(text[first + 1]);
  return isPrefixed ? parseDigits(text, first + 2, end, 16) : -1;
}

function parseDigits(
  text: Uint8Array,
  from: number,
  to: number,
  radix: Radix,
): number {
  let value = 0;
  for (let at = from; at < to; at++) {
    const digit = HEX[text[at]];
    if (digit >= radix) return -1;
    value = value * radix + digit;
  }
  return value < 256 ? value : -1;
}

function isX(byte: number): boolean {
  return (byte | 0x20) === 0x78;
}

/**
 * Checks whether a number, and two on each side of it, may be part of a needle.
 *
 * @param text The text.
 * @param at Where the digits of the number start.
 * @param grams Every four bytes of needles.
 */
export function mayBeListed(
  text: Uint8Array,
  at: number,
  grams: WordFilter,
): boolean {
  const from = at - 2 * (MAX_NUMBER_BYTES + MAX_SEPARATOR_BYTES);
  const to = at + 3 * (MAX_NUMBER_BYTES + MAX_SEPARATOR_BYTES);
  // The following text is not known yet.
  if (to > text.length) return true;
  const end = lettersEnd(text, at);
  const next = nextNumber(text, end);
  const nextEnd = lettersEnd(text, next);
  for (const radix of RADIXES) {
    const byte = byteAt(text, at, end, radix);
    if (byte < 0) continue;
    const nextByte = byteAt(text, next, nextEnd, radix);
    if (nextByte < 0 || !grams.mayHave(packDigits(byte, nextByte))) continue;
    const last = nextNumber(text, nextEnd);
    const lastByte = byteAt(text, last, lettersEnd(text, last), radix);
    if (lastByte < 0 || !grams.mayHave(packDigits(nextByte, lastByte))) {
      continue;
    }
    if (from < 0) return true;
    nearby.read(text, radix, from, to, true, false);
    if (holdsGrams(nearby.bytes, nearby.length, grams, NEARBY_GRAMS)) {
      return true;
    }
  }
  return false;
}

/** Where letters and digits end, or are too many for a number. */
function lettersEnd(text: Uint8Array, from: number): number {
  const max = from + MAX_NUMBER_BYTES + 1;
  let at = from;
  while (at < max && KINDS[text[at]] === LETTER) at++;
  return at;
}

/** Where the letters and digits of the next number start. */
function nextNumber(text: Uint8Array, from: number): number {
  let at = from;
  while (KINDS[text[at]] === SEPARATOR) at++;
  while (text[at] === BACKSLASH) at++;
  return at;
}

/** Value of letters and digits, optionally after backslashes. */
function byteAt(
  text: Uint8Array,
  from: number,
  to: number,
  radix: Radix,
): number {
  const start = text[from - 1] === BACKSLASH ? from - 1 : from;
  return parseByte(text, start, from, to, radix);
}

/** The four digits of two bytes, as a word. */
function packDigits(one: number, other: number): number {
  return DIGITS[one >> 4] | DIGITS[one & 15] << 8 | DIGITS[other >> 4] << 16 |
    DIGITS[other & 15] << 24;
}

/**
 * Finds a list of at least two numbers at the end of a text. The last number may be
 * incomplete.
 *
 * @param text The text.
 * @returns Where it starts; the length of the text if there is none.
 */
export function lastListStart(text: Uint8Array): number {
  const { length } = text;
  const end = separatorsStart(text, length);
  const last = numberStart(text, end);
  const start = listStart(text, last, 0);
  return last < end && start < last ? start : length;
}

/** Start of the list that contains a number, or the position up to which it is already known. */
function listStart(text: Uint8Array, from: number, known: number): number {
  let start = from;
  while (true) {
    const end = separatorsStart(text, start);
    const next = numberStart(text, end);
    // Text before it may belong to the list.
    if (end <= known) return known;
    if (end === start || next === end) return start;
    start = next;
  }
}

/** End of the list that contains a number, at most with the text that follows the list. */
function listEnd(text: Uint8Array, from: number): number {
  let at = from;
  while (at < text.length) {
    const end = lettersEnd(text, at);
    const next = nextNumber(text, end);
    if (end === at || end - at > MAX_LETTERS) return end;
    if (next === end || next - end > MAX_NUMBER_BYTES + MAX_SEPARATOR_BYTES) {
      return end;
    }
    at = next;
  }
  return text.length;
}

/** Where the separators start that end at a place; the place itself without any. */
function separatorsStart(text: Uint8Array, end: number): number {
  let at = end;
  const min = Math.max(0, end - MAX_SEPARATOR_BYTES);
  while (at > min && KINDS[text[at - 1]] === SEPARATOR) at--;
  return at;
}

/** The same for text that looks like a number. */
function numberStart(text: Uint8Array, end: number): number {
  let at = end;
  const min = Math.max(0, end - MAX_NUMBER_BYTES);
  while (at > min && isNumberPart(text[at - 1])) at--;
  return at;
}

function isNumberPart(byte: number): boolean {
  return HEX[byte] < 16 || isX(byte) || byte === BACKSLASH;
}

/** Parts of a text in which needles may be listed, in order. */
export class ListedParts {
  readonly #bounds: number[] = [];

  /** Number of parts. */
  get count(): number {
    return this.#bounds.length / 2;
  }

  /** Start and end of a part; the end may be after that of the text. */
  at(index: number): [from: number, to: number] {
    return [this.#bounds[2 * index], this.#bounds[2 * index + 1]];
  }

  clear(): void {
    this.#bounds.length = 0;
  }

  /** Adds a part, or makes the last one larger. */
  add(from: number, to: number): void {
    const bounds = this.#bounds;
    const last = bounds.length - 2;
    if (last < 0 || from > bounds[last + 1]) {
      bounds.push(Math.max(0, from), to);
      return;
    }
    // Some numbers are found a little late.
    bounds[last] = Math.max(0, Math.min(from, bounds[last]));
    bounds[last + 1] = Math.max(to, bounds[last + 1]);
  }

  /** Adds the list that a number belongs to. */
  addAround(text: Uint8Array, at: number): void {
    // Digits may have a prefix.
    const start = numberStart(text, at);
    const from = listStart(text, start, this.#endBefore(start));
    this.add(from - 1, listEnd(text, at) + 1);
  }

  /** End of the last part before a position, so that no number is read repeatedly. */
  #endBefore(at: number): number {
    // Some numbers are found late, when parts after them are already known.
    return this.#bounds.findLast((bound, side) =>
      side % 2 > 0 && bound <= at
    ) ??
      0;
  }

  /** Whether a place is in the last part. */
  has(at: number): boolean {
    const last = this.#bounds.length - 2;
    return last >= 0 && at >= this.#bounds[last] && at < this.#bounds[last + 1];
  }
}

/** Whether a byte may follow a number of a list. */
export function isSeparator(byte: number): boolean {
  return KINDS[byte] === SEPARATOR;
}

function createKinds(): Uint8Array {
  const separators = `\t\n\r "'*+,-./:;<=>?_|`;
  return byteTable(
    LETTERS_AND_DIGITS,
    LETTER,
    byteTable(separators, SEPARATOR, new Uint8Array(256).fill(OTHER)),
  );
}
