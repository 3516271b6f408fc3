/**
 * The bytes of needles, one behind the other, each with a number.
 *
 * Thousands of small arrays would take several times the memory, and be spread
 * over all of it.
 */
export class NeedlePool {
  #bytes = new Uint8Array(1 << 10);
  /** Where each needle starts, and behind them all the end of the last one. */
  #starts = new Int32Array(1 << 6);
  #count = 0;

  /** Number of needles. */
  get count(): number {
    return this.#count;
  }

  /** All needles; valid until the next one is added. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }

  /**
   * Tells where a needle starts.
   *
   * @param needle Its number.
   * @returns Offset in {@linkcode bytes}.
   */
  start(needle: number): number {
    return this.#starts[needle];
  }

  /**
   * Tells where a needle ends.
   *
   * @param needle Its number.
   * @returns Offset behind its last byte in {@linkcode bytes}.
   */
  end(needle: number): number {
    return this.#starts[needle + 1];
  }

  /**
   * Gives the bytes of a needle.
   *
   * @param needle Its number.
   * @returns A view of {@linkcode bytes}.
   */
  bytesOf(needle: number): Uint8Array {
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
    this.#bytes = grown(this.#bytes, start + needle.length);
    this.#bytes.set(needle, start);
    const number = this.#count++;
    this.#starts = grown(this.#starts, number + 2);
    this.#starts[number + 1] = start + needle.length;
    return number;
  }

  /**
   * Tells whether a needle stands at a place of a text.
   *
   * @param needle Number of the needle.
   * @param text The text.
   * @param at The place, possibly outside of the text.
   * @param first Offset of the byte that is compared first; what is there
   * differs most from needle to needle.
   */
  isAt(
    needle: number,
    text: Uint8Array,
    at: number,
    first: number,
  ): boolean {
    const start = this.#starts[needle];
    const bytes = this.#bytes;
    const length = this.#starts[needle + 1] - start;
    if (at < 0 || at + length > text.length) return false;
    for (let offset = first; offset < length; offset++) {
      if (bytes[start + offset] !== text[at + offset]) return false;
    }
    for (let offset = first - 1; offset >= 0; offset--) {
      if (bytes[start + offset] !== text[at + offset]) return false;
    }
    return true;
  }
}

/**
 * Makes room in an array, twice what it had whenever it gets too small.
 *
 * @param array The array.
 * @param length How many numbers it has to hold.
 * @returns The array itself, or a longer one that begins with its numbers.
 */
export function grown<T extends Int32Array | Uint8Array>(
  array: T,
  length: number,
): T {
  if (length <= array.length) return array;
  const Type = array.constructor as new (length: number) => T;
  const longer = new Type(Math.max(length, 2 * array.length));
  longer.set(array);
  return longer;
}
