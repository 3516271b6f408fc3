import { grown } from "./needle_pool.ts";
import { hashOf, wordAt, WordFilter } from "./word_filter.ts";

/** Numbers that are kept of a place: word, needle, offset, and the next place in its bucket. */
const FIELDS = 4;

const [WORD, NEEDLE, OFFSET, NEXT] = [0, 1, 2, 3];

/** Behind the last place of a bucket. */
const NONE = -1;

/** How many places share a bucket on average at most. */
const PLACES_PER_BUCKET = 2;

const MIN_BUCKET_BITS = 8;

/** From so many buckets on, as a power of two, their number grows faster. */
const FAST_BITS = 10;

/** How many more numbers a filter has than there are buckets, as a power of two. */
const SPARE_BITS = 3;

/** Greatest size of a filter, as a power of two: more would not stay in the caches. */
const MAX_FILTER_BITS = 18;

/** Most offsets of a needle that are compared when a rare word is chosen. */
const MAX_CHOICES = 64;

/**
 * Finds, for a word of a text, the needles that have this word registered,
 * each with the offset at which it has it: a place.
 */
export class WordIndex {
  /** The fields of each place, one place behind the other. */
  #places = new Int32Array(FIELDS << MIN_BUCKET_BITS);
  #size = 0;
  #bucketBits = 0;
  /** First place of each bucket. */
  #heads = new Int32Array();
  /** How many places each bucket has. */
  #counts = new Int32Array();
  #filter = new WordFilter(0);

  /** Makes an index without places. */
  constructor() {
    this.#rebuild(MIN_BUCKET_BITS);
  }

  /** Number of places. */
  get size(): number {
    return this.#size;
  }

  /** Lets registered words through and hardly any other; a larger one replaces it now and then. */
  get filter(): WordFilter {
    return this.#filter;
  }

  /**
   * Registers a place.
   *
   * @param word The word, as a signed 32-bit integer.
   * @param needle Number of the needle that has it.
   * @param offset Where in the needle it stands.
   */
  add(word: number, needle: number, offset: number): void {
    const place = this.#size++;
    this.#places = grown(this.#places, FIELDS * this.#size);
    this.#places[FIELDS * place + WORD] = word;
    this.#places[FIELDS * place + NEEDLE] = needle;
    this.#places[FIELDS * place + OFFSET] = offset;
    if (this.#size > PLACES_PER_BUCKET << this.#bucketBits) {
      this.#rebuild(this.#bucketBits + (this.#bucketBits < FAST_BITS ? 1 : 2));
    } else {
      this.#link(place);
    }
    this.#filter.add(word);
  }

  /**
   * Tells about how many places a word has.
   *
   * @param word The word, as a signed 32-bit integer.
   * @returns Their number, possibly with those of other words.
   */
  countOf(word: number): number {
    return this.#counts[this.#bucketOf(word)];
  }

  /**
   * Gives the first place of a word.
   *
   * @param word The word, as a signed 32-bit integer.
   * @returns The place; negative if there is none.
   */
  first(word: number): number {
    return this.#from(this.#heads[this.#bucketOf(word)], word);
  }

  /**
   * Gives the next place of the same word.
   *
   * @param place A place.
   * @returns The next one; negative if there is none.
   */
  next(place: number): number {
    const at = FIELDS * place;
    return this.#from(this.#places[at + NEXT], this.#places[at + WORD]);
  }

  /**
   * Tells which needle a place belongs to.
   *
   * @param place The place.
   * @returns Number of the needle.
   */
  needleOf(place: number): number {
    return this.#places[FIELDS * place + NEEDLE];
  }

  /**
   * Tells where in its needle a place is.
   *
   * @param place The place.
   * @returns Offset of the word.
   */
  offsetOf(place: number): number {
    return this.#places[FIELDS * place + OFFSET];
  }

  #from(place: number, word: number): number {
    const places = this.#places;
    while (place !== NONE && places[FIELDS * place + WORD] !== word) {
      place = places[FIELDS * place + NEXT];
    }
    return place;
  }

  #bucketOf(word: number): number {
    return hashOf(word) >>> (32 - this.#bucketBits);
  }

  #rebuild(bucketBits: number): void {
    this.#bucketBits = bucketBits;
    this.#heads = new Int32Array(1 << bucketBits).fill(NONE);
    this.#counts = new Int32Array(1 << bucketBits);
    for (let place = 0; place < this.#size; place++) this.#link(place);
    if (bucketBits + SPARE_BITS <= MAX_FILTER_BITS) {
      this.#replaceFilter(bucketBits + SPARE_BITS);
    }
  }

  #replaceFilter(sizeBits: number): void {
    this.#filter = new WordFilter(sizeBits);
    for (let place = 0; place < this.#size; place++) {
      this.#filter.add(this.#places[FIELDS * place + WORD]);
    }
  }

  #link(place: number): void {
    const word = this.#places[FIELDS * place + WORD];
    const bucket = this.#bucketOf(word);
    this.#places[FIELDS * place + NEXT] = this.#heads[bucket];
    this.#heads[bucket] = place;
    this.#counts[bucket]++;
  }
}

/**
 * Finds the rarest word of a needle among those a stride apart that have so
 * many bytes from there on.
 *
 * @param needle The needle.
 * @param rarities How rare the word at each of its offsets is.
 * @param first The first offset that counts.
 * @param stride How far apart these are.
 * @param leastBytes How many bytes there have to be: 2 for a pair of bytes.
 * @param index The words of other needles.
 */
export function rarest(
  needle: Uint8Array,
  rarities: Uint8Array,
  first: number,
  stride: number,
  leastBytes: 2 | 4 | 8,
  index: WordIndex,
): number {
  const width = leastBytes === 2 ? 2 : 4;
  const last = Math.min(
    needle.length - leastBytes,
    first + stride * MAX_CHOICES,
  );
  let best = first;
  let bestRarity = -Infinity;
  for (let offset = first; offset <= last; offset += stride) {
    let rarity = rarities[offset];
    if (rarity <= bestRarity) continue;
    rarity -= index.countOf(wordAt(needle, offset, width));
    if (rarity <= bestRarity) continue;
    best = offset;
    bestRarity = rarity;
  }
  return best;
}

/**
 * Computes how seldom each word of a needle is met in logs, by the kinds of its
 * bytes and their variety.
 *
 * @param needle The needle.
 * @param width Size of a word.
 * @param rarities Receives a number for each offset.
 */
export function computeRarities(
  needle: Uint8Array,
  width: 2 | 4,
  rarities: Uint8Array,
): void {
  let rarity = 0;
  let variety = 0;
  for (let at = 0; at < needle.length; at++) {
    const byte = needle[at];
    rarity += RARITIES[byte];
    if (at > 0 && byte !== needle[at - 1]) variety += VARIETY;
    const start = at - width + 1;
    if (start < 0) continue;
    rarities[start] = rarity + variety;
    rarity -= RARITIES[needle[start]];
    if (needle[start + 1] !== needle[start]) variety -= VARIETY;
  }
}

/** How much a byte that differs from the one before adds to the rarity of a word. */
const VARIETY = 4;

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
