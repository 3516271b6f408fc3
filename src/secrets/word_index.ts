/** Most bytes of the filter: these stay in a second-level cache. */
const MAX_FILTER_BYTES = 1 << 18;

/** Bytes of the filter that each registered word should have for itself. */
const BYTES_PER_WORD = 8;

/** Fibonacci hashing: spreads words that differ in any byte. */
const MULTIPLIER = 0x9E3779B1 | 0;

/** Places at which a needle may lie, as read off one of its words. */
export interface Place {
  /** The needle. */
  readonly needle: Uint8Array;
  /** Where in the needle the word stands. */
  readonly offset: number;
}

/**
 * Finds, for a word of a text, the needles that have this word registered.
 *
 * A bit filter answers nearly every question with no; it is exposed, because
 * the loop that asks is the hottest of the program and must not call out.
 */
export class WordIndex {
  readonly #places = new Map<number, Place[]>();
  /**
   * One bit per hash; a clear bit means that the word is not registered. The
   * upper bits of the hash number the byte, the lowest three the bit in it.
   */
  filter: Uint8Array = new Uint8Array(1 << 10);
  /** The same with the next three bits, for what the filter lets through. */
  #secondFilter = new Uint8Array(1 << 10);
  /** How far a hash is shifted right to number a byte. */
  shift: number = 32 - 10;

  /** Number of different words. */
  get size(): number {
    return this.#places.size;
  }

  /**
   * Registers a word.
   *
   * @param word The word, as a signed 32-bit integer.
   * @param place Needle and offset for which it stands.
   */
  add(word: number, place: Place): void {
    const places = this.#places.get(word);
    if (places) {
      places.push(place);
      return;
    }
    this.#places.set(word, [place]);
    this.#grow();
    this.#mark(word);
  }

  /**
   * Tells which needles have a word registered.
   *
   * @param word The word, as a signed 32-bit integer.
   * @returns Places; `undefined` when the filter was wrong.
   */
  get(word: number): readonly Place[] | undefined {
    // A look into a map that has outgrown the caches costs more than a hundred probes.
    const hash = Math.imul(word, MULTIPLIER);
    const bits = this.#secondFilter[hash >>> this.shift];
    return (bits >>> (hash >>> 3 & 7) & 1) === 0
      ? undefined
      : this.#places.get(word);
  }

  #grow(): void {
    const bytes = this.filter.length;
    if (bytes >= MAX_FILTER_BYTES || this.size * BYTES_PER_WORD <= bytes) {
      return;
    }
    this.filter = new Uint8Array(bytes * 4);
    this.#secondFilter = new Uint8Array(bytes * 4);
    this.shift -= 2;
    for (const word of this.#places.keys()) this.#mark(word);
  }

  #mark(word: number): void {
    const hash = Math.imul(word, MULTIPLIER);
    this.filter[hash >>> this.shift] |= 1 << (hash & 7);
    this.#secondFilter[hash >>> this.shift] |= 1 << (hash >>> 3 & 7);
  }
}

/**
 * Finds the next word of a text that the filter lets through.
 *
 * The loop calls nothing and does nothing else: with a callback in it, it
 * takes twice as long.
 *
 * @param words The text as words.
 * @param from First place that is looked at.
 * @param step Distance of the places, in words.
 * @param index Registered words.
 * @returns The place; one behind the text if there is none.
 */
export function nextWord(
  words: Int32Array,
  from: number,
  step: number,
  index: WordIndex,
): number {
  const { filter, shift } = index;
  const { length } = words;
  let at = from;
  for (; at < length; at += step) {
    const hash = Math.imul(words[at], MULTIPLIER);
    if ((filter[hash >>> shift] >>> (hash & 7) & 1) !== 0) break;
  }
  return at;
}
