import {
  type Fingerprints,
  FIRST_SEED,
  firstHash,
  secondHashOf,
} from "./fingerprints.ts";
import type { RangeSink } from "./ranges.ts";
import { WordFilter } from "./word_filter.ts";

/** Lengths at which the beginning of a text is compared with those of needles. */
const LEVELS = [3, 6, 12, 24, 48, 96];

/** Longest needle, in bytes. */
export const MAX_NEEDLE_BYTES = 128;

const [LEVEL, END] = [1, 2];

/** Size of the filter, as a power of two. */
const FILTER_BITS = 19;

/**
 * Needles of which there are too many, or which are too much alike, to be
 * found by their words.
 *
 * From each place of a text, the hash of what begins there is followed as long
 * as needles begin like it. That is slow, but no text and no needles make it
 * slower, and a needle takes no more memory than its fingerprint.
 */
export class NeedleFlood {
  readonly #fingerprints: Fingerprints;
  /** Knows the needles, and their beginnings of certain lengths. */
  #filter = new WordFilter(0);
  /** Which lengths are levels, or those of needles. */
  readonly #stops = new Uint8Array(MAX_NEEDLE_BYTES + 1);
  /** Marks the first byte of each needle. */
  readonly #isFirst = new Uint8Array(256);
  #size = 0;
  #longest = 0;

  /**
   * Makes a flood without needles.
   *
   * @param fingerprints Has the fingerprints of all needles.
   */
  constructor(fingerprints: Fingerprints) {
    this.#fingerprints = fingerprints;
  }

  /** Number of needles. */
  get size(): number {
    return this.#size;
  }

  /** Adds a needle whose fingerprint is known already. */
  add(needle: Uint8Array): void {
    if (this.#size++ === 0) this.#filter = new WordFilter(FILTER_BITS);
    this.#longest = Math.max(this.#longest, needle.length);
    this.#isFirst[needle[0]] = 1;
    const stops = this.#stops;
    for (const level of LEVELS) stops[level] |= LEVEL;
    stops[needle.length] |= END;
    let hash = FIRST_SEED;
    for (let at = 0; at < needle.length;) {
      hash = firstHash(hash, needle[at++]);
      if ((stops[at] & LEVEL) !== 0) this.#filter.add(hash);
    }
    this.#filter.add(~hash);
  }

  /**
   * Finds every byte that belongs to an occurrence of a needle.
   *
   * @param text The text.
   * @param ranges Receives the occurrences.
   * @param isEncoded Whether only needles that are encoded count.
   */
  find(text: Uint8Array, ranges: RangeSink, isEncoded: boolean): void {
    if (this.#size === 0) return;
    for (let start = 0; start < text.length; start++) {
      if (this.#isFirst[text[start]] === 0) continue;
      const length = this.#longestAt(text, start, isEncoded);
      if (length > 0) ranges.add(start, start + length);
    }
  }

  /**
   * Finds the end of a text that may still become a needle. It may be longer
   * than necessary.
   *
   * @param text The text.
   * @returns Where that end starts.
   */
  partialFrom(text: Uint8Array): number {
    if (this.#size === 0) return text.length;
    let start = Math.max(0, text.length - this.#longest + 1);
    while (start < text.length && !this.#mayBegin(text, start)) start++;
    return start;
  }

  #longestAt(text: Uint8Array, start: number, isEncoded: boolean): number {
    const stops = this.#stops;
    const filter = this.#filter;
    const end = Math.min(text.length, start + this.#longest);
    let hash = FIRST_SEED;
    let longest = 0;
    for (let at = start; at < end;) {
      hash = firstHash(hash, text[at++]);
      const stop = stops[at - start];
      if (stop === 0) continue;
      if ((stop & END) !== 0 && filter.mayHave(~hash)) {
        const second = secondHashOf(text, start, at);
        if (this.#fingerprints.has(hash, second, isEncoded)) {
          longest = at - start;
        }
      }
      if ((stop & LEVEL) !== 0 && !filter.mayHave(hash)) break;
    }
    return longest;
  }

  #mayBegin(text: Uint8Array, start: number): boolean {
    if (this.#isFirst[text[start]] === 0) return false;
    let hash = FIRST_SEED;
    for (let at = start; at < text.length; at++) {
      hash = firstHash(hash, text[at]);
      if ((this.#stops[at - start + 1] & LEVEL) === 0) continue;
      if (!this.#filter.mayHave(hash)) return false;
    }
    return true;
  }
}
