import { PrefixIndex } from "./prefix_index.ts";
import type { Ranges } from "./ranges.ts";
import { addMatch, findInRun, isUniform } from "./run_search.ts";
import { nextPair, PairIndex } from "./pair_index.ts";
import { nextWord, type Place, WordIndex } from "./word_index.ts";

/** Shortest needle that can be found, in bytes: a pair at an even offset, plus one. */
export const MIN_NEEDLE_BYTES = 3;

/** Most offsets of a needle that are compared when a rare word is chosen. */
const MAX_CHOICES = 64;

/**
 * Byte strings that are looked for, all at once.
 *
 * A text is viewed as 32-bit words, of which only every second one is looked
 * at while each needle is long enough: an occurrence of at least `stride + 3`
 * bytes holds a whole word at a multiple of `stride`, so for each residue one
 * word of the needle is registered, and exactly one of them is met. The few
 * needles that are too short for words are found by pairs of bytes.
 */
export class NeedleSet {
  readonly #texts = new Set<string>();
  readonly #needles: Uint8Array[] = [];
  readonly #prefixes = new PrefixIndex();
  readonly #pairs = new PairIndex();
  #words = new WordIndex();
  /** Distance of the words that are looked at, in bytes. */
  #stride: 4 | 8 = 8;

  /** Number of needles. */
  get size(): number {
    return this.#needles.length;
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
    const needle = bytesOf(text);
    if (needle.length < minBytes) return;
    this.#texts.add(text);
    this.#needles.push(needle);
    this.#prefixes.add(needle);
    if (needle.length < 4 + 3) {
      this.#register(needle, this.#pairs, 2, 2);
    } else if (needle.length < 8 + 3 && this.#stride === 8) {
      this.#stride = 4;
      this.#words = new WordIndex();
      for (const other of this.#needles) {
        if (other.length >= 4 + 3) this.#register(other, this.#words, 4, 4);
      }
    } else {
      this.#register(needle, this.#words, 4, this.#stride);
    }
  }

  /**
   * Finds every byte that belongs to an occurrence of a needle.
   *
   * @param text The text; its first byte is the first one of its buffer.
   * @param ranges Receives the occurrences.
   */
  find(text: Uint8Array<ArrayBuffer>, ranges: Ranges): void {
    if (this.#words.size > 0) this.#findByWords(text, ranges);
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

  #findByWords(text: Uint8Array<ArrayBuffer>, ranges: Ranges): void {
    const index = this.#words;
    const words = new Int32Array(text.buffer, 0, text.length >>> 2);
    const step = this.#stride >>> 2;
    let at = nextWord(words, 0, step, index);
    while (at < words.length) {
      const word = words[at];
      const places = index.get(word);
      const next = at + step;
      const isRun = next < words.length && words[next] === word &&
        isUniform(word);
      if (places !== undefined && isRun) {
        const end = findInRun(text, words, at, places, ranges);
        // On to the last word that is looked at within the run.
        at += Math.trunc(((end >>> 2) - 1 - at) / step) * step;
      } else if (places !== undefined) {
        addMatches(text, at << 2, places, ranges);
      }
      at = nextWord(words, at + step, step, index);
    }
  }

  #findByPairs(text: Uint8Array<ArrayBuffer>, ranges: Ranges): void {
    const index = this.#pairs;
    const pairs = new Uint16Array(text.buffer, 0, text.length >>> 1);
    for (
      let at = nextPair(pairs, 0, index);
      at < pairs.length;
      at = nextPair(pairs, at + 1, index)
    ) addMatches(text, at << 1, index.get(pairs[at])!, ranges);
  }

  /** Registers, for each residue of the offset, the rarest word of a needle. */
  #register(
    needle: Uint8Array,
    index: WordIndex | PairIndex,
    width: 2 | 4,
    stride: number,
  ): void {
    for (let residue = 0; residue < stride; residue++) {
      let best = residue;
      let bestRarity = -Infinity;
      const end = Math.min(
        needle.length - width,
        residue + stride * MAX_CHOICES,
      );
      for (let offset = residue; offset <= end; offset += stride) {
        let rarity = rarityOf(needle, offset, width);
        if (rarity <= bestRarity) continue;
        rarity -= index.get(wordAt(needle, offset, width))?.length ?? 0;
        if (rarity <= bestRarity) continue;
        best = offset;
        bestRarity = rarity;
      }
      index.add(wordAt(needle, best, width), { needle, offset: best });
    }
  }
}

/** The text in UTF-8; nearly all are short and ASCII, which takes no call of the system. */
function bytesOf(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code >= 0x80) return new TextEncoder().encode(text);
    bytes[at] = code;
  }
  return bytes;
}

/** Reads a word the way a typed array does on the little-endian machines that Deno runs on. */
function wordAt(bytes: Uint8Array, at: number, width: 2 | 4): number {
  const low = bytes[at] | bytes[at + 1] << 8;
  return width === 2 ? low : low | bytes[at + 2] << 16 | bytes[at + 3] << 24;
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

function addMatches(
  text: Uint8Array,
  at: number,
  places: readonly Place[],
  ranges: Ranges,
): void {
  for (const { needle, offset } of places) {
    addMatch(needle, text, at - offset, ranges);
  }
}
