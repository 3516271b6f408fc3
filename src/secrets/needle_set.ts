import { NeedlePool } from "./needle_pool.ts";
import { PrefixIndex } from "./prefix_index.ts";
import type { Ranges } from "./ranges.ts";
import { findInRun, isUniform } from "./run_search.ts";
import { nextPair, nextWord, wordAt } from "./word_filter.ts";
import { WordIndex } from "./word_index.ts";

/** Shortest needle that can be found, in bytes: a pair at an even offset, plus one. */
export const MIN_NEEDLE_BYTES = 3;

/** Shortest needle that has a whole word at a multiple of four, wherever it stands. */
const MIN_WORD_NEEDLE_BYTES = 4 + 3;

/** Distance of the words that are looked at, in bytes. */
const STRIDE = 8;

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
 */
export class NeedleSet {
  readonly #texts = new Set<string>();
  readonly #pool = new NeedlePool();
  readonly #prefixes = new PrefixIndex(this.#pool);
  /** Words at multiples of the stride, and those half a stride before. */
  readonly #words = new WordIndex();
  readonly #wordsBetween = new WordIndex();
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
    if (length < MIN_WORD_NEEDLE_BYTES) {
      this.#register(needle, 0, 2, 2, this.#pairs);
      this.#register(needle, 1, 2, 2, this.#pairs);
      return;
    }
    for (let residue = 0; residue < STRIDE; residue++) {
      if (residue + 4 <= length) {
        this.#register(needle, residue, STRIDE, 4, this.#words);
      } else {
        const before = residue - STRIDE / 2;
        this.#register(needle, before, STRIDE, 4, this.#wordsBetween);
      }
    }
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
    while (at < words.length) {
      const word = words[at];
      const first = index.first(word);
      if (first >= 0) {
        const next = at + step;
        const isRun = next < words.length && words[next] === word &&
          isUniform(word);
        if (isRun) {
          const end = findInRun(text, words, at, index, this.#pool, ranges);
          // On to the last word that is looked at within the run.
          at += Math.trunc(((end >>> 2) - 1 - at) / step) * step;
        } else {
          this.#addMatches(text, at << 2, index, first, ranges);
        }
      }
      at = nextWord(words, at + step, step, index.filter);
    }
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

  /** Registers the rarest word of a needle among those a stride apart. */
  #register(
    needle: number,
    firstOffset: number,
    stride: number,
    width: 2 | 4,
    index: WordIndex,
  ): void {
    const { bytes } = this.#pool;
    const start = this.#pool.start(needle);
    const length = this.#pool.end(needle) - start;
    const last = Math.min(length - width, firstOffset + stride * MAX_CHOICES);
    let best = firstOffset;
    let bestRarity = -Infinity;
    for (let offset = firstOffset; offset <= last; offset += stride) {
      let rarity = rarityOf(bytes, start + offset, width);
      if (rarity <= bestRarity) continue;
      rarity -= index.countOf(wordAt(bytes, start + offset, width));
      if (rarity <= bestRarity) continue;
      best = offset;
      bestRarity = rarity;
    }
    index.add(wordAt(bytes, start + best, width), needle, best);
  }
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
