import { Scanner } from "./scanner.ts";
import { wordAt, WordFilter } from "./word_filter.ts";

/** Every stretch of a match that has so many bytes holds a whole gram; shorter needles are found by pairs. */
export const MIN_GRAM_NEEDLE_BYTES = 8;

/** Sizes of the filter, as powers of two. */
const [MIN_BITS, MAX_BITS] = [10, 18];

/** How many bits of the filter there are for each gram, at least. */
const BITS_PER_GRAM = 12;

/**
 * What needles are made of: every four bytes of them.
 *
 * A stretch of a text without these is not part of a needle, in whatever way
 * it is decoded. Most of a text is never decoded, therefore.
 */
export class Grams {
  /** Whether each byte is in a needle. */
  readonly bytes: Uint8Array = new Uint8Array(256);
  #filter = new WordFilter(MIN_BITS);
  #filterBits = MIN_BITS;
  #count = 0;
  #pairs: Uint8Array | undefined;
  #scanner: Scanner | undefined;

  /** Knows every four bytes of needles that have {@linkcode MIN_GRAM_NEEDLE_BYTES}. */
  get filter(): WordFilter {
    return this.#filter;
  }

  /** Whether two bytes follow one another in a shorter needle, by both of them; `undefined` without such needles. */
  get pairs(): Uint8Array | undefined {
    return this.#pairs;
  }

  /** Finds the places where a text may have to be decoded. */
  get scanner(): Scanner {
    if (this.#scanner === undefined) {
      this.#scanner = new Scanner();
      const bits = this.#scanner.roomForFilter(this.#filterBits);
      bits.set(this.#filter.bits);
      this.#filter = new WordFilter(this.#filterBits, bits);
    }
    return this.#scanner;
  }

  /** Adds what a needle is made of. */
  add(needle: Uint8Array): void {
    for (let at = 0; at < needle.length; at++) this.bytes[needle[at]] = 1;
    if (needle.length >= MIN_GRAM_NEEDLE_BYTES) {
      this.#count += needle.length - 3;
      addWords(this.#filter, needle, 0, needle.length);
      return;
    }
    const pairs = this.#pairs ??= new Uint8Array(1 << 16);
    for (let at = 0; at + 2 <= needle.length; at++) {
      pairs[needle[at] << 8 | needle[at + 1]] = 1;
    }
  }

  /** Whether the filter should grow. */
  get isFull(): boolean {
    return this.#filterBits < MAX_BITS &&
      BITS_PER_GRAM * this.#count > 32 << this.#filterBits;
  }

  /**
   * Makes the filter larger.
   *
   * @param bytes All needles.
   * @param starts Where each of them starts; the last number is their end.
   */
  grow(bytes: Uint8Array, starts: Int32Array): void {
    this.#filterBits = Math.min(MAX_BITS, this.#filterBits + 2);
    this.#filter = new WordFilter(
      this.#filterBits,
      this.#scanner?.roomForFilter(this.#filterBits),
    );
    for (let needle = 0; needle + 1 < starts.length; needle++) {
      addWords(this.#filter, bytes, starts[needle], starts[needle + 1]);
    }
  }
}

function addWords(
  filter: WordFilter,
  bytes: Uint8Array,
  from: number,
  to: number,
): void {
  let word = from + 4 <= to ? wordAt(bytes, from, 4) : 0;
  for (let at = from + 4; at <= to; at++) {
    filter.add(word);
    word = word >>> 8 | bytes[at] << 24;
  }
}
