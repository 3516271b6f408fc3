import { wordAt, WordFilter } from "./word_index.ts";

/** How many bytes of a text are scanned at once at most. */
const BLOCK_BYTES = 64 * 1024;

/** How many bytes around those are looked at, too. */
const MARGIN_BYTES = 64;

/** How many bytes are looked at in one step, and together with how many of those before. */
export const [STEP_BYTES, SHARED_BYTES] = [48, 16];

/** Marks the numbers of a list among the places that are found. */
export const LIST = 1 << 31;

/** Where in the memory everything is. */
export const HEX_PAIRS = 0;
const TEXT = 2 * 1024;
const PLACES = TEXT + BLOCK_BYTES + 3 * MARGIN_BYTES;
export const FILTER = PLACES + 8 * BLOCK_BYTES;
const FILTER_BYTES = 1 << 20;
const MEMORY_BYTES = FILTER + FILTER_BYTES;

const PAGE_BYTES = 64 * 1024;

/**
 * Finds the few places of a text that need a closer look: all of it passes
 * through here, 16 bytes at a time, which is what WebAssembly is for.
 *
 * It finds
 *
 * - what begins an escape;
 * - line breaks with four bytes of an encoded needle on either side of them, or
 *   with something that has to be undone before one can know that;
 * - numbers in a row that may stand for bytes, hexadecimal or not.
 */
export class Scanner {
  readonly #memory = new WebAssembly.Memory({
    initial: Math.ceil(MEMORY_BYTES / PAGE_BYTES),
  });
  readonly #bytes = new Uint8Array(this.#memory.buffer);
  /** Places that were found, shifted; numbers in a row have {@linkcode LIST}. */
  readonly places: Int32Array = new Int32Array(this.#memory.buffer, PLACES);
  readonly #scan: Scan;
  #filterShift = 0;
  /** Number of places that were found. */
  count = 0;
  /** How much more than its offset in the text each of them is. */
  shift = 0;
  /** Where the block ends that was scanned; places may be a little in front of the block, or behind it. */
  end = 0;

  constructor() {
    const { exports } = new WebAssembly.Instance(compiledScan(), {
      env: { memory: this.#memory },
    });
    this.#scan = exports.scan as unknown as Scan;
    this.#bytes.set(hexPairs(), HEX_PAIRS);
  }

  /**
   * Makes room for the filter of the four-byte parts of needles.
   *
   * @param sizeBits How many bits it takes to count its numbers.
   * @returns The numbers, all zero; those given before are no longer valid.
   */
  roomForFilter(sizeBits: number): Int32Array {
    this.#filterShift = 32 - sizeBits;
    return new Int32Array(this.#memory.buffer, FILTER, 1 << sizeBits).fill(0);
  }

  /**
   * Scans the next block of a text.
   *
   * @param text The text.
   * @param from Where the block starts.
   */
  scan(text: Uint8Array, from: number): void {
    const bytes = this.#bytes;
    const first = Math.max(0, from - MARGIN_BYTES);
    const end = Math.min(text.length, from + BLOCK_BYTES);
    const last = Math.min(text.length, end + MARGIN_BYTES);
    const begin = TEXT + MARGIN_BYTES;
    bytes.fill(0, TEXT, begin);
    bytes.set(text.subarray(first, last), begin - (from - first));
    bytes.fill(0, begin + last - from, begin + last - from + MARGIN_BYTES);
    // Numbers in a row may begin in front of the block.
    const placesEnd = this.#scan(
      begin - STEP_BYTES,
      begin + end - from,
      PLACES,
      this.#filterShift,
    );
    this.count = placesEnd - PLACES >>> 2;
    this.shift = begin - from;
    this.end = end;
  }
}

/** Finds the places of a text in the memory, and gives where the places end. */
type Scan = (
  from: number,
  to: number,
  places: number,
  filterShift: number,
) => number;

/** The WebAssembly of the scanner, in base64: `deno task scan` writes it from `scripts/scan/code.ts`. */
const SCAN_MODULE =
  "AGFzbQEAAAABCQFgBH9/f38BfwIPAQNlbnYGbWVtb3J5AgABAwIBAAcIAQRzY2FuAAAK0hQBzxQRAX8BfwF/AX8BfwF/AXsBewF7AXsBfgF+AX4BfgF+AX4BfgNA/QyggKCAgIKCoMCgOBFUMBBQIAD9AAAAIg39DA8PDw8PDw8PDw8PDw8PDw/9Tv2AAv0MKAEykIBEgEAAAAAAAAAAACANQQT9bf2AAv1OIgr9DKCAoICAgoKgwKA4EVQwEFAgAP0AABAiDf0MDw8PDw8PDw8PDw8PDw8PD/1O/YAC/QwoATKQgESAQAAAAAAAAAAAIA1BBP1t/YAC/U4iC/1Q/QyggKCAgIKCoMCgOBFUMBBQIAD9AAAgIg39DA8PDw8PDw8PDw8PDw8PDw/9Tv2AAv0MKAEykIBEgEAAAAAAAAAAACANQQT9bf2AAv1OIgz9UP0MDw8PDw8PDw8PDw8PDw8PD/1O/VMEQCAK/QwPDw8PDw8PDw8PDw8PDw8P/U79DAAAAAAAAAAAAAAAAAAAAAD9JP1kIgQEQANAIABBAGogBGhqIgUtAAAhBiAGQQpGBEAgBSEGA0AgBkEBaiIGLQAAQSBGDQALIAVBBGsoAABBsfPd8XlsIgcgA3ZBAnQoAMCRJCIJIAd2IAkgB0EFdnZxQQFxIAYoAABBsfPd8XlsIgcgA3ZBAnQoAMCRJCIJIAd2IAkgB0EFdnZxQQFxcv0MEwABAAEBAQEAAgIGCgIAACAGKAAA/REgBUEEaygAAP0cACIN/QwPDw8PDw8PDw8PDw8PDw8P/U79gAL9DAIEAQAACBAAAAAAAAAAAAAgDUEE/W39gAL9Tv1TcgRAIAIgBTYCACACQQRqIQIFIAYtAARBME9BICAGLQAET3IEQP0MoICggICCgqDAoDgRVDAQUCAG/QAAACIN/QwPDw8PDw8PDw8PDw8PDw8P/U79gAL9DCgBMpCARIBAAAAAAAAAAAAgDUEE/W39gAL9Tv1kQX9zaCIJQQRPIAlBEE9BICAGIAlqLQAATyAGIAlqLQAAQTpGcnJxBEAgAiAFNgIAIAJBBGohAgsLCwUgAiAFNgIAIAJBBGohAgsgBCAEQQFrcSIEDQALCyAL/QwPDw8PDw8PDw8PDw8PDw8P/U79DAAAAAAAAAAAAAAAAAAAAAD9JP1kIgQEQANAIABBEGogBGhqIgUtAAAhBiAGQQpGBEAgBSEGA0AgBkEBaiIGLQAAQSBGDQALIAVBBGsoAABBsfPd8XlsIgcgA3ZBAnQoAMCRJCIJIAd2IAkgB0EFdnZxQQFxIAYoAABBsfPd8XlsIgcgA3ZBAnQoAMCRJCIJIAd2IAkgB0EFdnZxQQFxcv0MEwABAAEBAQEAAgIGCgIAACAGKAAA/REgBUEEaygAAP0cACIN/QwPDw8PDw8PDw8PDw8PDw8P/U79gAL9DAIEAQAACBAAAAAAAAAAAAAgDUEE/W39gAL9Tv1TcgRAIAIgBTYCACACQQRqIQIFIAYtAARBME9BICAGLQAET3IEQP0MoICggICCgqDAoDgRVDAQUCAG/QAAACIN/QwPDw8PDw8PDw8PDw8PDw8P/U79gAL9DCgBMpCARIBAAAAAAAAAAAAgDUEE/W39gAL9Tv1kQX9zaCIJQQRPIAlBEE9BICAGIAlqLQAATyAGIAlqLQAAQTpGcnJxBEAgAiAFNgIAIAJBBGohAgsLCwUgAiAFNgIAIAJBBGohAgsgBCAEQQFrcSIEDQALCyAM/QwPDw8PDw8PDw8PDw8PDw8P/U79DAAAAAAAAAAAAAAAAAAAAAD9JP1kIgQEQANAIABBIGogBGhqIgUtAAAhBiAGQQpGBEAgBSEGA0AgBkEBaiIGLQAAQSBGDQALIAVBBGsoAABBsfPd8XlsIgcgA3ZBAnQoAMCRJCIJIAd2IAkgB0EFdnZxQQFxIAYoAABBsfPd8XlsIgcgA3ZBAnQoAMCRJCIJIAd2IAkgB0EFdnZxQQFxcv0MEwABAAEBAQEAAgIGCgIAACAGKAAA/REgBUEEaygAAP0cACIN/QwPDw8PDw8PDw8PDw8PDw8P/U79gAL9DAIEAQAACBAAAAAAAAAAAAAgDUEE/W39gAL9Tv1TcgRAIAIgBTYCACACQQRqIQIFIAYtAARBME9BICAGLQAET3IEQP0MoICggICCgqDAoDgRVDAQUCAG/QAAACIN/QwPDw8PDw8PDw8PDw8PDw8P/U79gAL9DCgBMpCARIBAAAAAAAAAAAAgDUEE/W39gAL9Tv1kQX9zaCIJQQRPIAlBEE9BICAGIAlqLQAATyAGIAlqLQAAQTpGcnJxBEAgAiAFNgIAIAJBBGohAgsLCwUgAiAFNgIAIAJBBGohAgsgBCAEQQFrcSIEDQALCwsgDkIwiCAK/QxwcHBwcHBwcHBwcHBwcHBw/W79ZK1CEIaEIAv9DHBwcHBwcHBwcHBwcHBwcHD9bv1krUIghoQgDP0McHBwcHBwcHBwcHBwcHBwcP1u/WStQjCGhCEOIA9CMIggCv1krUIQhoQgC/1krUIghoQgDP1krUIwhoQhDyAOIA+FIRAgECAPQgGIgyERIBEgD0ICiIMhEiASIA9CA4iDIRMgESAQQgKIgyERIBIgEEIDiIMhEiATIBBCBIiDIRMgECARQgKGIBJCA4YgE0IEhoSEfCAQQn+FgyARIBIgE4SEQgGGgyEUIBRQRQRAQQAhCANAIAAgFHqnakEQayEFIAUtAAFBwABPIAUtAAFBMGtBCkkgBS0AAEEyTyAFLQABQTlGciAFLQACQTBrQQpJcnFyBEAgCARAIAgvAAAgBS8AAEEQdHJBoMCAgQJyQbHz3fF5bCIHIAN2QQJ0KADAkSQiCSAHdiAJIAdBBXZ2cUEBcSAILQAAQTBrQeQAbCAILQABQTBrQQpsaiAILQACQTBrQQFsakH/B3FBAXQvAAAgCC0AAEEwa0EKbCAILQABQTBrQQFsakH/B3FBAXQvAAAgCC0AAkEwa0EKSRsgCC0AAEEwa0EBbEH/B3FBAXQvAAAgCC0AAUEwa0EKSRsgBS0AAEEwa0HkAGwgBS0AAUEwa0EKbGogBS0AAkEwa0EBbGpB/wdxQQF0LwAAIAUtAABBMGtBCmwgBS0AAUEwa0EBbGpB/wdxQQF0LwAAIAUtAAJBMGtBCkkbIAUtAABBMGtBAWxB/wdxQQF0LwAAIAUtAAFBMGtBCkkbQRB0ckGx893xeWwiByADdkECdCgAwJEkIgkgB3YgCSAHQQV2dnFBAXFyIAgtAABBMGtBwABsIAgtAAFBMGtBCGxqIAgtAAJBMGtBAWxqQf8HcUEBdC8AACAFLQAAQTBrQcAAbCAFLQABQTBrQQhsaiAFLQACQTBrQQFsakH/B3FBAXQvAABBEHRyQbHz3fF5bCIHIAN2QQJ0KADAkSQiCSAHdiAJIAdBBXZ2cUEBcXIgCC0AAUEgckH4AEZyIAUtAAFBIHJB+ABGcgRAIAIgCEGAgICAeHI2AgAgAkEEaiECCwsgBSEIBUEAIQgLIBQgFEIBfYMhFCAUUEUNAAsLIABBMGoiACABSQ0ACyACCw==";

let module: WebAssembly.Module | undefined;

/** The module is made once, when there is a secret. */
function compiledScan(): WebAssembly.Module {
  return module ??= new WebAssembly.Module(
    Uint8Array.fromBase64(SCAN_MODULE),
  );
}

/** The two hexadecimal digits of each byte, and nothing for greater numbers. */
function hexPairs(): Uint8Array {
  const pairs = new Uint8Array(2 * 1024);
  for (let byte = 0; byte < 256; byte++) {
    const digits = byte.toString(16).padStart(2, "0");
    pairs[2 * byte] = digits.charCodeAt(0);
    pairs[2 * byte + 1] = digits.charCodeAt(1);
  }
  return pairs;
}

/** Every stretch of a match that has so many bytes holds a whole gram; shorter needles are found by pairs. */
export const MIN_GRAM_NEEDLE_BYTES = 8;

/** Sizes of the filter, as powers of two. */
const [MIN_BITS, MAX_BITS] = [10, 18];

/** How many bits of the filter there are for each gram, at least. */
const BITS_PER_GRAM = 12;

/**
 * What needles are made of: every four bytes of them.
 *
 * A stretch of a text without these is not part of a needle, in whatever way
 * it is decoded. Most of a text is never decoded, therefore.
 */
export class Grams {
  /** Whether each byte is in a needle. */
  readonly bytes: Uint8Array = new Uint8Array(256);
  #filter = new WordFilter(MIN_BITS);
  #filterBits = MIN_BITS;
  #count = 0;
  #pairs: Uint8Array | undefined;
  #scanner: Scanner | undefined;

  /** Knows every four bytes of needles that have {@linkcode MIN_GRAM_NEEDLE_BYTES}. */
  get filter(): WordFilter {
    return this.#filter;
  }

  /** Whether two bytes follow one another in a shorter needle, by both of them; `undefined` without such needles. */
  get pairs(): Uint8Array | undefined {
    return this.#pairs;
  }

  /** Finds the places where a text may have to be decoded. */
  get scanner(): Scanner {
    if (this.#scanner === undefined) {
      this.#scanner = new Scanner();
      const bits = this.#scanner.roomForFilter(this.#filterBits);
      bits.set(this.#filter.bits);
      this.#filter = new WordFilter(this.#filterBits, bits);
    }
    return this.#scanner;
  }

  /** Adds what a needle is made of. */
  add(needle: Uint8Array): void {
    for (let at = 0; at < needle.length; at++) this.bytes[needle[at]] = 1;
    if (needle.length >= MIN_GRAM_NEEDLE_BYTES) {
      this.#count += needle.length - 3;
      addWords(this.#filter, needle, 0, needle.length);
      return;
    }
    const pairs = this.#pairs ??= new Uint8Array(1 << 16);
    for (let at = 0; at + 2 <= needle.length; at++) {
      pairs[needle[at] << 8 | needle[at + 1]] = 1;
    }
  }

  /** Whether the filter should grow. */
  get isFull(): boolean {
    return this.#filterBits < MAX_BITS &&
      BITS_PER_GRAM * this.#count > 32 << this.#filterBits;
  }

  /**
   * Creates the filter larger.
   *
   * @param bytes All needles.
   * @param starts Where each of them starts; the last number is their end.
   */
  grow(bytes: Uint8Array, starts: Int32Array): void {
    this.#filterBits = Math.min(MAX_BITS, this.#filterBits + 2);
    this.#filter = new WordFilter(
      this.#filterBits,
      this.#scanner?.roomForFilter(this.#filterBits),
    );
    for (let needle = 0; needle + 1 < starts.length; needle++) {
      addWords(this.#filter, bytes, starts[needle], starts[needle + 1]);
    }
  }
}

function addWords(
  filter: WordFilter,
  bytes: Uint8Array,
  from: number,
  to: number,
): void {
  let word = from + 4 <= to ? wordAt(bytes, from, 4) : 0;
  for (let at = from + 4; at <= to; at++) {
    filter.add(word);
    word = word >>> 8 | bytes[at] << 24;
  }
}
