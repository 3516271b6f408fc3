/** Fibonacci hashing: spreads words that differ in any byte. */
export const MULTIPLIER = 0x9E3779B1 | 0;

/**
 * Tells which words were certainly never added.
 *
 * Its numbers are exposed, because the loops that ask are the hottest of the
 * program and must not call out.
 */
export class WordFilter {
  /** Two bits in one of these numbers are set for each word. */
  readonly bits: Int32Array;
  /** How far the hash of a word is shifted right to give the place of its number. */
  readonly shift: number;

  /**
   * Makes a filter without words.
   *
   * @param sizeBits How many bits it takes to count its numbers.
   * @param bits Its numbers, if they have to be in a certain place.
   */
  constructor(
    sizeBits: number,
    bits: Int32Array = new Int32Array(1 << sizeBits),
  ) {
    this.bits = bits;
    this.shift = 32 - sizeBits;
  }

  /**
   * Adds a word.
   *
   * @param word The word, as an integer of 32 bits.
   */
  add(word: number): void {
    const hash = hashOf(word);
    this.bits[hash >>> this.shift] |= 1 << hash | 1 << (hash >>> 5);
  }

  /**
   * Tells whether a word may have been added.
   *
   * @param word The word, as an integer of 32 bits.
   */
  mayHave(word: number): boolean {
    const hash = hashOf(word);
    const bits = this.bits[hash >>> this.shift];
    return (bits >>> hash & bits >>> (hash >>> 5) & 1) !== 0;
  }
}

/**
 * Mixes the bits of a word; the upper ones depend on all of them.
 *
 * @param word The word, as an integer of 32 bits.
 * @returns Another such integer for each word.
 */
export function hashOf(word: number): number {
  return Math.imul(word, MULTIPLIER);
}

/**
 * Reads a word the way a typed array does on the little-endian machines that
 * Deno runs on.
 *
 * @param bytes Bytes.
 * @param at Where it starts.
 * @param width How many bytes it has.
 * @returns The word, as an integer of 32 bits.
 */
export function wordAt(bytes: Uint8Array, at: number, width: 2 | 4): number {
  const low = bytes[at] | bytes[at + 1] << 8;
  return width === 2 ? low : low | bytes[at + 2] << 16 | bytes[at + 3] << 24;
}

/**
 * Finds the next word of a text that a filter lets through.
 *
 * The loop calls nothing and does nothing else: with a callback in it, it
 * takes twice as long.
 *
 * @param words The text as words.
 * @param from First place that is looked at.
 * @param step Distance of the places, in words.
 * @param filter The filter.
 * @returns The place; one behind the text if there is none.
 */
export function nextWord(
  words: Int32Array,
  from: number,
  step: number,
  filter: WordFilter,
): number {
  const { bits, shift } = filter;
  const { length } = words;
  let at = from;
  for (; at < length; at += step) {
    const hash = Math.imul(words[at], MULTIPLIER);
    const both = bits[hash >>> shift];
    // Of the distance of a shift, only the lowest five bits count.
    if ((both >>> hash & 1) === 0) continue;
    if ((both >>> (hash >>> 5) & 1) !== 0) break;
  }
  return at;
}

/**
 * Finds the next pair of bytes of a text that a filter lets through.
 *
 * @param pairs The text as pairs.
 * @param from First place that is looked at.
 * @param filter The filter.
 * @returns The place; the length of the text if there is none.
 */
export function nextPair(
  pairs: Uint16Array,
  from: number,
  filter: WordFilter,
): number {
  const { bits, shift } = filter;
  const { length } = pairs;
  let at = from;
  for (; at < length; at++) {
    const hash = Math.imul(pairs[at], MULTIPLIER);
    const both = bits[hash >>> shift];
    if ((both >>> hash & 1) === 0) continue;
    if ((both >>> (hash >>> 5) & 1) !== 0) break;
  }
  return at;
}

/**
 * Tells whether so many words in a row of a text, which begin one byte apart,
 * may have been added.
 *
 * @param bytes The text.
 * @param length Where it ends.
 * @param filter The filter.
 * @param count How many words.
 */
export function holdsGrams(
  bytes: Uint8Array,
  length: number,
  filter: WordFilter,
  count: number,
): boolean {
  // Each row has one of these places.
  for (let at = count - 1; at + 4 <= length; at += count) {
    if (!filter.mayHave(wordAt(bytes, at, 4))) continue;
    let first = at;
    while (first > 0 && filter.mayHave(wordAt(bytes, first - 1, 4))) first--;
    let last = at;
    while (last + 5 <= length && filter.mayHave(wordAt(bytes, last + 1, 4))) {
      last++;
    }
    if (last - first + 1 >= count) return true;
  }
  return false;
}
