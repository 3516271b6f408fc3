import type { RangeSink } from "./ranges.ts";
import { FLOOD_WORDS, type Scanner } from "./scanner.ts";
import {
  contextAt,
  FLOOD_SAMPLE_BITS,
  MAX_NEEDLE_BYTES,
  MIN_WORD_NEEDLE_BYTES,
  type SampleFilter,
  STRIDE,
  wordAt,
  WordFilter,
} from "./word_index.ts";

/** Lengths at which the start of a text is compared with the starts of needles. */
const LEVELS = [3, 6, 12, 24, 48, 96];

const [LEVEL, END] = [1, 2];

/** Size of the filter, as a power of two. */
const FILTER_BITS = 19;

/** Maximum number of words of needles in a block whose surroundings are searched one by one. */
const MAX_FLOOD_WORDS = 256;

/**
 * Finds needles that are too many, or too similar, to be found by their words.
 *
 * At each position of a text, the hash is extended as long as there are needles
 * that start with these bytes. That is slow, but neither text nor needles can make
 * it slower, and a needle takes only the memory of its fingerprint.
 */
export class NeedleFlood {
  readonly #fingerprints: Fingerprints;
  /** Contains the needles, and their prefixes of certain lengths. */
  #filter = new WordFilter(0);
  /** Which lengths are levels, or those of needles. */
  readonly #stops = new Uint8Array(MAX_NEEDLE_BYTES + 1);
  /** Marks the first byte of each needle. */
  readonly #isFirst = new Uint8Array(256);
  #size = 0;
  #longest = 0;

  /**
   * Creates a flood without needles.
   *
   * @param fingerprints Fingerprints of all needles.
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
   * Finds every byte that belongs to a needle that starts in a part of a text.
   *
   * @param text The text.
   * @param from Where the part starts.
   * @param to Where it ends.
   * @param ranges Receives the needles.
   * @param isEncoded Whether to find only encoded needles.
   */
  find(
    text: Uint8Array,
    from: number,
    to: number,
    ranges: RangeSink,
    isEncoded: boolean,
  ): void {
    for (let start = from; start < to; start++) {
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
   * @returns Where that end starts; the length of the text if there is none.
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
        const second = computeSecondHash(text, start, at);
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

/**
 * Finds the few parts of an ordinary text in which a needle of a flood may start, by
 * the first words of needles, one for each residue of the stride.
 */
export class FloodWords {
  readonly #scanner: Scanner;
  readonly #samples: SampleFilter;
  readonly #contexts: WordFilter;
  /** Whether some needles are found in the middle of a stride. */
  #hasBetween = false;
  /** Positions of words at multiples of the stride. */
  readonly #places: number[] = [];
  #isComplete = true;

  /**
   * Creates a set without words.
   *
   * @param scanner Searches for the words.
   */
  constructor(scanner: Scanner) {
    this.#scanner = scanner;
    this.#samples = scanner.allocateSamples(FLOOD_WORDS, FLOOD_SAMPLE_BITS);
    this.#contexts = scanner.allocateFloodContexts();
  }

  /** Whether each needle is long enough to have such words. */
  get isComplete(): boolean {
    return this.#isComplete;
  }

  /** Adds the words of a needle. */
  add(needle: Uint8Array): void {
    const { length } = needle;
    if (length < MIN_WORD_NEEDLE_BYTES) {
      this.#isComplete = false;
      return;
    }
    for (let residue = 0; residue < STRIDE; residue++) {
      const isBetween = residue + 4 > length;
      this.#hasBetween ||= isBetween;
      const offset = isBetween ? residue - STRIDE / 2 : residue;
      this.#samples.add(wordAt(needle, offset, 4));
      this.#contexts.add(contextAt(needle, 0, length, offset));
    }
  }

  /**
   * Finds the parts of a text, in ascending order.
   *
   * @param text The text.
   * @param found Called with the start and the end of each part.
   */
  find(text: Uint8Array, found: (from: number, to: number) => void): void {
    const scanner = this.#scanner;
    const places = this.#places;
    let done = 0;
    const add = (place: number) => {
      const from = Math.max(done, place - STRIDE + 1);
      const to = Math.min(text.length, place + 1);
      if (from >= to) return;
      done = to;
      found(from, to);
    };
    for (let from = 0; from < text.length; from = scanner.end) {
      scanner.load(text, from);
      scanner.search(FLOOD_WORDS, 0, this.#samples);
      if (scanner.count > MAX_FLOOD_WORDS) {
        // A text that is full of such words is faster to read as a whole.
        return found(Math.max(done, from - STRIDE + 1), text.length);
      }
      places.length = 0;
      for (let at = 0; at < scanner.count; at++) {
        places.push(scanner.places[at] - scanner.shift);
      }
      let next = 0;
      if (this.#hasBetween) {
        scanner.search(FLOOD_WORDS, STRIDE / 2, this.#samples);
        for (let at = 0; at < scanner.count; at++) {
          const place = scanner.places[at] - scanner.shift;
          while (places[next] < place) add(places[next++]);
          add(place);
        }
      }
      while (next < places.length) add(places[next++]);
    }
  }
}

/** Number of integers in a fingerprint. */
const FIELDS = 2;

const MIN_BITS = 8;

/** Lowest bit of the second integer of a fingerprint, which is a separate flag. */
const MARK = 1;

/** Initial value of the first integer of a fingerprint. */
const FIRST_SEED = 0x811c9dc5 | 0;
const FIRST_MULTIPLIER = 0x01000193;

const SECOND_SEED = 0x1b873593;
const SECOND_MULTIPLIER = 0x85ebca6b | 0;

/** Adds a byte to the first integer of a fingerprint. */
function firstHash(hash: number, byte: number): number {
  const next = Math.imul(hash ^ byte, FIRST_MULTIPLIER);
  return next ^ next >>> 15;
}

/**
 * Computes the fingerprint of a part of a text.
 *
 * @param bytes The text.
 * @param from Where the part starts.
 * @param to Where it ends.
 * @param fingerprint Receives its two numbers.
 */
export function computeFingerprint(
  bytes: Uint8Array,
  from: number,
  to: number,
  fingerprint: Int32Array,
): void {
  let first = FIRST_SEED;
  let second = SECOND_SEED;
  // Each step depends on the previous one. Both integers are therefore computed in
  // parallel, and the last operation of a hash is delayed until the next step.
  let firstShift = 0;
  let secondShift = 0;
  for (let at = from; at < to; at++) {
    const byte = bytes[at];
    first = Math.imul(first ^ byte ^ firstShift, FIRST_MULTIPLIER);
    second = Math.imul(second ^ byte ^ secondShift, SECOND_MULTIPLIER);
    firstShift = first >>> 15;
    secondShift = second >>> 13;
  }
  fingerprint[0] = first ^ firstShift;
  fingerprint[1] = second ^ secondShift;
}

/** Computes the second number of the fingerprint of a part of a text. */
function computeSecondHash(
  text: Uint8Array,
  from: number,
  to: number,
): number {
  let hash = SECOND_SEED;
  for (let at = from; at < to; at++) {
    hash = Math.imul(hash ^ text[at], SECOND_MULTIPLIER);
    hash ^= hash >>> 13;
  }
  return hash;
}

/**
 * A set of byte strings that keeps only their fingerprints of 63 bits.
 *
 * Collisions do not happen by chance. A deliberate collision only causes additional
 * masking.
 */
export class Fingerprints {
  #entries = new Int32Array(FIELDS << MIN_BITS);
  #bits = MIN_BITS;
  #size = 0;

  /** Number of strings. */
  get size(): number {
    return this.#size;
  }

  /**
   * Checks whether a string was added.
   *
   * @param first First number of its fingerprint.
   * @param second Second number of it.
   * @param isMarked Whether it has to be marked.
   */
  has(first: number, second: number, isMarked: boolean): boolean {
    const entries = this.#entries;
    const key = second | MARK;
    let at = this.#placeOf(first);
    while (true) {
      const found = entries[at + 1];
      if (found === 0) return false;
      if (entries[at] === first && (found | MARK) === key) {
        return !isMarked || (found & MARK) !== 0;
      }
      at = at + FIELDS & entries.length - 1;
    }
  }

  /**
   * Adds a string.
   *
   * @param first First number of its fingerprint.
   * @param second Second number of it.
   * @param isMarked Whether it is marked.
   * @returns Whether it is new.
   */
  add(first: number, second: number, isMarked: boolean): boolean {
    if (3 * (this.#size + 1) > 2 << this.#bits) this.#grow();
    const entries = this.#entries;
    const key = second | MARK;
    let at = this.#placeOf(first);
    while (entries[at + 1] !== 0) {
      if (entries[at] === first && (entries[at + 1] | MARK) === key) {
        const isNew = isMarked && (entries[at + 1] & MARK) === 0;
        if (isNew) entries[at + 1] = key;
        return isNew;
      }
      at = at + FIELDS & entries.length - 1;
    }
    entries[at] = first;
    // Zero means that a slot is free.
    entries[at + 1] = isMarked ? key : key ^ MARK || 2;
    this.#size++;
    return true;
  }

  #placeOf(first: number): number {
    return (Math.imul(first, 0x9e3779b1 | 0) >>> (32 - this.#bits)) * FIELDS;
  }

  #grow(): void {
    const old = this.#entries;
    this.#bits++;
    this.#size = 0;
    this.#entries = new Int32Array(FIELDS << this.#bits);
    for (let at = 0; at < old.length; at += FIELDS) {
      const second = old[at + 1];
      if (second !== 0) this.add(old[at], second, (second & MARK) !== 0);
    }
  }
}
