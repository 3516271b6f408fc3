/** Maximum length of a needle, in bytes. */
export const MAX_NEEDLE_BYTES = 128;

/** Fibonacci hashing: spreads words that differ in any byte. */
export const MULTIPLIER = 0x9E3779B1 | 0;

/**
 * A Bloom filter, which shows whether a word was certainly never added.
 *
 * Its numbers are exposed, because the loops that use them are the hottest of the
 * program and must not call functions.
 */
export class WordFilter {
  /** Two bits in one of these numbers are set for each word. */
  readonly bits: Int32Array;
  /** Right shift that turns the hash of a word into the index of its number. */
  readonly shift: number;

  /**
   * Creates a filter without words.
   *
   * @param sizeBits Base-2 logarithm of the number of its 32-bit numbers.
   * @param bits Array for its numbers, if they have to be at a certain location.
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
    const hash = hashWord(word);
    this.bits[hash >>> this.shift] |= 1 << hash | 1 << (hash >>> 5);
  }

  /**
   * Checks whether a word may have been added.
   *
   * @param word The word, as an integer of 32 bits.
   */
  mayHave(word: number): boolean {
    const hash = hashWord(word);
    const bits = this.bits[hash >>> this.shift];
    return (bits >>> hash & bits >>> (hash >>> 5) & 1) !== 0;
  }
}

/** Size of a filter for words and the next words if there are many, as a power of two. */
export const LARGE_CONTEXT_BITS = 18;

/** Sizes of filters of samples in bytes, as powers of two: larger ones would not fit in the caches. */
const MIN_SAMPLE_BITS = 10;
export const MAX_SAMPLE_BITS = 18;

/** Sizes of both filters of a flood, as powers of two. */
export const [FLOOD_SAMPLE_BITS, FLOOD_CONTEXT_BITS] = [20, 20];

/** Number of bytes of such a filter per word, as a power of two. */
const SAMPLE_BYTE_BITS = 3;

/** Number of bytes from the index of a word within which its bit lies. */
const BIT_BYTES = 4;

/** A sparse filter with one bit for each word, for a fast first look at every second word. */
export class SampleFilter {
  /** Right shift that turns the hash of a word into the index of a byte near its bit. */
  readonly shift: number;
  readonly #bytes: Uint8Array;
  readonly #sizeBits: number;

  /**
   * Creates a filter without words.
   *
   * @param sizeBits Base-2 logarithm of the number of its bytes.
   * @param memory Memory for these bytes and {@linkcode BIT_BYTES} more.
   */
  constructor(sizeBits: number, memory: Uint8Array) {
    this.#sizeBits = sizeBits;
    this.shift = 32 - sizeBits;
    this.#bytes = memory.subarray(0, (1 << sizeBits) + BIT_BYTES).fill(0);
  }

  /** The size for a number of words, as a power of two. */
  static sizeFor(count: number): number {
    const bits = 32 - Math.clz32(count) + SAMPLE_BYTE_BITS;
    return Math.min(MAX_SAMPLE_BITS, Math.max(MIN_SAMPLE_BITS, bits));
  }

  /** Whether it has room for so many words. */
  hasRoomFor(count: number): boolean {
    return this.#sizeBits >= MAX_SAMPLE_BITS ||
      count << SAMPLE_BYTE_BITS <= 1 << this.#sizeBits;
  }

  /** Adds a word. */
  add(word: number): void {
    const hash = hashWord(word);
    const bit = hash & 31;
    this.#bytes[(hash >>> this.shift) + (bit >>> 3)] |= 1 << (bit & 7);
  }
}

/** Distance between the words that are looked up, in bytes. */
export const STRIDE = 8;

/** Minimum length of a needle that has a whole word at a multiple of four at any position. */
export const MIN_WORD_NEEDLE_BYTES = 4 + 3;

/** Minimum length of a needle in which each registered word is followed by another word. */
export const MIN_CONTEXT_NEEDLE_BYTES = STRIDE + 4 + 3;

/**
 * Combines a registered word of a needle with the next one, if every occurrence has a
 * next one.
 */
export function contextAt(
  bytes: Uint8Array,
  start: number,
  end: number,
  offset: number,
): number {
  const word = wordAt(bytes, start + offset, 4);
  const hasNext = end - start >= MIN_CONTEXT_NEEDLE_BYTES;
  return hasNext ? inContext(word, wordAt(bytes, start + offset + 4, 4)) : word;
}

/** Combines a word with the next one. */
export function inContext(word: number, next: number): number {
  return word ^ hashWord(next);
}

/**
 * Mixes the bits of a word; the upper ones depend on all of them.
 *
 * @param word The word, as an integer of 32 bits.
 * @returns Another such integer for each word.
 */
export function hashWord(word: number): number {
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
 * The loop calls nothing and does nothing else: a callback would double its time.
 *
 * @param words The text as words.
 * @param from First position to check.
 * @param step Distance between positions, in words.
 * @param filter The filter.
 * @returns The position; a position after the text if there is none.
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
    // A shift uses only the lowest five bits of its distance.
    if ((both >>> hash & 1) === 0) continue;
    if ((both >>> (hash >>> 5) & 1) !== 0) break;
  }
  return at;
}

/**
 * Finds the next pair of bytes of a text that a filter lets through.
 *
 * @param pairs The text as pairs.
 * @param from First position to check.
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
 * Checks whether a text contains `count` consecutive grams that may have been added:
 * four-byte words, each of which begins one byte after the last.
 *
 * @param bytes The text.
 * @param length Where it ends.
 * @param filter The filter.
 * @param count Number of consecutive grams.
 */
export function holdsGrams(
  bytes: Uint8Array,
  length: number,
  filter: WordFilter,
  count: number,
): boolean {
  // Each such sequence contains one of these positions.
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

/** Fields of a place: word, needle, offset, and the next place in its bucket. */
const FIELDS = 4;

const [WORD, NEEDLE, OFFSET, NEXT] = [0, 1, 2, 3];

/** Marks the end of a bucket. */
const NONE = -1;

/** Maximum average number of places per bucket. */
const PLACES_PER_BUCKET = 2;

const MIN_BUCKET_BITS = 8;

/** Number of buckets, as a power of two, from which their number grows faster. */
const FAST_BITS = 10;

/** Ratio of the numbers of a filter to buckets, as a power of two. */
const SPARE_BITS = 1;

/** Maximum size of a filter, as a power of two: a larger one would not fit in the caches. */
const MAX_FILTER_BITS = 17;

/** Maximum number of offsets of a needle that are compared when a rare word is chosen. */
const MAX_CHOICES = 64;

/**
 * Finds the needles for which a word of a text is registered, each with the offset
 * of the word in the needle. Such a pair is called a place.
 */
export class WordIndex {
  /** Fields of all places, one place after the other. */
  #places = new Int32Array(FIELDS << MIN_BUCKET_BITS);
  #size = 0;
  #bucketBits = 0;
  /** First place of each bucket. */
  #heads = new Int32Array();
  /** Number of places in each bucket. */
  #counts = new Int32Array();
  #filter = new WordFilter(0);

  /** Creates an index without places. */
  constructor() {
    this.#rebuild(MIN_BUCKET_BITS);
  }

  /** Number of places. */
  get size(): number {
    return this.#size;
  }

  /** Passes registered words and hardly any others; occasionally replaced by a larger one. */
  get filter(): WordFilter {
    return this.#filter;
  }

  /**
   * Registers a place.
   *
   * @param word The word, as a signed 32-bit integer.
   * @param needle Number of the needle that has it.
   * @param offset Offset of the word in the needle.
   */
  add(word: number, needle: number, offset: number): void {
    const place = this.#size++;
    this.#places = growArray(this.#places, FIELDS * this.#size);
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
   * Returns the approximate number of places of a word.
   *
   * @param word The word, as a signed 32-bit integer.
   * @returns Their number, possibly with those of other words.
   */
  getCount(word: number): number {
    return this.#counts[this.#bucketOf(word)];
  }

  /**
   * Returns the first place of a word.
   *
   * @param word The word, as a signed 32-bit integer.
   * @returns The place; negative if there is none.
   */
  first(word: number): number {
    return this.#from(this.#heads[this.#bucketOf(word)], word);
  }

  /**
   * Returns the next place of the same word.
   *
   * @param place A place.
   * @returns The next one; negative if there is none.
   */
  next(place: number): number {
    const at = FIELDS * place;
    return this.#from(this.#places[at + NEXT], this.#places[at + WORD]);
  }

  /**
   * Returns which needle a place belongs to.
   *
   * @param place The place.
   * @returns Number of the needle.
   */
  getNeedle(place: number): number {
    return this.#places[FIELDS * place + NEEDLE];
  }

  /**
   * Returns the word of a place.
   *
   * @param place The place.
   */
  getWord(place: number): number {
    return this.#places[FIELDS * place + WORD];
  }

  /**
   * Returns where in its needle a place is.
   *
   * @param place The place.
   * @returns Offset of the word.
   */
  getOffset(place: number): number {
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
    return hashWord(word) >>> (32 - this.#bucketBits);
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
 * Finds the rarest word of a needle, among words at a fixed distance that are
 * followed by enough bytes.
 *
 * @param needle The needle.
 * @param rarities How rare the word at each of its offsets is.
 * @param first The first offset that counts.
 * @param stride Distance between offsets.
 * @param minBytes Minimum number of bytes from the start of the word on; 2 for a pair.
 * @param index The words of other needles.
 */
export function findRarestWord(
  needle: Uint8Array,
  rarities: Uint8Array,
  first: number,
  stride: number,
  minBytes: 2 | 4 | 8,
  index: WordIndex,
): number {
  const width = minBytes === 2 ? 2 : 4;
  const last = Math.min(
    needle.length - minBytes,
    first + stride * MAX_CHOICES,
  );
  let best = first;
  let bestRarity = -Infinity;
  for (let offset = first; offset <= last; offset += stride) {
    let rarity = rarities[offset];
    if (rarity <= bestRarity) continue;
    rarity -= index.getCount(wordAt(needle, offset, width));
    if (rarity <= bestRarity) continue;
    best = offset;
    bestRarity = rarity;
  }
  return best;
}

/**
 * Estimates how rare each word of a needle is in logs, from the kinds of its bytes
 * and their variety.
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

/** Added to the rarity of a word for each byte that differs from the previous one. */
const VARIETY = 4;

/** Rarity of each byte. */
const RARITIES = createRarities();

function createRarities(): Uint8Array {
  const rarities = new Uint8Array(256);
  for (let byte = 0; byte < 256; byte++) rarities[byte] = byteRarity(byte);
  return rarities;
}

/** Returns the rarity of a byte; logs are full of decimal and hexadecimal numbers. */
function byteRarity(byte: number): number {
  if (byte === 0x20 || byte === 0x0a || byte === 0) return 0;
  if (byte >= 0x30 && byte <= 0x39) return 1;
  if (byte >= 0x61 && byte <= 0x66) return 2;
  if (byte >= 0x61 && byte <= 0x7a) return 3;
  if (byte >= 0x41 && byte <= 0x5a) return 4;
  return byte > 0x20 && byte < 0x7f ? 3 : 6;
}

/**
 * Grows an array: its size doubles whenever it gets too small.
 *
 * @param array The array.
 * @param length Minimum length.
 * @returns The array itself, or a longer one that begins with its numbers.
 */
export function growArray<T extends Int32Array | Uint8Array>(
  array: T,
  length: number,
): T {
  if (length <= array.length) return array;
  const Type = array.constructor as new (length: number) => T;
  const longer = new Type(Math.max(length, 2 * array.length));
  longer.set(array);
  return longer;
}
