import { growArray, hashWord, wordAt, WordFilter } from "./word_index.ts";

/** Maximum period at which needles are known to repeat themselves, in bytes. */
const MAX_REPEAT_BYTES = 128;

/**
 * The bytes of all needles in one array, each needle with a number.
 *
 * Thousands of small arrays would take several times the memory, and be scattered
 * over it.
 */
export class NeedlePool {
  /** Needle that was found last in this text, and its position. */
  #lastFound = -1;
  #lastPlace = 0;
  /** Needle whose repetitions are cached; for each distance 1 (yes), 2 (no) or 0 (unknown). */
  #repeating = -1;
  readonly #repeats = new Uint8Array(MAX_REPEAT_BYTES);
  #bytes = new Uint8Array(1 << 10);
  /** Start of each needle, followed by the end of the last one. */
  #starts = new Int32Array(1 << 6);
  #count = 0;
  /** Position of the rarest byte of each needle, from 1; 0 if it is not known yet. */
  #rarest = new Int32Array(1 << 6);
  readonly #byteCounts = new Int32Array(256);

  /** Number of needles. */
  get count(): number {
    return this.#count;
  }

  /** All needles; valid until the next one is added. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }

  /** Where each needle starts, and the last one ends; valid until the next one is added. */
  get starts(): Int32Array {
    return this.#starts.subarray(0, this.#count + 1);
  }

  /**
   * Returns where a needle starts.
   *
   * @param needle Its number.
   * @returns Offset in {@linkcode bytes}.
   */
  start(needle: number): number {
    return this.#starts[needle];
  }

  /**
   * Returns where a needle ends.
   *
   * @param needle Its number.
   * @returns Offset after its last byte in {@linkcode bytes}.
   */
  end(needle: number): number {
    return this.#starts[needle + 1];
  }

  /**
   * Returns the bytes of a needle.
   *
   * @param needle Its number.
   * @returns A view of {@linkcode bytes}.
   */
  getBytes(needle: number): Uint8Array {
    return this.#bytes.subarray(this.start(needle), this.end(needle));
  }

  /**
   * Adds a needle.
   *
   * @param needle Its bytes.
   * @returns Its number.
   */
  add(needle: Uint8Array): number {
    const start = this.#starts[this.#count];
    this.#bytes = growArray(this.#bytes, start + needle.length);
    this.#bytes.set(needle, start);
    const number = this.#count++;
    this.#starts = growArray(this.#starts, number + 2);
    this.#starts[number + 1] = start + needle.length;
    this.#rarest = growArray(this.#rarest, number + 1);
    return number;
  }

  /** Finds the offset of the rarest byte in a needle. */
  #findRarest(needle: number): number {
    const known = this.#rarest[needle];
    if (known > 0) return known - 1;
    const [start, end] = [this.#starts[needle], this.#starts[needle + 1]];
    const bytes = this.#bytes;
    const counts = this.#byteCounts;
    counts.fill(0);
    for (let at = start; at < end; at++) counts[bytes[at]]++;
    let rarest = start;
    for (let at = start + 1; at < end; at++) {
      if (counts[bytes[at]] < counts[bytes[rarest]]) rarest = at;
    }
    this.#rarest[needle] = rarest - start + 1;
    return rarest - start;
  }

  /** Resets the last match, because another text follows. */
  beginText(): void {
    this.#lastFound = -1;
  }

  /**
   * Checks whether a needle is at a position of a text. If it was found nearby, and
   * repeats itself at that distance, only the bytes that do not overlap are compared:
   * a run such as "aaaa…" contains it at every position.
   *
   * @param needle Number of the needle.
   * @param text The text, the same since {@linkcode beginText}.
   * @param at The place, possibly outside the text.
   * @param first Offset of the byte to compare first, where needles differ most.
   */
  isAt(
    needle: number,
    text: Uint8Array,
    at: number,
    first: number,
  ): boolean {
    const start = this.#starts[needle];
    const length = this.#starts[needle + 1] - start;
    if (at < 0 || at + length > text.length) return false;
    // In a run of one byte, only a different byte shows that the needle is not there.
    const rarest = this.#findRarest(needle);
    if (this.#bytes[start + rarest] !== text[at + rarest]) return false;
    const shift = at - this.#lastPlace;
    const isNear = needle === this.#lastFound && shift !== 0 &&
      Math.abs(shift) < length && this.#repeatsAt(needle, Math.abs(shift));
    const isFound = isNear
      ? shift > 0
        ? this.#isPartAt(needle, text, at, length - shift, length)
        : this.#isPartAt(needle, text, at, 0, -shift)
      : this.#isPartAt(needle, text, at, first, length) &&
        this.#isPartAt(needle, text, at, 0, first);
    if (!isFound) return false;
    this.#lastFound = needle;
    this.#lastPlace = at;
    return true;
  }

  #isPartAt(
    needle: number,
    text: Uint8Array,
    at: number,
    from: number,
    to: number,
  ): boolean {
    const start = this.#starts[needle];
    const bytes = this.#bytes;
    for (let offset = from; offset < to; offset++) {
      if (bytes[start + offset] !== text[at + offset]) return false;
    }
    return true;
  }

  /**
   * Whether a shifted needle equals itself where the two overlap. Results for one
   * needle are cached.
   */
  #repeatsAt(needle: number, shift: number): boolean {
    if (needle !== this.#repeating) {
      this.#repeating = needle;
      this.#repeats.fill(0);
    }
    if (shift >= this.#repeats.length) return false;
    return (this.#repeats[shift] ||= this.#isRepeated(needle, shift)
      ? 1
      : 2) ===
      1;
  }

  #isRepeated(needle: number, shift: number): boolean {
    const bytes = this.#bytes;
    const end = this.#starts[needle + 1];
    for (let at = this.#starts[needle] + shift; at < end; at++) {
      if (bytes[at] !== bytes[at - shift]) return false;
    }
    return true;
  }
}

/** Maximum number of needles that are inserted one by one, instead of by sorting. */
const MAX_INSERTED = 64;

/** Size of the filter for words, as a power of two. */
const FILTER_BITS = 13;

/** How many classes of needles there are, as a power of two. */
const CLASS_BITS = 10;

/**
 * Finds the part at the end of a text that may still become a needle.
 *
 * Needles are kept sorted. A filter of their first four bytes rejects nearly every
 * position before anything is compared. At the last three positions, a filter of
 * the first byte does.
 */
export class PrefixIndex {
  readonly #pool: NeedlePool;
  #sorted: number[] = [];
  /** Needles that have no place in the order yet. */
  #unsorted: number[] = [];
  /** Marks the first byte of each needle. */
  readonly #firstByte = new Uint8Array(256);
  /** Contains the first four bytes of each needle. */
  readonly #firstWord = new WordFilter(FILTER_BITS);
  /** The greatest length in each class; the first four bytes of a needle determine its class. */
  readonly #longestIn = new Int32Array(1 << CLASS_BITS);
  #longest = 0;

  /**
   * Creates an index without needles.
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
    // At a position with four bytes left, a shorter needle is complete.
    if (length < 4) return;
    const word = wordAt(bytes, start, 4);
    this.#firstWord.add(word);
    const longestIn = this.#longestIn;
    longestIn[lengthClass(word)] = Math.max(
      longestIn[lengthClass(word)],
      length,
    );
  }

  /**
   * Finds the longest suffix of a text that is the start of a needle.
   *
   * A complete needle does not count.
   *
   * @param text The text.
   * @returns Where it starts; the length of the text if there is none.
   */
  partialFrom(text: Uint8Array): number {
    const { length } = text;
    let at = Math.max(0, length - this.#longest + 1);
    for (; at + 4 <= length; at++) {
      const word = wordAt(text, at, 4);
      if (!this.#firstWord.mayHave(word)) continue;
      // In a run of one byte, every position looks like the start of a needle.
      if (length - at >= this.#longestIn[lengthClass(word)]) continue;
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
    // Needles that start with a text come directly after it in the order.
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

function lengthClass(word: number): number {
  return hashWord(word) >>> (32 - CLASS_BITS);
}

/** Checks whether a needle comes after `text[from..to)` in the order. */
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
