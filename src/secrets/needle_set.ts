import { NeedlePool } from "./needle_pool.ts";
import { PrefixIndex } from "./prefix_index.ts";
import type { Ranges } from "./ranges.ts";
import { findInRun, isUniform } from "./run_search.ts";
import {
  hashOf,
  nextPair,
  nextWord,
  wordAt,
  WordFilter,
} from "./word_filter.ts";
import { WordIndex } from "./word_index.ts";

/** Shortest needle that can be found, in bytes: a pair at an even offset, plus one. */
export const MIN_NEEDLE_BYTES = 3;

/** Shortest needle that has a whole word at a multiple of four, wherever it stands. */
const MIN_WORD_NEEDLE_BYTES = 4 + 3;

/** Distance of the words that are looked at, in bytes. */
const STRIDE = 8;

/** Shortest needle of which each registered word has another one behind it. */
const MIN_CONTEXT_NEEDLE_BYTES = STRIDE + 4 + 3;

/** Size of the filter for words and what follows, as a power of two. */
const CONTEXT_BITS = 16;

/** The same for more words than the smaller one tells apart, and for how many it does. */
const LARGE_CONTEXT_BITS = 18;
const MAX_CONTEXTS = 1 << 17;

/** Most offsets of a needle that are compared when a rare word is chosen. */
const MAX_CHOICES = 64;

/**
 * Byte strings that are looked for, all at once.
 *
 * A text is viewed as 32-bit words, of which only every second one is looked
 * at: an occurrence of at least `STRIDE + 3` bytes holds a whole word at a
 * multiple of `STRIDE`, so for each residue one word of the needle is
 * registered, and exactly one of them is met. A shorter needle has for some
 * residues no such word, but one half a stride before it; these words have an
 * index of their own, and a look at the other half of the text. The few
 * needles that are too short for words are found by pairs of bytes.
 *
 * Four bytes, hexadecimal digits above all, are often met by chance. What
 * follows them in the text tells whether it is worth to look closer.
 */
export class NeedleSet {
  readonly #texts = new Set<string>();
  readonly #pool = new NeedlePool();
  readonly #prefixes = new PrefixIndex(this.#pool);
  /** Words at multiples of the stride, and those half a stride before. */
  readonly #words = new WordIndex();
  readonly #wordsBetween = new WordIndex();
  /** Registered words together with the next ones, and by themselves if a needle may end there. */
  #contexts: WordFilter | undefined;
  #hasLargeContexts = false;
  readonly #pairs = new WordIndex();

  /** Number of needles. */
  get size(): number {
    return this.#pool.count;
  }

  /**
   * Adds the bytes of a text.
   *
   * @param text The text; nothing happens if it was added before.
   * @param minBytes Nothing happens if it has fewer bytes; at least
   * {@linkcode MIN_NEEDLE_BYTES}.
   */
  add(text: string, minBytes: number): void {
    if (this.#texts.has(text)) return;
    const needle = this.#pool.add(text, minBytes);
    if (needle === undefined) return;
    this.#texts.add(text);
    this.#prefixes.add(needle);
    const length = this.#pool.end(needle) - this.#pool.start(needle);
    if (length < MIN_WORD_NEEDLE_BYTES) this.#registerPairs(needle);
    else this.#registerWords(needle, length);
  }

  /**
   * Finds every byte that belongs to an occurrence of a needle.
   *
   * @param text The text; its first byte is the first one of its buffer.
   * @param ranges Receives the occurrences.
   */
  find(text: Uint8Array<ArrayBuffer>, ranges: Ranges): void {
    const words = new Int32Array(text.buffer, 0, text.length >>> 2);
    const half = STRIDE / 2 >>> 2;
    if (this.#words.size > 0) {
      this.#findByWords(text, words, 0, this.#words, ranges);
    }
    if (this.#wordsBetween.size > 0) {
      this.#findByWords(text, words, half, this.#wordsBetween, ranges);
    }
    if (this.#pairs.size > 0) this.#findByPairs(text, ranges);
  }

  /**
   * Finds the end of a text that may still become a needle.
   *
   * @param text The text.
   * @returns Where that end starts; the length of the text if there is none.
   */
  partialFrom(text: Uint8Array): number {
    return this.#prefixes.partialFrom(text);
  }

  #findByWords(
    text: Uint8Array,
    words: Int32Array,
    from: number,
    index: WordIndex,
    ranges: Ranges,
  ): void {
    const step = STRIDE >>> 2;
    let at = nextWord(words, from, step, index.filter);
    for (; at < words.length; at = nextWord(words, at, step, index.filter)) {
      const word = words[at];
      const isRun = words[at + step] === word && isUniform(word);
      if (isRun && index.first(word) >= 0) {
        const end = findInRun(text, words, at, index, this.#pool, ranges);
        // On to the last word that is looked at within the run.
        at += Math.trunc(((end >>> 2) - 1 - at) / step) * step;
      } else if (this.#isLikely(words, at)) {
        this.#addMatches(text, at << 2, index, index.first(word), ranges);
      }
      at += step;
    }
  }

  /** Tells whether a word of a text is followed by what follows it in a needle. */
  #isLikely(words: Int32Array, at: number): boolean {
    // Whoever comes here has found a word, so there is a filter.
    const contexts = this.#contexts!;
    if (contexts.mayHave(words[at])) return true;
    return at + 1 < words.length &&
      contexts.mayHave(inContext(words[at], words[at + 1]));
  }

  #findByPairs(text: Uint8Array<ArrayBuffer>, ranges: Ranges): void {
    const index = this.#pairs;
    const pairs = new Uint16Array(text.buffer, 0, text.length >>> 1);
    for (
      let at = nextPair(pairs, 0, index.filter);
      at < pairs.length;
      at = nextPair(pairs, at + 1, index.filter)
    ) this.#addMatches(text, at << 1, index, index.first(pairs[at]), ranges);
  }

  #addMatches(
    text: Uint8Array,
    at: number,
    index: WordIndex,
    first: number,
    ranges: Ranges,
  ): void {
    const pool = this.#pool;
    for (let place = first; place >= 0; place = index.next(place)) {
      const needle = index.needleOf(place);
      const start = at - index.offsetOf(place);
      if (!pool.isAt(needle, text, start)) continue;
      ranges.add(start, start + pool.end(needle) - pool.start(needle));
    }
  }

  #registerPairs(needle: number): void {
    const start = this.#pool.start(needle);
    for (let residue = 0; residue < 2; residue++) {
      const offset = this.#rarest(needle, residue, 2, 2, this.#pairs);
      const pair = wordAt(this.#pool.bytes, start + offset, 2);
      this.#pairs.add(pair, needle, offset);
    }
  }

  #registerWords(needle: number, length: number): void {
    const width = length >= MIN_CONTEXT_NEEDLE_BYTES ? 8 : 4;
    const contexts = this.#roomForContexts();
    for (let residue = 0; residue < STRIDE; residue++) {
      const isBetween = residue + 4 > length;
      const index = isBetween ? this.#wordsBetween : this.#words;
      const first = isBetween ? residue - STRIDE / 2 : residue;
      const offset = this.#rarest(needle, first, STRIDE, width, index);
      const at = this.#pool.start(needle) + offset;
      index.add(wordAt(this.#pool.bytes, at, 4), needle, offset);
      contexts.add(this.#contextAt(needle, offset));
    }
  }

  /** The filter is large, and many runs have no secrets, or few. */
  #roomForContexts(): WordFilter {
    const contexts = this.#contexts ??= new WordFilter(CONTEXT_BITS);
    const isFull = this.#words.size + this.#wordsBetween.size > MAX_CONTEXTS;
    if (!isFull || this.#hasLargeContexts) return contexts;
    this.#hasLargeContexts = true;
    const larger = this.#contexts = new WordFilter(LARGE_CONTEXT_BITS);
    for (const index of [this.#words, this.#wordsBetween]) {
      for (let place = 0; place < index.size; place++) {
        const [needle, offset] = [index.needleOf(place), index.offsetOf(place)];
        larger.add(this.#contextAt(needle, offset));
      }
    }
    return larger;
  }

  /** Makes one word of a registered word and the next one, if every occurrence has one. */
  #contextAt(needle: number, offset: number): number {
    const { bytes } = this.#pool;
    const start = this.#pool.start(needle);
    const word = wordAt(bytes, start + offset, 4);
    const hasNext = this.#pool.end(needle) - start >= MIN_CONTEXT_NEEDLE_BYTES;
    return hasNext
      ? inContext(word, wordAt(bytes, start + offset + 4, 4))
      : word;
  }

  /** Finds the rarest word of a needle among those a stride apart that have so many bytes from there on. */
  #rarest(
    needle: number,
    first: number,
    stride: number,
    leastBytes: 2 | 4 | 8,
    index: WordIndex,
  ): number {
    const { bytes } = this.#pool;
    const start = this.#pool.start(needle);
    const length = this.#pool.end(needle) - start;
    const width = leastBytes === 2 ? 2 : 4;
    const last = Math.min(length - leastBytes, first + stride * MAX_CHOICES);
    let best = first;
    let bestRarity = -Infinity;
    for (let offset = first; offset <= last; offset += stride) {
      let rarity = rarityOf(bytes, start + offset, width);
      if (rarity <= bestRarity) continue;
      rarity -= index.countOf(wordAt(bytes, start + offset, width));
      if (rarity <= bestRarity) continue;
      best = offset;
      bestRarity = rarity;
    }
    return best;
  }
}

/** Makes one word of a word and the next one. */
function inContext(word: number, next: number): number {
  return word ^ hashOf(next);
}

/** Judges how seldom a word is met in logs: by the kinds of its bytes and their variety. */
function rarityOf(bytes: Uint8Array, at: number, width: 2 | 4): number {
  let rarity = 0;
  for (let i = at; i < at + width; i++) {
    rarity += RARITIES[bytes[i]];
    if (i > at && bytes[i] !== bytes[i - 1]) rarity += 4;
  }
  return rarity;
}

/** How seldom each byte is met. */
const RARITIES = Uint8Array.from(
  { length: 256 },
  (_, byte) => byteRarity(byte),
);

/** Numbers, also hexadecimal ones, are what logs are full of. */
function byteRarity(byte: number): number {
  if (byte === 0x20 || byte === 0x0a || byte === 0) return 0;
  if (byte >= 0x30 && byte <= 0x39) return 1;
  if (byte >= 0x61 && byte <= 0x66) return 2;
  if (byte >= 0x61 && byte <= 0x7a) return 3;
  if (byte >= 0x41 && byte <= 0x5a) return 4;
  return byte > 0x20 && byte < 0x7f ? 3 : 6;
}
