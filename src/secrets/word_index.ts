/** Most bits of the filter: 256 KiB stay in a second-level cache. */
const MAX_FILTER_BITS = 1 << 21;

/** Bits of the filter that each registered word should have for itself. */
const BITS_PER_WORD = 64;

/** Fibonacci hashing: spreads words that differ in any byte. */
const MULTIPLIER = 0x9E3779B1;

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
  /** One bit per hash; a clear bit means that the word is not registered. */
  filter: Uint8Array = new Uint8Array(1 << 10);
  /** How far a 32-bit product is shifted right to number a bit. */
  shift: number = 32 - 13;

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
    return this.#places.get(word);
  }

  #grow(): void {
    const bits = this.filter.length * 8;
    if (bits >= MAX_FILTER_BITS || this.size * BITS_PER_WORD <= bits) return;
    this.filter = new Uint8Array(this.filter.length * 4);
    this.shift -= 2;
    for (const word of this.#places.keys()) this.#mark(word);
  }

  #mark(word: number): void {
    const bit = Math.imul(word, MULTIPLIER) >>> this.shift;
    this.filter[bit >>> 3] |= 1 << (bit & 7);
  }
}

/**
 * Calls back for each registered word at every `step`-th place of a text.
 *
 * @param words The text as words.
 * @param step Distance of the places, in words.
 * @param index Registered words.
 * @param onWord Called with the place and what is registered there.
 */
export function scanWords(
  words: Int32Array,
  step: number,
  index: WordIndex,
  onWord: (at: number, places: readonly Place[]) => void,
): void {
  const { filter, shift } = index;
  const { length } = words;
  for (let at = 0; at < length; at += step) {
    const bit = Math.imul(words[at], MULTIPLIER) >>> shift;
    if ((filter[bit >>> 3] >>> (bit & 7) & 1) === 0) continue;
    const places = index.get(words[at]);
    if (places !== undefined) onWord(at, places);
  }
}
