import {
  computeFingerprint,
  Fingerprints,
  FloodWords,
  NeedleFlood,
} from "./needle_flood.ts";
import { NeedlePool, PrefixIndex } from "./needle_pool.ts";
import type { RangeSink } from "./ranges.ts";
import { Grams } from "./scanner.ts";
import {
  computeRarities,
  contextAt,
  findRarestWord,
  growArray,
  hashWord,
  inContext,
  LARGE_CONTEXT_BITS,
  MAX_NEEDLE_BYTES,
  MIN_CONTEXT_NEEDLE_BYTES,
  MIN_WORD_NEEDLE_BYTES,
  nextPair,
  nextWord,
  SampleFilter,
  STRIDE,
  wordAt,
  WordFilter,
  WordIndex,
} from "./word_index.ts";

/**
 * Where a needle is searched: anywhere (`plain`), also with line breaks in it
 * (`encoded`, or `wrapped` for a value as it is), or in text whose escapes are
 * undone (`normal`).
 */
export type FormKind = "plain" | "encoded" | "wrapped" | "normal";

/** Minimum length of a needle that can be found, in bytes: a pair at an even offset, plus one. */
export const MIN_NEEDLE_BYTES = 3;

/** Length of the longest needle, in words. */
const MAX_NEEDLE_WORDS = MAX_NEEDLE_BYTES / 4;

/** Size of the filter for words and the next words, as a power of two. */
const CONTEXT_BITS = 16;

/** Number of words that the smaller filter can distinguish. */
const MAX_CONTEXTS = 1 << 17;

/** Minimum length of a text that is searched in WebAssembly, in bytes; for a short one, the call takes longer. */
const MIN_BLOCK_BYTES = 2048;

/** Maximum number of needles that are found by their words; more would take too much memory. */
const MAX_INDEXED = 24_000;

/** Maximum number of needles that are found by the same word, and by the same two words; more would take too much time. */
const [MAX_SHARING, MAX_SIMILAR] = [250, 12];

/** Maximum number of needles that are found by the same word if they are too short for two. */
const MAX_SHORT_SIMILAR = 100;

/** How many counts of needles that share two words there are, as a power of two. */
const SIMILARITY_BITS = 18;

/**
 * A set of byte strings that are searched for simultaneously.
 *
 * A text is viewed as 32-bit words, and only every second word is looked up: an
 * occurrence of at least `STRIDE + 3` bytes contains a whole word at a multiple of
 * `STRIDE`. So one word of the needle is registered for each residue, and exactly
 * one of them is found. For some residues, a shorter needle has no such word, but
 * one half a stride before it. These words have a separate index, which is used for
 * the other half of the text. The few needles that are too short for words are
 * found by pairs of bytes.
 *
 * Four bytes often match by chance, especially hexadecimal digits. The text after
 * them shows whether a full comparison is worthwhile.
 *
 * A long needle is cut into pieces that overlap, and each piece is a needle:
 * so little is held back, and comparisons are short. Needles that are too many, or
 * too similar, are found by a {@linkcode NeedleFlood}.
 */
export class NeedleSet {
  readonly #known = new Fingerprints();
  readonly #flood = new NeedleFlood(this.#known);
  /** Encoded needles that are too many, or too similar. */
  readonly #encodedFlood = new NeedleFlood(this.#known);
  /** The words of both, once there are any. */
  #floodWords: FloodWords | undefined;
  readonly #pool = new NeedlePool();
  readonly #prefixes = new PrefixIndex(this.#pool);
  readonly #encodedPrefixes = new PrefixIndex(this.#pool);
  /** Whether each needle is encoded, by its number. */
  #isEncoded = new Uint8Array(1 << 6);
  /** Words at multiples of the stride, and those half a stride before. */
  readonly #words = new WordIndex();
  readonly #wordsBetween = new WordIndex();
  readonly #indexes = [this.#words, this.#wordsBetween];
  readonly #repeated = [new RepeatedPart(), new RepeatedPart()];
  /** Registered words together with the next ones, and by themselves if a needle may end there. */
  #contexts: WordFilter | undefined;
  #hasLargeContexts = false;
  /** Whether the scanner has the contexts. */
  #areContextsMoved = false;
  /** Filters of both indexes for the scanner, and how many of their words they have. */
  readonly #samples: SampleFilter[] = [];
  readonly #sampleCounts = [0, 0];
  readonly #pairs = new WordIndex();
  readonly #fingerprint = new Int32Array(2);
  /** How many needles share two words, by both of them. */
  #similarCounts = new Uint8Array();
  /** Rarity of the word at each offset of the needle that is being added. */
  readonly #rarities = new Uint8Array(MAX_NEEDLE_BYTES);
  /** Offsets of the words of a needle that is being added, by residue. */
  readonly #offsets = new Int32Array(STRIDE);
  /** Four-byte parts of needles. */
  readonly grams: Grams = new Grams();
  #hasNormalForms = false;
  /** Length of the shortest needle. */
  #shortest = Infinity;

  /** Number of needles. */
  get size(): number {
    return this.#known.size;
  }

  /** Whether there are needles in normal form: a text without marks may contain a part of one. */
  get hasNormalForms(): boolean {
    return this.#hasNormalForms;
  }

  /**
   * Adds a needle, in pieces if it is long.
   *
   * @param needle Its bytes; {@linkcode MIN_NEEDLE_BYTES} at least.
   * @param kind Where it is to be found.
   */
  add(needle: Uint8Array, kind: FormKind): void {
    const { length } = needle;
    const isEncoded = kind === "encoded" || kind === "wrapped";
    this.#hasNormalForms ||= kind === "normal";
    const last = Math.max(0, length - MAX_NEEDLE_BYTES);
    // Pieces overlap by a byte, so that their matches have no gap.
    for (let at = 0; at < last; at += MAX_NEEDLE_BYTES - 1) {
      this.#addPiece(needle, at, at + MAX_NEEDLE_BYTES, isEncoded);
    }
    this.#addPiece(needle, last, length, isEncoded);
  }

  /**
   * Finds every byte that belongs to an occurrence of a needle.
   *
   * @param text The text; its first byte is the first one of its buffer.
   * @param ranges Receives the occurrences.
   * @param isEncoded Whether only needles that are encoded count.
   */
  find(
    text: Uint8Array<ArrayBuffer>,
    ranges: RangeSink,
    isEncoded = false,
  ): void {
    const words = new Int32Array(text.buffer, 0, text.length >>> 2);
    this.#pool.beginText();
    for (const repeated of this.#repeated) repeated.reset();
    if (text.length < MIN_BLOCK_BYTES) {
      this.#findByWords(text, words, 0, ranges, isEncoded);
      this.#findByWords(text, words, 1, ranges, isEncoded);
    } else if (this.#words.size > 0) {
      this.#findInBlocks(text, words, ranges, isEncoded);
    }
    if (this.#pairs.size > 0 && !isEncoded) this.#findByPairs(text, ranges);
    const flood = isEncoded ? this.#encodedFlood : this.#flood;
    if (flood.size === 0) return;
    const floodWords = this.#floodWords;
    if (
      floodWords === undefined || !floodWords.isComplete ||
      text.length < MIN_BLOCK_BYTES
    ) {
      flood.find(text, 0, text.length, ranges, isEncoded);
      return;
    }
    floodWords.find(text, (from, to) => {
      flood.find(text, from, to, ranges, isEncoded);
    });
  }

  /**
   * Finds the end of a text that may still become a needle.
   *
   * @param text The text.
   * @param isEncoded Whether to find only encoded needles.
   * @returns Where that end starts; the length of the text if there is none.
   */
  partialFrom(text: Uint8Array, isEncoded = false): number {
    const prefixes = isEncoded ? this.#encodedPrefixes : this.#prefixes;
    const flood = isEncoded ? this.#encodedFlood : this.#flood;
    return Math.min(prefixes.partialFrom(text), flood.partialFrom(text));
  }

  #addPiece(
    bytes: Uint8Array,
    from: number,
    to: number,
    isEncoded: boolean,
  ): void {
    if (isWhitespace(bytes, from, to)) return;
    const fingerprint = this.#fingerprint;
    computeFingerprint(bytes, from, to, fingerprint);
    if (!this.#known.add(fingerprint[0], fingerprint[1], isEncoded)) return;
    const needle = bytes.subarray(from, to);
    this.grams.add(needle);
    if (!this.#addIndexed(needle, isEncoded)) {
      this.#floodWords ??= new FloodWords(this.grams.scanner);
      this.#floodWords.add(needle);
      this.#flood.add(needle);
      if (isEncoded) this.#encodedFlood.add(needle);
      // Needles in the flood cannot be added again.
    } else if (this.grams.isFull && this.#flood.size === 0) {
      this.grams.grow(this.#pool.bytes, this.#pool.starts);
    }
  }

  /** Adds a needle to those that are found by their words, unless there are too many. */
  #addIndexed(bytes: Uint8Array, isEncoded: boolean): boolean {
    if (this.#pool.count >= MAX_INDEXED) return false;
    const { length } = bytes;
    this.#shortest = Math.min(this.#shortest, length);
    const hasPlace = length < MIN_WORD_NEEDLE_BYTES
      ? this.#choosePairs(bytes)
      : this.#chooseWords(bytes);
    if (!hasPlace) return false;
    const needle = this.#pool.add(bytes);
    this.#prefixes.add(needle);
    this.#isEncoded = growArray(this.#isEncoded, needle + 1);
    if (isEncoded) {
      this.#encodedPrefixes.add(needle);
      this.#isEncoded[needle] = 1;
    }
    if (length < MIN_WORD_NEEDLE_BYTES) this.#registerPairs(needle);
    else this.#registerWords(needle, length);
    return true;
  }

  #findByWords(
    text: Uint8Array,
    words: Int32Array,
    part: number,
    ranges: RangeSink,
    isEncoded: boolean,
  ): void {
    const index = this.#indexes[part];
    if (index.size === 0) return;
    const step = STRIDE >>> 2;
    let at = part * STRIDE / 2 >>> 2;
    for (
      at = nextWord(words, at, step, index.filter);
      at < words.length;
      at = nextWord(words, at + step, step, index.filter)
    ) {
      if (!this.#isLikely(words, at)) continue;
      at = this.#addFound(text, words, at, part, ranges, isEncoded);
    }
  }

  /** The same for a long text. */
  #findInBlocks(
    text: Uint8Array,
    words: Int32Array,
    ranges: RangeSink,
    isEncoded: boolean,
  ): void {
    const { scanner } = this.grams;
    const { places } = scanner;
    this.#moveContexts();
    for (let part = 0; part < 2; part++) this.#addSamples(part);
    // The last word of the repetition that each search has skipped.
    const done = [-1, -1];
    for (let from = 0; from < text.length; from = scanner.end) {
      scanner.load(text, from);
      for (let part = 0; part < 2; part++) {
        if (this.#indexes[part].size === 0) continue;
        scanner.search(part, part * STRIDE / 2, this.#samples[part]);
        for (let found = 0; found < scanner.count; found++) {
          const at = places[found] - scanner.shift >>> 2;
          if (at >= words.length) break;
          if (at <= done[part]) {
            const last = (done[part] << 2) + scanner.shift;
            found = lastUpTo(places, found, scanner.count, last);
            continue;
          }
          done[part] = this.#addFound(
            text,
            words,
            at,
            part,
            ranges,
            isEncoded,
          );
        }
      }
    }
  }

  /** Moves the contexts to the memory of the scanner, where those added later are visible as well. */
  #moveContexts(): void {
    if (this.#areContextsMoved) return;
    this.#contexts = this.grams.scanner.moveContexts(this.#contexts!);
    this.#areContextsMoved = true;
  }

  /** Adds new words to the filter of the scanner. */
  #addSamples(part: number): void {
    const index = this.#indexes[part];
    const { size } = index;
    if (size === this.#sampleCounts[part]) return;
    if (!this.#samples[part]?.hasRoomFor(size)) {
      const bits = SampleFilter.sizeFor(size);
      this.#samples[part] = this.grams.scanner.allocateSamples(part, bits);
      this.#sampleCounts[part] = 0;
    }
    for (let place = this.#sampleCounts[part]; place < size; place++) {
      this.#samples[part].add(index.getWord(place));
    }
    this.#sampleCounts[part] = size;
  }

  /**
   * Adds the needles with the word at a position. Where a text repeats itself, so do
   * all matches within the repetition.
   *
   * @returns The last word that needs no more search.
   */
  #addFound(
    text: Uint8Array,
    words: Int32Array,
    at: number,
    part: number,
    ranges: RangeSink,
    isEncoded: boolean,
  ): number {
    const canSkip = !isEncoded && this.#shortest >= STRIDE;
    const skipped = canSkip ? this.#repeated[part].skip(words, at) : 0;
    const index = this.#indexes[part];
    this.#addMatches(text, at << 2, index, ranges, isEncoded, skipped << 2);
    return at + skipped;
  }

  /** Checks whether the text after a word may be the same as in a needle. */
  #isLikely(words: Int32Array, at: number): boolean {
    // A word has been found, so there is a filter.
    const contexts = this.#contexts!;
    if (contexts.mayHave(words[at])) return true;
    return at + 1 < words.length &&
      contexts.mayHave(inContext(words[at], words[at + 1]));
  }

  #findByPairs(text: Uint8Array<ArrayBuffer>, ranges: RangeSink): void {
    const index = this.#pairs;
    const pairs = new Uint16Array(text.buffer, 0, text.length >>> 1);
    for (
      let at = nextPair(pairs, 0, index.filter);
      at < pairs.length;
      at = nextPair(pairs, at + 1, index.filter)
    ) {
      this.#addMatches(text, at << 1, index, ranges, false, 0);
    }
  }

  /** Adds the needles with the word or pair at a position, and the repetitions that follow. */
  #addMatches(
    text: Uint8Array,
    at: number,
    index: WordIndex,
    ranges: RangeSink,
    isEncoded: boolean,
    repeatedBytes: number,
  ): void {
    const pool = this.#pool;
    const word = wordAt(text, at, index === this.#pairs ? 2 : 4);
    for (let place = index.first(word); place >= 0; place = index.next(place)) {
      const needle = index.getNeedle(place);
      if (isEncoded && this.#isEncoded[needle] === 0) continue;
      const offset = index.getOffset(place);
      const start = at - offset;
      if (!pool.isAt(needle, text, start, offset)) continue;
      const end = start + pool.end(needle) - pool.start(needle);
      ranges.add(start, end + repeatedBytes);
    }
  }

  #choosePairs(needle: Uint8Array): boolean {
    const rarities = this.#rarities;
    computeRarities(needle, 2, rarities);
    for (let residue = 0; residue < 2; residue++) {
      const offset = findRarestWord(
        needle,
        rarities,
        residue,
        2,
        2,
        this.#pairs,
      );
      this.#offsets[residue] = offset;
      const pair = wordAt(needle, offset, 2);
      if (this.#pairs.getCount(pair) >= MAX_SHARING) return false;
    }
    return true;
  }

  #registerPairs(needle: number): void {
    const start = this.#pool.start(needle);
    for (let residue = 0; residue < 2; residue++) {
      const offset = this.#offsets[residue];
      const pair = wordAt(this.#pool.bytes, start + offset, 2);
      this.#pairs.add(pair, needle, offset);
    }
  }

  #chooseWords(needle: Uint8Array): boolean {
    const { length } = needle;
    if (this.#similarCounts.length === 0) {
      this.#similarCounts = new Uint8Array(1 << SIMILARITY_BITS);
    }
    const hasContext = length >= MIN_CONTEXT_NEEDLE_BYTES;
    const width = hasContext ? 8 : 4;
    const maxSimilar = hasContext ? MAX_SIMILAR : MAX_SHORT_SIMILAR;
    const rarities = this.#rarities;
    computeRarities(needle, 4, rarities);
    for (let residue = 0; residue < STRIDE; residue++) {
      const isBetween = residue + 4 > length;
      const index = isBetween ? this.#wordsBetween : this.#words;
      const first = isBetween ? residue - STRIDE / 2 : residue;
      let offset = findRarestWord(
        needle,
        rarities,
        first,
        STRIDE,
        width,
        index,
      );
      if (this.#isCrowded(needle, offset, index, maxSimilar)) {
        // Uses another word, which fewer needles have.
        offset = first;
        while (this.#isCrowded(needle, offset, index, maxSimilar)) {
          offset += STRIDE;
          if (offset + width > length) return false;
        }
      }
      this.#offsets[residue] = offset;
    }
    return true;
  }

  /** Whether too many needles are found by a word already. */
  #isCrowded(
    needle: Uint8Array,
    offset: number,
    index: WordIndex,
    maxSimilar: number,
  ): boolean {
    const context = contextAt(needle, 0, needle.length, offset);
    return this.#similarCounts[similarityKey(context)] >= maxSimilar ||
      index.getCount(wordAt(needle, offset, 4)) >= MAX_SHARING;
  }

  #registerWords(needle: number, length: number): void {
    const contexts = this.#ensureContexts();
    for (let residue = 0; residue < STRIDE; residue++) {
      const isBetween = residue + 4 > length;
      const index = isBetween ? this.#wordsBetween : this.#words;
      const offset = this.#offsets[residue];
      const at = this.#pool.start(needle) + offset;
      index.add(wordAt(this.#pool.bytes, at, 4), needle, offset);
      const context = this.#contextAt(needle, offset);
      contexts.add(context);
      this.#similarCounts[similarityKey(context)]++;
    }
  }

  /** Created late, because the filter is large, and many runs have few secrets or none. */
  #ensureContexts(): WordFilter {
    const contexts = this.#contexts ??= new WordFilter(CONTEXT_BITS);
    const isFull = this.#words.size + this.#wordsBetween.size > MAX_CONTEXTS;
    if (!isFull || this.#hasLargeContexts) return contexts;
    this.#hasLargeContexts = true;
    this.#areContextsMoved = false;
    const larger = this.#contexts = new WordFilter(LARGE_CONTEXT_BITS);
    for (const index of [this.#words, this.#wordsBetween]) {
      for (let place = 0; place < index.size; place++) {
        const [needle, offset] = [
          index.getNeedle(place),
          index.getOffset(place),
        ];
        larger.add(this.#contextAt(needle, offset));
      }
    }
    return larger;
  }

  /** Combines a registered word with the next one, if every occurrence has a next one. */
  #contextAt(needle: number, offset: number): number {
    const start = this.#pool.start(needle);
    return contextAt(this.#pool.bytes, start, this.#pool.end(needle), offset);
  }
}

/** The part of a text that is being searched, and repeats itself. */
class RepeatedPart {
  /** Range of the words at which the same needles start as one period earlier. */
  #from = 0;
  #to = 0;

  /** Starts another text. */
  reset(): void {
    this.#from = this.#to = 0;
  }

  /** Number of words after a position that only repeat the needles found there. */
  skip(words: Int32Array, at: number): number {
    if (at >= this.#to && isRepeated(words, at)) {
      this.#from = at + MAX_NEEDLE_WORDS;
      this.#to = repetitionEnd(words, at) - MAX_NEEDLE_WORDS;
    }
    const isInside = at >= this.#from && at < this.#to;
    return isInside ? this.#to - at & -(STRIDE >>> 2) : 0;
  }
}

/**
 * Finds the last place up to a position.
 *
 * @param places Ascending places, at least a stride apart.
 * @param from Index of a place that is not after the position.
 * @param count Number of places.
 * @returns Its index.
 */
function lastUpTo(
  places: Int32Array,
  from: number,
  count: number,
  position: number,
): number {
  let low = from;
  let high = Math.min(
    count,
    from + 1 + Math.floor((position - places[from]) / STRIDE),
  );
  while (high - low > 1) {
    const middle = (low + high) >>> 1;
    if (places[middle] <= position) low = middle;
    else high = middle;
  }
  return low;
}

/** Whether the words after a position repeat the previous stride. */
function isRepeated(words: Int32Array, at: number): boolean {
  return words[at] === words[at + 2] && words[at + 1] === words[at + 3];
}

function repetitionEnd(words: Int32Array, from: number): number {
  let at = from + 2;
  while (at < words.length && words[at] === words[at - 2]) at++;
  return at;
}

function similarityKey(context: number): number {
  return hashWord(context) >>> (32 - SIMILARITY_BITS);
}

/** Checks whether a part of a text is whitespace, which is not secret. */
function isWhitespace(bytes: Uint8Array, from: number, to: number): boolean {
  for (let at = from; at < to; at++) {
    const byte = bytes[at];
    if (byte !== 0x20 && (byte < 9 || byte > 13)) return false;
  }
  return true;
}
