/** Bytes of a filter that each registered word should have for itself. */
const BYTES_PER_WORD = 8;

/** Size of the first filter that still stays in the first cache. */
const FIRST_BYTES = 1 << 15;

/** How many words share a byte of the first filter at most, though it outgrows that cache. */
const WORDS_PER_BYTE = 2;

/** Size of the second filter that still stays in the second cache. */
const SECOND_BYTES = 1 << 18;

/** Fibonacci hashing: spreads words that differ in any byte. */
const MULTIPLIER = 0x9E3779B1 | 0;

/** Bits that are set for the hashes of words. */
export interface Filter {
  /** The upper bits of a hash number the byte, three others the bit in it. */
  readonly bits: Uint8Array;
  /** How far a hash is shifted right to number a byte. */
  readonly shift: number;
}

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
 * Two bit filters answer nearly every question with no. They are exposed,
 * because the loop that asks is the hottest of the program and must not call
 * out.
 */
export class WordIndex {
  readonly #places = new Map<number, Place[]>();
  /** One bit per hash; a clear bit means that the word is not registered. */
  first: Filter = makeFilter(10);
  /** The same with other bits of the hash, for what the first one lets through. */
  second: Filter = makeFilter(10);

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
   * @returns Places; `undefined` when the filters were wrong.
   */
  get(word: number): readonly Place[] | undefined {
    return this.#places.get(word);
  }

  #grow(): void {
    const wanted = this.size * BYTES_PER_WORD;
    const least = this.size / WORDS_PER_BYTE;
    const first = grown(
      this.first,
      Math.max(least, Math.min(wanted, FIRST_BYTES)),
    );
    const second = grown(this.second, Math.min(wanted, SECOND_BYTES));
    if (first === this.first && second === this.second) return;
    [this.first, this.second] = [first, second];
    for (const word of this.#places.keys()) this.#mark(word);
  }

  #mark(word: number): void {
    const hash = Math.imul(word, MULTIPLIER);
    this.first.bits[hash >>> this.first.shift] |= 1 << (hash & 7);
    this.second.bits[hash >>> this.second.shift] |= 1 << (hash >>> 3 & 7);
  }
}

/**
 * Finds the next word of a text that the filters let through.
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
  const { bits: first, shift: firstShift } = index.first;
  const { bits: second, shift: secondShift } = index.second;
  const { length } = words;
  let at = from;
  for (; at < length; at += step) {
    const hash = Math.imul(words[at], MULTIPLIER);
    if ((first[hash >>> firstShift] >>> (hash & 7) & 1) === 0) continue;
    if ((second[hash >>> secondShift] >>> (hash >>> 3 & 7) & 1) !== 0) break;
  }
  return at;
}

function makeFilter(bitCount: number): Filter {
  return { bits: new Uint8Array(1 << bitCount), shift: 32 - bitCount };
}

/** The filter, or a larger one without marks if it is too small. */
function grown(filter: Filter, leastBytes: number): Filter {
  if (filter.bits.length >= leastBytes) return filter;
  return makeFilter(32 - filter.shift + 1);
}
