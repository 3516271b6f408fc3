import { byteTable, LETTERS_AND_DIGITS } from "../../bytes.ts";
import { HEX } from "./escapes.ts";

/** Maximum indentation of the lines of encoded text. */
const MAX_INDENT = 32;

const [LF, CR, TAB, BLANK] = [10, 13, 9, 32];

/** Value of characters that are not base64. */
const NO_DIGIT = 64;

/** The value of each character of base64, in both alphabets. */
const BASE64 = createBase64Values();

/** Kinds of bytes of a text, as bits: any byte of a text, and one that starts an escape. */
const TEXT = 1;
export const STARTS_ESCAPE = 2;

/** Kinds of each byte; 0 if it cannot be part of a text. */
const KINDS = createKinds();

/**
 * Possible roles of a character, as bits: the first, second or third of four base64
 * characters that encode text, the first of two hexadecimal digits that encode text,
 * or any hexadecimal digit.
 */
const [FIRST, SECOND, THIRD, UPPER, DIGIT] = [1, 2, 4, 8, 16];

/** The roles of each character. */
const ROLES = createRoles();

/** Roles of the first seven base64 characters of six bytes of text, four bits each. */
const SIX_BYTES = FIRST << 24 | SECOND << 20 | THIRD << 16 |
  FIRST << 8 | SECOND << 4 | THIRD;

/** Roles of 16 hexadecimal digits that encode eight bytes of text, one bit each. */
const [EIGHT_UPPERS, SIXTEEN_DIGITS] = [0xaaaa, 0xffff];

/** Ways to read a run: four alignments of base64, then two of hexadecimal digits. */
export const [BASE64_COUNT, DECODING_COUNT] = [4, 6];

/** Returns where each byte of a text starts and ends in the window. */
export interface Places {
  getStart(at: number): number;
  getEnd(at: number): number;
}

/** A run of characters in a text, and a part of it that was decoded. */
export class DecodedRun {
  /** The characters, without line breaks. */
  chars: Uint8Array<ArrayBuffer> = new Uint8Array();
  /** Whether there were line breaks. */
  isJoined = false;
  /** Where each line starts in the text, and in the characters. */
  readonly #lineStarts: number[] = [];
  readonly #lineChars: number[] = [];
  #lineCount = 0;
  /** The line that the last place was in. */
  #line = 0;
  #buffer: Uint8Array<ArrayBuffer> = new Uint8Array(256);
  /** Decoded bytes. */
  bytes: Uint8Array<ArrayBuffer> = new Uint8Array(256);
  length = 0;
  /** Kinds of the decoded bytes, and whether the text may continue after the run. */
  kinds = 0;
  isOpen = false;
  /** For each way, the character up to which the run was decoded. */
  readonly done: Int32Array = new Int32Array(DECODING_COUNT);
  /** Size of a group, first character that was decoded, and number of bytes omitted from its group. */
  #size = 4;
  #firstChar = 0;
  #skipped = 0;
  /** The places of the characters. */
  readonly charPlaces: Places;
  /** Positions of the decoded bytes. */
  readonly places: Places = {
    getStart: (at) => this.charPlaces.getStart(this.#findChar(at)),
    // The next character has the rest of the byte.
    getEnd: (at) => this.charPlaces.getEnd(this.#findChar(at) + 1),
  };

  /**
   * Creates an empty run.
   *
   * @param outer The places of the text that the run is in, if it was decoded.
   */
  constructor(outer?: Places) {
    this.charPlaces = {
      getStart: (at) => {
        const place = this.#findPlace(at);
        return outer === undefined ? place : outer.getStart(place);
      },
      getEnd: (at) => {
        const place = this.#findPlace(at);
        return outer === undefined ? place + 1 : outer.getEnd(place);
      },
    };
  }

  /**
   * Loads the run that starts or continues at a position of a text.
   *
   * @returns Where it ends; the end of the text if it may continue after it.
   */
  load(text: Uint8Array, from: number): number {
    const size = text.length;
    this.#lineCount = this.#line = 0;
    this.done.fill(0);
    if (this.#buffer.length < size) this.#buffer = new Uint8Array(size);
    const buffer = this.#buffer;
    let length = 0;
    let at = from;
    while (at < size && BASE64[text[at]] === NO_DIGIT) at++;
    let end = at;
    while (true) {
      // Emptied arrays would be allocated again.
      const line = this.#lineCount++;
      this.#lineStarts[line] = at;
      this.#lineChars[line] = length;
      for (; at < size && BASE64[text[at]] < NO_DIGIT; at++) {
        buffer[length++] = text[at];
      }
      end = at;
      at = nextLine(text, at);
      if (at === size) end = size;
      if (at === end || BASE64[text[at]] === NO_DIGIT) break;
    }
    this.isJoined = length < end - from;
    this.chars = buffer.subarray(0, length);
    return end;
  }

  /**
   * Finds characters that may encode text and have not been decoded yet.
   *
   * @param found Called with the way to read them, and the first character.
   */
  scan(found: (decoding: number, char: number) => void): void {
    const { chars, done } = this;
    let roles = 0;
    let uppers = 0;
    let digits = 0;
    for (let at = 0; at < chars.length; at++) {
      const role = ROLES[chars[at]];
      roles = roles << 4 | role & (FIRST | SECOND | THIRD);
      uppers = uppers << 1 | role >>> 3 & 1;
      digits = digits << 1 | role >>> 4;
      if ((roles & SIX_BYTES) === SIX_BYTES) {
        const char = at - 6;
        const decoding = char & 3;
        if (char >= done[decoding]) found(decoding, char);
      }
      const isHex = (uppers & EIGHT_UPPERS) === EIGHT_UPPERS &&
        (digits & SIXTEEN_DIGITS) === SIXTEEN_DIGITS;
      if (isHex) {
        const char = at - 15;
        const decoding = BASE64_COUNT + (char & 1);
        if (char >= done[decoding]) found(decoding, char);
      }
    }
  }

  /** Whether a character may start encoded text that has not been decoded yet. */
  mayBeText(decoding: number, char: number): boolean {
    const { chars } = this;
    const size = getGroupSize(decoding);
    return char >= this.done[decoding] && encodesText(chars, char, size) &&
      encodesText(chars, char + size, size);
  }

  /** First character of the last group; negative if it has been decoded. */
  lastGroup(decoding: number): number {
    const { length } = this.chars;
    const first = decoding < BASE64_COUNT ? decoding : decoding - BASE64_COUNT;
    if (first >= length || this.done[decoding] === length) return -1;
    const size = getGroupSize(decoding);
    return first + size * (Math.ceil((length - first) / size) - 1);
  }

  /**
   * Decodes the text around a character.
   *
   * @param decoding How to read the run.
   * @param place The character; it is the first one of a group.
   * @param isLast Whether to decode the last bytes of the run instead.
   */
  decode(decoding: number, place: number, isLast: boolean): void {
    const { chars } = this;
    const size = this.#size = getGroupSize(decoding);
    let at = place;
    while (at >= size && encodesText(chars, at - size, size)) at -= size;
    // The last bytes of the previous group may be text.
    if (at >= size) at -= size;
    this.#begin(at, 0);
    if (this.bytes.length < chars.length) {
      this.bytes = new Uint8Array(chars.length);
    }
    for (; at + 1 < chars.length; at += size) {
      const bits = readBits(chars, at, size);
      const count = size === 2 ? 1 : Math.min(3, chars.length - at - 1);
      for (let byte = 0; byte < count; byte++) {
        const value = bits >> 16 - 8 * byte & 0xff;
        const kinds = KINDS[value];
        if (kinds !== 0) {
          this.bytes[this.length++] = value;
          this.kinds |= kinds;
        } else if (at < place || isLast) {
          this.#begin(at, byte + 1);
        } else {
          this.isOpen = false;
          this.done[decoding] = at;
          return;
        }
      }
    }
    // A single hexadecimal digit is half of the next byte.
    this.isOpen = at === chars.length || size === 4 || HEX[chars[at]] < 16;
    this.done[decoding] = chars.length;
  }

  /** Decoded bytes, as a searchable text. */
  get view(): Uint8Array<ArrayBuffer> {
    return this.bytes.subarray(0, this.length);
  }

  #begin(firstChar: number, skipped: number): void {
    this.length = this.kinds = 0;
    this.#firstChar = firstChar;
    this.#skipped = skipped;
  }

  /** Index of the character at a position of the text. Positions must be ascending. */
  charAt(place: number): number {
    const starts = this.#lineStarts;
    const last = this.#lineCount - 1;
    while (this.#line < last && starts[this.#line + 1] <= place) this.#line++;
    return this.#lineChars[this.#line] + place - starts[this.#line];
  }

  /** Finds the first character that encodes a part of a byte. */
  #findChar(at: number): number {
    const byte = this.#skipped + at;
    const charCount = this.#size === 2 ? 2 * byte : byte + Math.floor(byte / 3);
    return this.#firstChar + charCount;
  }

  /** Finds the position of a character in the text. */
  #findPlace(char: number): number {
    let low = 0;
    let high = this.#lineCount - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (this.#lineChars[middle] <= char) low = middle;
      else high = middle - 1;
    }
    return this.#lineStarts[low] + char - this.#lineChars[low];
  }
}

/**
 * Finds the run that ends at a position, or continues there after a line break.
 *
 * @param reach Maximum number of bytes to search.
 * @returns Where it starts; the position itself if there is none.
 */
export function runStart(text: Uint8Array, end: number, reach: number): number {
  const min = Math.max(0, end - reach);
  let start = end;
  for (let at = end; at > min;) {
    if (BASE64[text[at - 1]] < NO_DIGIT) {
      start = --at;
      continue;
    }
    let before = at;
    while (before > min && isIndent(text[before - 1])) before--;
    if (at - before > MAX_INDENT || before === min) break;
    if (text[before - 1] === LF) {
      before--;
      if (before > min && text[before - 1] === CR) before--;
    } else if (text[before - 1] === CR) before--;
    else break;
    if (before === min || BASE64[text[before - 1]] === NO_DIGIT) break;
    at = before;
  }
  return start;
}

/**
 * Finds where the next line of a run starts after a line break.
 *
 * @returns Position after its indentation; that of the line break, if any, if the
 * line does not belong to a run.
 */
function nextLine(text: Uint8Array, lineEnd: number): number {
  let at = lineEnd;
  if (text[at] === CR) at++;
  if (text[at] === LF) at++;
  if (at === lineEnd) return at;
  const min = at;
  while (at < text.length && isIndent(text[at])) at++;
  return at - min > MAX_INDENT ? lineEnd : at;
}

/** Whether a character is one of base64. */
export function isInRun(char: number): boolean {
  return BASE64[char] < NO_DIGIT;
}

function isIndent(byte: number): boolean {
  return byte === BLANK || byte === TAB;
}

/** Returns the number of characters in a group. */
function getGroupSize(decoding: number): number {
  return decoding < BASE64_COUNT ? 4 : 2;
}

/** Whether a group of characters encodes bytes of a text. */
function encodesText(chars: Uint8Array, at: number, size: number): boolean {
  const bits = readBits(chars, at, size);
  const isFirst = KINDS[bits >> 16] !== 0;
  if (size === 2) return isFirst;
  return isFirst && KINDS[bits >> 8 & 0xff] !== 0 && KINDS[bits & 0xff] !== 0;
}

/** Reads the bits that a group of characters encodes, the first ones highest. */
function readBits(chars: Uint8Array, at: number, size: number): number {
  if (size === 2) {
    const bits = HEX[chars[at]] << 4 | HEX[chars[at + 1]];
    // Other characters do not encode text.
    return bits < 0x100 ? bits << 16 : 0;
  }
  let bits = BASE64[chars[at]] << 18 | BASE64[chars[at + 1]] << 12;
  if (at + 2 < chars.length) bits |= BASE64[chars[at + 2]] << 6;
  if (at + 3 < chars.length) bits |= BASE64[chars[at + 3]];
  return bits;
}

/** Whether a byte may be one of a text. */
function isText(byte: number): boolean {
  return byte >= BLANK && byte < 0x7f || byte === LF || byte === CR ||
    byte === TAB;
}

function createKinds(): Uint8Array {
  const kinds = new Uint8Array(256);
  for (let byte = 0; byte < 256; byte++) if (isText(byte)) kinds[byte] = TEXT;
  return byteTable("%&\\", TEXT | STARTS_ESCAPE, kinds);
}

function createRoles(): Uint8Array {
  const roles = new Uint8Array(256);
  for (let char = 0; char < 256; char++) {
    const [bits, half] = [BASE64[char], HEX[char]];
    // If a byte of text begins with these bits, so does the one that ends with 01.
    if (bits < 32 && isText(bits << 2 | 1)) roles[char] |= FIRST;
    if ((bits & 15) < 8) roles[char] |= SECOND;
    if ((bits & 3) < 2) roles[char] |= THIRD;
    if (half === 0 || half > 1 && half < 8) roles[char] |= UPPER;
    if (half < 16) roles[char] |= DIGIT;
  }
  return roles;
}

function createBase64Values(): Uint8Array {
  const values = new Uint8Array(256).fill(NO_DIGIT);
  for (let at = 0; at < LETTERS_AND_DIGITS.length; at++) {
    values[LETTERS_AND_DIGITS.charCodeAt(at)] = at;
  }
  byteTable("+-", 62, values);
  return byteTable("/_", 63, values);
}
