/** The number 1 in each byte of a word. */
const ONES = 0x01010101;

/** The highest bit of each byte of a word. */
const HIGH_BITS = 0x80808080;

/** Minimum memory of a {@linkcode GrowingBytes} that is not empty, in bytes. */
const MIN_GROWN_BYTES = 256;

/**
 * Checks whether an array contains a byte, four bytes at a time, which is twice
 * as fast as `includes()`.
 */
export function hasByte(bytes: Uint8Array, byte: number): boolean {
  const { buffer, byteOffset, length } = bytes;
  // The first word starts at a multiple of four.
  const start = -byteOffset & 3;
  if (length < start) return bytes.includes(byte);
  const count = (length - start) >> 2;
  const words = new Int32Array(buffer, byteOffset + start, count);
  const pattern = byte * ONES;
  for (let at = 0; at < count; at++) {
    if (hasZero(words[at] ^ pattern)) return true;
  }
  const end = start + 4 * count;
  return bytes.subarray(0, start).includes(byte) ||
    bytes.subarray(end).includes(byte);
}

/**
 * Checks whether one of the four bytes of a word is zero.
 *
 * @param word The word; XOR with a pattern finds any other byte.
 */
export function hasZero(word: number): boolean {
  return ((word - ONES) & ~word & HIGH_BITS) !== 0;
}

/** Letters and digits of ASCII, in the order of the digits of base64. */
export const LETTERS_AND_DIGITS =
  "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/**
 * Creates a table of all bytes, or adds to one.
 *
 * @param characters Characters of ASCII that get a value.
 * @param value The value.
 * @param table Table that is changed; a new table of zeros by default.
 */
export function byteTable(
  characters: string,
  value = 1,
  table: Uint8Array = new Uint8Array(256),
): Uint8Array {
  for (let at = 0; at < characters.length; at++) {
    table[characters.charCodeAt(at)] = value;
  }
  return table;
}

let decoder: TextDecoder | undefined;

/** Decodes UTF-8 with replacement characters, and keeps a byte order mark. */
export function decodeText(bytes: Uint8Array): string {
  // The first decoder of a process takes a third of a millisecond.
  decoder ??= new TextDecoder("utf-8", { ignoreBOM: true });
  return decoder.decode(bytes);
}

/** Checks whether two byte arrays have the same content. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}

/** Joins byte arrays into a new one. */
export function joinBytes(
  pieces: readonly Uint8Array[],
): Uint8Array<ArrayBuffer> {
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
  const whole = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

/** A buffer that grows as needed and keeps its memory when it is cleared. */
export class GrowingBytes {
  #buffer = new Uint8Array();
  #length = 0;

  /** Number of bytes. */
  get length(): number {
    return this.#length;
  }

  /** The bytes themselves, valid until the next change. */
  get view(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }

  /** Appends bytes. */
  add(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    this.#buffer.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** Reserves space for more bytes, and returns the whole buffer. */
  reserve(moreBytes: number): Uint8Array {
    const needed = this.#length + moreBytes;
    if (needed > this.#buffer.length) {
      const larger = new Uint8Array(
        Math.max(needed, 2 * this.#buffer.length, MIN_GROWN_BYTES),
      );
      larger.set(this.view);
      this.#buffer = larger;
    }
    return this.#buffer;
  }

  /**
   * Sets the length after bytes were written directly into the reserved space.
   */
  extendTo(length: number): void {
    this.#length = length;
  }

  /** Removes bytes from the start. */
  dropFirst(count: number): void {
    this.#buffer.copyWithin(0, count, this.#length);
    this.#length -= count;
  }

  /** Removes all bytes. */
  clear(): void {
    this.#length = 0;
  }

  /** Removes all bytes and releases their memory. */
  release(): void {
    this.#buffer = new Uint8Array();
    this.#length = 0;
  }
}

/**
 * Decodes UTF-8 strictly, and drops a byte order mark at its start.
 *
 * @returns The text; `undefined` if it is not UTF-8.
 */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
