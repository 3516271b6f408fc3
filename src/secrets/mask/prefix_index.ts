import type { NeedlePool } from "./needle_pool.ts";
import { hashOf, wordAt, WordFilter } from "./word_filter.ts";

/** Most needles that are put in their places one by one, instead of all by sorting. */
const MAX_INSERTED = 64;

/** Size of the filter for words, as a power of two. */
const FILTER_BITS = 13;

/** How many classes of needles there are, as a power of two. */
const CLASS_BITS = 10;

/**
 * Finds the part at the end of a text that may still become a needle.
 *
 * Needles are kept sorted. A filter of their first four bytes sends away
 * nearly every place before anything is compared, and for the places that
 * have fewer bytes behind them one of the first byte does.
 */
export class PrefixIndex {
  readonly #pool: NeedlePool;
  #sorted: number[] = [];
  /** Needles that have no place in the order yet. */
  #unsorted: number[] = [];
  /** Marks the first byte of each needle. */
  readonly #firstByte = new Uint8Array(256);
  /** Knows the first four bytes of each needle. */
  readonly #firstWord = new WordFilter(FILTER_BITS);
  /** The greatest length in each class; the first four bytes of a needle tell its class. */
  readonly #longestIn = new Int32Array(1 << CLASS_BITS);
  #longest = 0;

  /**
   * Makes an index without needles.
   *
   * @param pool Holds the needles.
   */
  constructor(pool: NeedlePool) {
    this.#pool = pool;
  }

  /**
   * Adds a needle.
   *
   * @param needle Its number; it differs from those that were added before.
   */
  add(needle: number): void {
    const { bytes } = this.#pool;
    const start = this.#pool.start(needle);
    const length = this.#pool.end(needle) - start;
    this.#unsorted.push(needle);
    this.#longest = Math.max(this.#longest, length);
    this.#firstByte[bytes[start]] = 1;
    // A shorter needle begins at no place that has four bytes behind it.
    if (length < 4) return;
    const word = wordAt(bytes, start, 4);
    this.#firstWord.add(word);
    const longestIn = this.#longestIn;
    longestIn[classOf(word)] = Math.max(longestIn[classOf(word)], length);
  }

  /**
   * Finds the longest end of a text with which a needle begins.
   *
   * A needle that lies there as a whole does not count.
   *
   * @param text The text.
   * @returns Where that end starts; the length of the text if there is none.
   */
  partialFrom(text: Uint8Array): number {
    const { length } = text;
    let at = Math.max(0, length - this.#longest + 1);
    for (; at + 4 <= length; at++) {
      const word = wordAt(text, at, 4);
      if (!this.#firstWord.mayHave(word)) continue;
      // In a run of one byte, every place looks like the start of a needle.
      if (length - at >= this.#longestIn[classOf(word)]) continue;
      if (this.#isPartial(text, at)) return at;
    }
    for (; at < length; at++) {
      if (this.#firstByte[text[at]] !== 0 && this.#isPartial(text, at)) break;
    }
    return at;
  }

  #isPartial(text: Uint8Array, from: number): boolean {
    if (this.#unsorted.length > 0) this.#sort();
    const pool = this.#pool;
    // What begins with a text follows right behind it in the order.
    const place = this.#firstAbove(text, from, text.length);
    if (place === this.#sorted.length) return false;
    const needle = this.#sorted[place];
    const start = pool.start(needle);
    const length = text.length - from;
    if (pool.end(needle) - start <= length) return false;
    const { bytes } = pool;
    for (let at = length - 1; at >= 0; at--) {
      if (bytes[start + at] !== text[from + at]) return false;
    }
    return true;
  }

  #sort(): void {
    const pool = this.#pool;
    const added = this.#unsorted;
    this.#unsorted = [];
    if (added.length > MAX_INSERTED) {
      this.#sorted = [...this.#sorted, ...added].sort((one, other) =>
        isAbove(pool, one, pool.bytes, pool.start(other), pool.end(other))
          ? 1
          : -1
      );
      return;
    }
    for (const needle of added) {
      const [start, end] = [pool.start(needle), pool.end(needle)];
      this.#sorted.splice(
        this.#firstAbove(pool.bytes, start, end),
        0,
        needle,
      );
    }
  }

  /** Number of the first needle in the order that is greater than `text[from..to)`. */
  #firstAbove(text: Uint8Array, from: number, to: number): number {
    let low = 0;
    let high = this.#sorted.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (isAbove(this.#pool, this.#sorted[middle], text, from, to)) {
        high = middle;
      } else low = middle + 1;
    }
    return low;
  }
}

function classOf(word: number): number {
  return hashOf(word) >>> (32 - CLASS_BITS);
}

/** Tells whether a needle comes behind `text[from..to)` in the order. */
function isAbove(
  pool: NeedlePool,
  needle: number,
  text: Uint8Array,
  from: number,
  to: number,
): boolean {
  const { bytes } = pool;
  const start = pool.start(needle);
  const needleLength = pool.end(needle) - start;
  const length = Math.min(needleLength, to - from);
  for (let at = 0; at < length; at++) {
    const difference = bytes[start + at] - text[from + at];
    if (difference !== 0) return difference > 0;
  }
  return needleLength > to - from;
}
