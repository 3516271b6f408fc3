/** Longest distance at which needles are known to repeat themselves, in bytes. */
const MAX_REPEAT_BYTES = 128;

/**
 * The bytes of needles, one behind the other, each with a number.
 *
 * Thousands of small arrays would take several times the memory, and be spread
 * over all of it.
 */
export class NeedlePool {
  /** The needle that was found last in this text, and where. */
  #lastFound = -1;
  #lastPlace = 0;
  /** The needle of which it is known how it repeats itself, by distance: yes, no, or not yet. */
  #repeating = -1;
  readonly #repeats = new Uint8Array(MAX_REPEAT_BYTES);
  #bytes = new Uint8Array(1 << 10);
  /** Where each needle starts, and behind them all the end of the last one. */
  #starts = new Int32Array(1 << 6);
  #count = 0;
  /** For each needle, the number of its rarest byte, the first one being 1; 0 as long as it does not matter. */
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

  /** Where each needle starts, and the last one ends; valid as long. */
  get starts(): Int32Array {
    return this.#starts.subarray(0, this.#count + 1);
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
    this.#rarest = grown(this.#rarest, number + 1);
    return number;
  }

  /** Offset of the byte that a needle has least often. */
  #rarestIn(needle: number): number {
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

  /** Forgets what was found: another text follows. */
  beginText(): void {
    this.#lastFound = -1;
  }

  /**
   * Tells whether a needle stands at a place of a text. One that was found
   * nearby, and repeats itself at that distance, is compared only where the two
   * do not overlap: a run such as "aaaa…" holds it at every place.
   *
   * @param needle Number of the needle.
   * @param text The text, the same since {@linkcode beginText}.
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
    const length = this.#starts[needle + 1] - start;
    if (at < 0 || at + length > text.length) return false;
    // In a run of one byte, only another one tells that the needle is not there.
    const rarest = this.#rarestIn(needle);
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
   * Whether a needle is the same when it is shifted, as far as it overlaps with
   * itself. What was found out about one needle is remembered.
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
