import {
  FLOOD_CONTEXT_BITS,
  FLOOD_SAMPLE_BITS,
  LARGE_CONTEXT_BITS,
  MAX_SAMPLE_BITS,
  SampleFilter,
  wordAt,
  WordFilter,
} from "./word_index.ts";

/** Maximum number of bytes that are scanned at once. */
const BLOCK_BYTES = 64 * 1024;

/** Number of bytes around these that are read as well. */
const MARGIN_BYTES = 64;

/** Number of bytes per step, and of previous bytes that are read with them. */
export const [STEP_BYTES, SHARED_BYTES] = [48, 16];

/** Flag of found positions: numbers of a list. */
export const LIST = 1 << 31;

/** Flag of found positions: possible start of a row of a hex dump. */
export const ROWS = 1 << 30;

/** Flag of found positions: letters and digits that may encode text. */
export const RUNS = 1 << 29;

const PAGE_BYTES = 64 * 1024;

/** Layout of the memory; pages that are never used take no memory. */
export const HEX_PAIRS = 0;
const TEXT = 2 * 1024;
const PLACES = TEXT + BLOCK_BYTES + 3 * MARGIN_BYTES;
export const FILTER = PLACES + 8 * BLOCK_BYTES;
const FILTER_BYTES = 1 << 20;
export const KEEPS_CODES = FILTER + FILTER_BYTES;
export const CONTEXTS = KEEPS_CODES + PAGE_BYTES;
const CONTEXT_BYTES = 4 << LARGE_CONTEXT_BITS;
const SAMPLE_BYTES = (1 << MAX_SAMPLE_BITS) + PAGE_BYTES;
const FLOOD_SAMPLE_BYTES = (1 << FLOOD_SAMPLE_BITS) + PAGE_BYTES;
const SAMPLES = CONTEXTS + CONTEXT_BYTES;
const FLOOD_SAMPLES = SAMPLES + 2 * SAMPLE_BYTES;
const FLOOD_CONTEXTS = FLOOD_SAMPLES + FLOOD_SAMPLE_BYTES;
const MEMORY_BYTES = FLOOD_CONTEXTS + (4 << FLOOD_CONTEXT_BITS);

/** The words of a search: those at multiples of the stride, those in the middle, or both of a flood. */
export const [WORDS, WORDS_BETWEEN, FLOOD_WORDS] = [0, 1, 2];

/** Filters of each search: of words, and of words and those after them. */
export const SEARCHES = [
  { name: "search", samples: SAMPLES, contexts: CONTEXTS },
  {
    name: "searchBetween",
    samples: SAMPLES + SAMPLE_BYTES,
    contexts: CONTEXTS,
  },
  {
    name: "searchFlood",
    samples: FLOOD_SAMPLES,
    contexts: FLOOD_CONTEXTS,
  },
] as const;

/**
 * Finds the few positions of a text that need a closer look. The whole text is
 * scanned, 16 bytes at a time; only WebAssembly is fast enough for that.
 *
 * It finds
 *
 * - starts of escapes, except for terminal codes that have no part of a needle next
 *   to them;
 * - line breaks with four bytes of an encoded needle on either side of them, or
 *   with escapes there, which have to be undone first;
 * - consecutive numbers that may encode bytes, in any radix;
 * - runs of letters and digits that may encode text, in base64 or hexadecimal;
 * - six digits that are followed by blanks and more digits, or by a cell, as at the
 * start of rows of hex dumps after a prefix.
 */
export class Scanner {
  readonly #memory = new WebAssembly.Memory({
    initial: Math.ceil(MEMORY_BYTES / PAGE_BYTES),
  });
  readonly #bytes = new Uint8Array(this.#memory.buffer);
  /** Places that were found, shifted; numbers in a row have {@linkcode LIST}, and rows {@linkcode ROWS}. */
  readonly places: Int32Array = new Int32Array(this.#memory.buffer, PLACES);
  readonly #scan: Scan;
  readonly #searches: readonly Search[];
  #filterShift = 0;
  readonly #contextShifts = [0, 0, 32 - FLOOD_CONTEXT_BITS];
  /** Number of places that were found. */
  count = 0;
  /** Difference between each position and its offset in the text. */
  shift = 0;
  /** Start of the block. */
  #from = 0;
  /** End of the scanned block; positions may be slightly before or after the block. */
  end = 0;

  constructor() {
    const { exports } = new WebAssembly.Instance(compileScan(), {
      env: { memory: this.#memory },
    });
    this.#scan = exports.scan as unknown as Scan;
    this.#searches = SEARCHES.map(({ name }) =>
      exports[name] as unknown as Search
    );
    this.#bytes.set(createHexPairs(), HEX_PAIRS);
  }

  /** Makes the scanner find all terminal codes, as required for short needles. */
  keepCodes(): void {
    this.#bytes[KEEPS_CODES] = 1;
  }

  /**
   * Allocates the filter of the four-byte parts of needles.
   *
   * @param sizeBits Base-2 logarithm of the number of its 32-bit numbers.
   * @returns The numbers, all zero; earlier results are no longer valid.
   */
  allocateFilter(sizeBits: number): Int32Array {
    this.#filterShift = 32 - sizeBits;
    return new Int32Array(this.#memory.buffer, FILTER, 1 << sizeBits).fill(0);
  }

  /** Moves a filter of words and the words after them to where the search finds it. */
  moveContexts(contexts: WordFilter): WordFilter {
    this.#contextShifts.fill(contexts.shift, WORDS, FLOOD_WORDS);
    const length = contexts.bits.length;
    const bits = new Int32Array(this.#memory.buffer, CONTEXTS, length);
    bits.set(contexts.bits);
    return new WordFilter(32 - contexts.shift, bits);
  }

  /**
   * Allocates a filter of words to search for.
   *
   * @param index Index of the search.
   * @param sizeBits Base-2 logarithm of the number of its bytes.
   * @returns The empty filter.
   */
  allocateSamples(index: number, sizeBits: number): SampleFilter {
    const memory = this.#bytes.subarray(SEARCHES[index].samples);
    return new SampleFilter(sizeBits, memory);
  }

  /** Allocates a filter of words and the words after them, for a flood. */
  allocateFloodContexts(): WordFilter {
    const bits = new Int32Array(
      this.#memory.buffer,
      FLOOD_CONTEXTS,
      1 << FLOOD_CONTEXT_BITS,
    );
    return new WordFilter(FLOOD_CONTEXT_BITS, bits);
  }

  /**
   * Copies the next block of a text, in order to scan or search it.
   *
   * @param text The text.
   * @param from Where the block starts.
   */
  load(text: Uint8Array, from: number): void {
    const bytes = this.#bytes;
    const first = Math.max(0, from - MARGIN_BYTES);
    const end = Math.min(text.length, from + BLOCK_BYTES);
    const last = Math.min(text.length, end + MARGIN_BYTES);
    const begin = TEXT + MARGIN_BYTES;
    bytes.fill(0, TEXT, begin);
    bytes.set(text.subarray(first, last), begin - (from - first));
    bytes.fill(0, begin + last - from, begin + last - from + MARGIN_BYTES);
    this.shift = begin - from;
    this.#from = from;
    this.end = end;
  }

  /**
   * Scans the next block of a text.
   *
   * @param text The text.
   * @param from Where the block starts.
   */
  scan(text: Uint8Array, from: number): void {
    this.load(text, from);
    // Consecutive numbers may begin before the block.
    const placesEnd = this.#scan(
      this.#from + this.shift - STEP_BYTES,
      this.end + this.shift,
      PLACES,
      this.#filterShift,
    );
    this.count = placesEnd - PLACES >>> 2;
  }

  /**
   * Finds the words in the block that may be registered words of needles. Some of
   * them may be after the end of the text.
   *
   * @param index Which words.
   * @param offset Where the first of these is in a text.
   * @param samples Filter of these words.
   */
  search(index: number, offset: number, samples: SampleFilter): void {
    const placesEnd = this.#searches[index](
      this.#from + this.shift + offset,
      this.end + this.shift,
      PLACES,
      samples.shift,
      this.#contextShifts[index],
    );
    this.count = placesEnd - PLACES >>> 2;
  }
}

/** Scans the text in the memory, writes the positions it finds, and returns where these end. */
type Scan = (
  from: number,
  to: number,
  places: number,
  filterShift: number,
) => number;

/** Does the same for words that may be registered for needles. */
type Search = (
  from: number,
  to: number,
  places: number,
  sampleShift: number,
  contextShift: number,
) => number;

/** The WebAssembly of the scanner, in base64: `deno task scan` writes it from `scripts/scan/code.ts`. */
const SCAN_MODULE =
  "AGFzbQEAAAABJARgBH9/f38Bf2AFf39/f38Bf2AFf39/f38Bf2AFf39/f38BfwIPAQNlbnYGbWVtb3J5AgABAwUEAAECAwcvBARzY2FuAAAGc2VhcmNoAAENc2VhcmNoQmV0d2VlbgACC3NlYXJjaEZsb29kAAMK9UwEjjstAX8BfwF/AX8BfwF/AXsBewF7AXsBfgF+AX4BfgF+AX4BfgF+AX4BfwF/AX8BfgF+AX4BewF7AX8BfwF7AXsBewF7AXsBewF7AXsBewF7AXsBewF7AXsBewF7/QwPDw8PDw8PDw8PDw8PDw8PISH9DFBwcHBwcHBwcHBgICAgICAhIv0MAAAAECBAIEAAAAAAAAAAACEj/QxwcHBwcHBwcHBwcHBwcHBwIST9DKGAoICAgoKgwKAxEVQ5EFAhJf0MIQEymIBEgEAAAAAAAAAAACEm/QwAAAAAAAAAAAAAAAAAAAAAISf9DBMAAQABAQEBAAICBgoCAAAhKP0MAgQBAAAIEAAAAAAAAAAAACEp/QwgYGBwcGBgICAwMBAQEBAQISr9DAAAAAAQIEAAAAAAAAAAAAAhK/0MQFBQUBAQEDAwICAgICAgACEs/QwAAABAEBAgIAAAAAAAAAAAIS39DGBQECBgUBAgYFAQICAQECAhLv0MEAAQEBAQEBAAAAAAAAAAACEv/QwAAAAQAAAAAAAAAAAAAAAAITAgAEHMCGohGQNAIBpCMIghGiAA/QAAACIeICH9TiEdIB5BBP2NASAh/U4hHiAlIB39gAIgJiAe/YAC/U4hCiAaICIgHf2AAiAjIB79gAL9TiAk/W79ZK1CEIaEIRogAP0AABAiHiAh/U4hHSAeQQT9jQEgIf1OIR4gJSAd/YACICYgHv2AAv1OIQsgGiAiIB39gAIgIyAe/YAC/U4gJP1u/WStQiCGhCEaIAD9AAAgIh4gIf1OIR0gHkEE/Y0BICH9TiEeICUgHf2AAiAmIB79gAL9TiEMIBogIiAd/YACICMgHv2AAv1OICT9bv1krUIwhoQhGiAKIAv9UCAM/VAgIf1O/VMEQCAKICH9TiAn/ST9ZCIEBEADQCAAQQBqIARoaiIFLQAAIQYgBSAYTwRAIAZBPUYEQCAFLQABQTBrQQpJIAUtAAFBwQBrQQZJciAFLQACQTBrQQpJIAUtAAJBwQBrQQZJcnEgBS0AAUEKRiAFLQABQQ1GcnIEQCACIAU2AgAgAkEEaiECCwUgBkEKRiAGQQ1GcgRAIAUtAAFBG0YEQCAFIRdBACEGA0AgFy0AAEEKRiAXLQAAQQ1GcgRAIBcgBkVqIRdBASEGCyAXIAVrQSBJIBdBAWohCQNAIAlBAWohCSAJLQAAQTBrQRBJDQALIBcvAABBm7YBRiAJLQAAQcAAa0E/SXEhByAJQQFqIBcgBxshFyAHcQ0ACyAFIBlBBGpJIAVBBGsoAABBsfPd8XlsIgcgA3ZBAnQoAMCRJCIJIAd2IAkgB0EFdnZxQQFxIBcoAABBsfPd8XlsIgcgA3ZBAnQoAMCRJCIJIAd2IAkgB0EFdnZxQQFxcnJBwJHkACgAACAXIAVrQSBJRXIgKCAXKAAA/REgBUEEaygAAP0cACINICH9Tv2AAiApIA1BBP2NASAh/U79gAL9Tv1TICUgF/0AAAAiDSAh/U79gAIgJiANQQT9jQEgIf1O/YAC/U79ZEF/c2giCUEETyAJQRBPQSAgFyAJai0AAE8gFyAJai0AAEE6RnJycXJycgRAIAIgBTYCACACQQRqIQIFIBchGAsgBUHMCGogFyAXIAVGGyEXIBkgF0kEQCAXIRkLBSAFIQYDQCAGQQFqIgYtAABBIEYNAAsgBUEEaygAAEGx893xeWwiByADdkECdCgAwJEkIgkgB3YgCSAHQQV2dnFBAXEgBigAAEGx893xeWwiByADdkECdCgAwJEkIgkgB3YgCSAHQQV2dnFBAXFyBEAgAiAFNgIAIAJBBGohAgUgKCAGKAAA/REgBUEEaygAAP0cACINICH9Tv2AAiApIA1BBP2NASAh/U79gAL9Tv1TBEAgKCAFQQRrKAAA/REgBUEEaygAAP0cACINICH9Tv2AAiApIA1BBP2NASAh/U79gAL9Tv1TQSAgBS0ABU8gBi0AAEEgckHnAGtBFEkgBi0AAUEgckHnAGtBFElyRXJyBEAgAiAFNgIAIAJBBGohAgVBACEfQQAhIANAIAYtAABBIEZFBEAgHyAGLQAAICB0ciEfICBBCGpBwAAgBi0AAEEgckHhAGtBGkkgBi0AAEEwa0EKSXIbISALIAZBAWohBiAgQSBJIAYgBWtBGElxDQALICBBIHMgH0Gx893xeWwiByADdkECdCgAwJEkIgkgB3YgCSAHQQV2dnFBAXFyBEAgAiAFNgIAIAJBBGohAgsLBSAGLQAEQTBPQSAgBi0ABE9yBEAgJSAG/QAAACINICH9Tv2AAiAmIA1BBP2NASAh/U79gAL9Tv1kQX9zaCIJQQRPIAlBEE9BICAGIAlqLQAATyAGIAlqLQAAQTpGcnJxBEAgAiAFNgIAIAJBBGohAgsLCwsLBSAGQRtGBEAgBSEXQQAhBgNAIBctAABBCkYgFy0AAEENRnIEQCAXIAZFaiEXQQEhBgsgFyAFa0EgSSAXQQFqIQkDQCAJQQFqIQkgCS0AAEEwa0EQSQ0ACyAXLwAAQZu2AUYgCS0AAEHAAGtBP0lxIQcgCUEBaiAXIAcbIRcgB3ENAAsgBSAZQQRqSSAFQQRrKAAAQbHz3fF5bCIHIAN2QQJ0KADAkSQiCSAHdiAJIAdBBXZ2cUEBcSAXKAAAQbHz3fF5bCIHIAN2QQJ0KADAkSQiCSAHdiAJIAdBBXZ2cUEBcXJyQcCR5AAoAAAgFyAFa0EgSUVyICggFygAAP0RIAVBBGsoAAD9HAAiDSAh/U79gAIgKSANQQT9jQEgIf1O/YAC/U79UyAlIBf9AAAAIg0gIf1O/YACICYgDUEE/Y0BICH9Tv2AAv1O/WRBf3NoIglBBE8gCUEQT0EgIBcgCWotAABPIBcgCWotAABBOkZycnFycnIEQCACIAU2AgAgAkEEaiECBSAXIRgLIAVBzAhqIBcgFyAFRhshFyAZIBdJBEAgFyEZCwUgAiAFNgIAIAJBBGohAiAFQYAEaiEZCwsLCyAEIARBAWtxIgQNAAsLIAsgIf1OICf9JP1kIgQEQANAIABBEGogBGhqIgUtAAAhBiAFIBhPBEAgBkE9RgRAIAUtAAFBMGtBCkkgBS0AAUHBAGtBBklyIAUtAAJBMGtBCkkgBS0AAkHBAGtBBklycSAFLQABQQpGIAUtAAFBDUZycgRAIAIgBTYCACACQQRqIQILBSAGQQpGIAZBDUZyBEAgBS0AAUEbRgRAIAUhF0EAIQYDQCAXLQAAQQpGIBctAABBDUZyBEAgFyAGRWohF0EBIQYLIBcgBWtBIEkgF0EBaiEJA0AgCUEBaiEJIAktAABBMGtBEEkNAAsgFy8AAEGbtgFGIAktAABBwABrQT9JcSEHIAlBAWogFyAHGyEXIAdxDQALIAUgGUEEakkgBUEEaygAAEGx893xeWwiByADdkECdCgAwJEkIgkgB3YgCSAHQQV2dnFBAXEgFygAAEGx893xeWwiByADdkECdCgAwJEkIgkgB3YgCSAHQQV2dnFBAXFyckHAkeQAKAAAIBcgBWtBIElFciAoIBcoAAD9ESAFQQRrKAAA/RwAIg0gIf1O/YACICkgDUEE/Y0BICH9Tv2AAv1O/VMgJSAX/QAAACINICH9Tv2AAiAmIA1BBP2NASAh/U79gAL9Tv1kQX9zaCIJQQRPIAlBEE9BICAXIAlqLQAATyAXIAlqLQAAQTpGcnJxcnJyBEAgAiAFNgIAIAJBBGohAgUgFyEYCyAFQcwIaiAXIBcgBUYbIRcgGSAXSQRAIBchGQsFIAUhBgNAIAZBAWoiBi0AAEEgRg0ACyAFQQRrKAAAQbHz3fF5bCIHIAN2QQJ0KADAkSQiCSAHdiAJIAdBBXZ2cUEBcSAGKAAAQbHz3fF5bCIHIAN2QQJ0KADAkSQiCSAHdiAJIAdBBXZ2cUEBcXIEQCACIAU2AgAgAkEEaiECBSAoIAYoAAD9ESAFQQRrKAAA/RwAIg0gIf1O/YACICkgDUEE/Y0BICH9Tv2AAv1O/VMEQCAoIAVBBGsoAAD9ESAFQQRrKAAA/RwAIg0gIf1O/YACICkgDUEE/Y0BICH9Tv2AAv1O/VNBICAFLQAFTyAGLQAAQSByQecAa0EUSSAGLQABQSByQecAa0EUSXJFcnIEQCACIAU2AgAgAkEEaiECBUEAIR9BACEgA0AgBi0AAEEgRkUEQCAfIAYtAAAgIHRyIR8gIEEIakHAACAGLQAAQSByQeEAa0EaSSAGLQAAQTBrQQpJchshIAsgBkEBaiEGICBBIEkgBiAFa0EYSXENAAsgIEEgcyAfQbHz3fF5bCIHIAN2QQJ0KADAkSQiCSAHdiAJIAdBBXZ2cUEBcXIEQCACIAU2AgAgAkEEaiECCwsFIAYtAARBME9BICAGLQAET3IEQCAlIAb9AAAAIg0gIf1O/YACICYgDUEE/Y0BICH9Tv2AAv1O/WRBf3NoIglBBE8gCUEQT0EgIAYgCWotAABPIAYgCWotAABBOkZycnEEQCACIAU2AgAgAkEEaiECCwsLCwsFIAZBG0YEQCAFIRdBACEGA0AgFy0AAEEKRiAXLQAAQQ1GcgRAIBcgBkVqIRdBASEGCyAXIAVrQSBJIBdBAWohCQNAIAlBAWohCSAJLQAAQTBrQRBJDQALIBcvAABBm7YBRiAJLQAAQcAAa0E/SXEhByAJQQFqIBcgBxshFyAHcQ0ACyAFIBlBBGpJIAVBBGsoAABBsfPd8XlsIgcgA3ZBAnQoAMCRJCIJIAd2IAkgB0EFdnZxQQFxIBcoAABBsfPd8XlsIgcgA3ZBAnQoAMCRJCIJIAd2IAkgB0EFdnZxQQFxcnJBwJHkACgAACAXIAVrQSBJRXIgKCAXKAAA/REgBUEEaygAAP0cACINICH9Tv2AAiApIA1BBP2NASAh/U79gAL9Tv1TICUgF/0AAAAiDSAh/U79gAIgJiANQQT9jQEgIf1O/YAC/U79ZEF/c2giCUEETyAJQRBPQSAgFyAJai0AAE8gFyAJai0AAEE6RnJycXJycgRAIAIgBTYCACACQQRqIQIFIBchGAsgBUHMCGogFyAXIAVGGyEXIBkgF0kEQCAXIRkLBSACIAU2AgAgAkEEaiECIAVBgARqIRkLCwsLIAQgBEEBa3EiBA0ACwsgDCAh/U4gJ/0k/WQiBARAA0AgAEEgaiAEaGoiBS0AACEGIAUgGE8EQCAGQT1GBEAgBS0AAUEwa0EKSSAFLQABQcEAa0EGSXIgBS0AAkEwa0EKSSAFLQACQcEAa0EGSXJxIAUtAAFBCkYgBS0AAUENRnJyBEAgAiAFNgIAIAJBBGohAgsFIAZBCkYgBkENRnIEQCAFLQABQRtGBEAgBSEXQQAhBgNAIBctAABBCkYgFy0AAEENRnIEQCAXIAZFaiEXQQEhBgsgFyAFa0EgSSAXQQFqIQkDQCAJQQFqIQkgCS0AAEEwa0EQSQ0ACyAXLwAAQZu2AUYgCS0AAEHAAGtBP0lxIQcgCUEBaiAXIAcbIRcgB3ENAAsgBSAZQQRqSSAFQQRrKAAAQbHz3fF5bCIHIAN2QQJ0KADAkSQiCSAHdiAJIAdBBXZ2cUEBcSAXKAAAQbHz3fF5bCIHIAN2QQJ0KADAkSQiCSAHdiAJIAdBBXZ2cUEBcXJyQcCR5AAoAAAgFyAFa0EgSUVyICggFygAAP0RIAVBBGsoAAD9HAAiDSAh/U79gAIgKSANQQT9jQEgIf1O/YAC/U79UyAlIBf9AAAAIg0gIf1O/YACICYgDUEE/Y0BICH9Tv2AAv1O/WRBf3NoIglBBE8gCUEQT0EgIBcgCWotAABPIBcgCWotAABBOkZycnFycnIEQCACIAU2AgAgAkEEaiECBSAXIRgLIAVBzAhqIBcgFyAFRhshFyAZIBdJBEAgFyEZCwUgBSEGA0AgBkEBaiIGLQAAQSBGDQALIAVBBGsoAABBsfPd8XlsIgcgA3ZBAnQoAMCRJCIJIAd2IAkgB0EFdnZxQQFxIAYoAABBsfPd8XlsIgcgA3ZBAnQoAMCRJCIJIAd2IAkgB0EFdnZxQQFxcgRAIAIgBTYCACACQQRqIQIFICggBigAAP0RIAVBBGsoAAD9HAAiDSAh/U79gAIgKSANQQT9jQEgIf1O/YAC/U79UwRAICggBUEEaygAAP0RIAVBBGsoAAD9HAAiDSAh/U79gAIgKSANQQT9jQEgIf1O/YAC/U79U0EgIAUtAAVPIAYtAABBIHJB5wBrQRRJIAYtAAFBIHJB5wBrQRRJckVycgRAIAIgBTYCACACQQRqIQIFQQAhH0EAISADQCAGLQAAQSBGRQRAIB8gBi0AACAgdHIhHyAgQQhqQcAAIAYtAABBIHJB4QBrQRpJIAYtAABBMGtBCklyGyEgCyAGQQFqIQYgIEEgSSAGIAVrQRhJcQ0ACyAgQSBzIB9BsfPd8XlsIgcgA3ZBAnQoAMCRJCIJIAd2IAkgB0EFdnZxQQFxcgRAIAIgBTYCACACQQRqIQILCwUgBi0ABEEwT0EgIAYtAARPcgRAICUgBv0AAAAiDSAh/U79gAIgJiANQQT9jQEgIf1O/YAC/U79ZEF/c2giCUEETyAJQRBPQSAgBiAJai0AAE8gBiAJai0AAEE6RnJycQRAIAIgBTYCACACQQRqIQILCwsLCwUgBkEbRgRAIAUhF0EAIQYDQCAXLQAAQQpGIBctAABBDUZyBEAgFyAGRWohF0EBIQYLIBcgBWtBIEkgF0EBaiEJA0AgCUEBaiEJIAktAABBMGtBEEkNAAsgFy8AAEGbtgFGIAktAABBwABrQT9JcSEHIAlBAWogFyAHGyEXIAdxDQALIAUgGUEEakkgBUEEaygAAEGx893xeWwiByADdkECdCgAwJEkIgkgB3YgCSAHQQV2dnFBAXEgFygAAEGx893xeWwiByADdkECdCgAwJEkIgkgB3YgCSAHQQV2dnFBAXFyckHAkeQAKAAAIBcgBWtBIElFciAoIBcoAAD9ESAFQQRrKAAA/RwAIg0gIf1O/YACICkgDUEE/Y0BICH9Tv2AAv1O/VMgJSAX/QAAACINICH9Tv2AAiAmIA1BBP2NASAh/U79gAL9Tv1kQX9zaCIJQQRPIAlBEE9BICAXIAlqLQAATyAXIAlqLQAAQTpGcnJxcnJyBEAgAiAFNgIAIAJBBGohAgUgFyEYCyAFQcwIaiAXIBcgBUYbIRcgGSAXSQRAIBchGQsFIAIgBTYCACACQQRqIQIgBUGABGohGQsLCwsgBCAEQQFrcSIEDQALCwsgDkIwiCAKICT9bv1krUIQhoQgCyAk/W79ZK1CIIaEIAwgJP1u/WStQjCGhCEOIA9CMIggCv1krUIQhoQgC/1krUIghoQgDP1krUIwhoQhDyAOIA+FIRAgECAPQgGIgyERIBEgD0ICiIMhEiASIA9CA4iDIRMgESAQQgKIgyERIBIgEEIDiIMhEiATIBBCBIiDIRMgECARQgKGIBJCA4YgE0IEhoSEfCAQQn+FgyARIBIgE4SEQgGGgyEUIBRQRQRAQQAhCANAIAAgFHqnakEQayEFIAUtAAFBwABPIAUtAAFBMGtBCkkgBS0AAEEyTyAFLQABQTlGciAFLQACQTBrQQpJcnFyBEAgCARAIAgvAAAgBS8AAEEQdHJBoMCAgQJyQbHz3fF5bCIHIAN2QQJ0KADAkSQiCSAHdiAJIAdBBXZ2cUEBcSAILQAAQTBrQeQAbCAILQABQTBrQQpsaiAILQACQTBrQQFsakH/B3FBAXQvAAAgCC0AAEEwa0EKbCAILQABQTBrQQFsakH/B3FBAXQvAAAgCC0AAkEwa0EKSRsgCC0AAEEwa0EBbEH/B3FBAXQvAAAgCC0AAUEwa0EKSRsgBS0AAEEwa0HkAGwgBS0AAUEwa0EKbGogBS0AAkEwa0EBbGpB/wdxQQF0LwAAIAUtAABBMGtBCmwgBS0AAUEwa0EBbGpB/wdxQQF0LwAAIAUtAAJBMGtBCkkbIAUtAABBMGtBAWxB/wdxQQF0LwAAIAUtAAFBMGtBCkkbQRB0ckGx893xeWwiByADdkECdCgAwJEkIgkgB3YgCSAHQQV2dnFBAXFyIAgtAABBMGtBwABsIAgtAAFBMGtBCGxqIAgtAAJBMGtBAWxqQf8HcUEBdC8AACAFLQAAQTBrQcAAbCAFLQABQTBrQQhsaiAFLQACQTBrQQFsakH/B3FBAXQvAABBEHRyQbHz3fF5bCIHIAN2QQJ0KADAkSQiCSAHdiAJIAdBBXZ2cUEBcXIgCC0AAUEgckH4AEZyIAUtAAFBIHJB+ABGcgRAIAIgCEGAgICAeHI2AgAgAkEEaiECCwsgBSEIBUEAIQgLIBQgFEIBfYMhFCAUUEUNAAsLIA8gD0IBiIMhFSAVIBVCAoggFUIEiIODIRYgFkIGhiAQgyEWIBZQRQRAIBAgFnwgEEJ/hYMgFYMgFiAQQgGIIBBCAoiDg4RQRQRAA0AgACAWeqdqQRBrIgUtAAAhBiAGQSBGIAZBOkYgBS0AAUEgRnFyBEAgAiAFQYCAgIAEcjYCACACQQRqIQILIBYgFkIBfYMhFiAWUEUNAAsLCyAaIBpCAYiDIRsgGyAbQgKIgyEbIBsgG0IEiIMhGyAbIBtCA4iDUEUEQCAqIABBEGv9AAAAIg0gIf1O/YACICsgDUEE/Y0BICH9Tv2AAv1OICT9bv1krUIAhiAqIABBEGv9AAAQIg0gIf1O/YACICsgDUEE/Y0BICH9Tv2AAv1OICT9bv1krUIQhoQgKiAAQRBr/QAAICINICH9Tv2AAiArIA1BBP2NASAh/U79gAL9TiAk/W79ZK1CIIaEICogAEEQa/0AADAiDSAh/U79gAIgKyANQQT9jQEgIf1O/YAC/U4gJP1u/WStQjCGhCEcIBsgHCAcQgSIg4MhGyAbUEUEQCAsIABBEGv9AAAAIg0gIf1O/YACIC0gDUEE/Y0BICH9Tv2AAv1OICT9bv1krUIAhiAsIABBEGv9AAAQIg0gIf1O/YACIC0gDUEE/Y0BICH9Tv2AAv1OICT9bv1krUIQhoQgLCAAQRBr/QAAICINICH9Tv2AAiAtIA1BBP2NASAh/U79gAL9TiAk/W79ZK1CIIaEICwgAEEQa/0AADAiDSAh/U79gAIgLSANQQT9jQEgIf1O/YAC/U4gJP1u/WStQjCGhCEcIBsgHEIBiCAcQgWIg4MhGyAuIABBEGv9AAAAIg0gIf1O/YACIC0gDUEE/Y0BICH9Tv2AAv1OICT9bv1krUIAhiAuIABBEGv9AAAQIg0gIf1O/YACIC0gDUEE/Y0BICH9Tv2AAv1OICT9bv1krUIQhoQgLiAAQRBr/QAAICINICH9Tv2AAiAtIA1BBP2NASAh/U79gAL9TiAk/W79ZK1CIIaEIC4gAEEQa/0AADAiDSAh/U79gAIgLSANQQT9jQEgIf1O/YAC/U4gJP1u/WStQjCGhCEcIBsgHEICiCAcQgaIg4MhGyAbUEUEQANAIAIgACAbeqdqQRBrQYCAgIACcjYCACACQQRqIQIgGyAbQgF9gyEbIBtQRQ0ACwsLIA8gD0IBiIMhGyAbIBtCAoiDIRsgGyAbQgSIgyEbIBsgG0IIiIMhGyAbUEUEQCAvIABBEGv9AAAAIg0gIf1O/YACIDAgDUEE/Y0BICH9Tv2AAv1OICT9bv1krUIAhiAvIABBEGv9AAAQIg0gIf1O/YACIDAgDUEE/Y0BICH9Tv2AAv1OICT9bv1krUIQhoQgLyAAQRBr/QAAICINICH9Tv2AAiAwIA1BBP2NASAh/U79gAL9TiAk/W79ZK1CIIaEIC8gAEEQa/0AADAiDSAh/U79gAIgMCANQQT9jQEgIf1O/YAC/U4gJP1u/WStQjCGhCEcIBwgHEICiIMhHCAcIBxCBIiDIRwgHCAcQgiIgyEcIBsgHIMhGyAbUEUEQANAIAIgACAbeqdqQRBrQYCAgIACcjYCACACQQRqIQIgGyAbQgF9gyEbIBtQRQ0ACwsLCyAAQTBqIgAgAUkNAAsgAgvyBQMBfwF/AX8DQCAAKAAAQbHz3fF5bCIHIAN2KADAkagBIAd2IAAoAAhBsfPd8XlsIgcgA3YoAMCRqAEgB3ZyIAAoABBBsfPd8XlsIgcgA3YoAMCRqAEgB3ZyIAAoABhBsfPd8XlsIgcgA3YoAMCRqAEgB3ZyQQFxBEAgAEEAaiEFIAUoAABBsfPd8XlsIgcgA3YoAMCRqAEgB3ZBAXEEQCAFKAAAQbHz3fF5bCIHIAR2QQJ0KADAkWgiBiAHdiAGIAdBBXZ2cUEBcSAFKAAAIAUoAARBsfPd8Xlsc0Gx893xeWwiByAEdkECdCgAwJFoIgYgB3YgBiAHQQV2dnFBAXFyBEAgAiAFNgIAIAJBBGohAgsLIABBCGohBSAFKAAAQbHz3fF5bCIHIAN2KADAkagBIAd2QQFxBEAgBSgAAEGx893xeWwiByAEdkECdCgAwJFoIgYgB3YgBiAHQQV2dnFBAXEgBSgAACAFKAAEQbHz3fF5bHNBsfPd8XlsIgcgBHZBAnQoAMCRaCIGIAd2IAYgB0EFdnZxQQFxcgRAIAIgBTYCACACQQRqIQILCyAAQRBqIQUgBSgAAEGx893xeWwiByADdigAwJGoASAHdkEBcQRAIAUoAABBsfPd8XlsIgcgBHZBAnQoAMCRaCIGIAd2IAYgB0EFdnZxQQFxIAUoAAAgBSgABEGx893xeWxzQbHz3fF5bCIHIAR2QQJ0KADAkWgiBiAHdiAGIAdBBXZ2cUEBcXIEQCACIAU2AgAgAkEEaiECCwsgAEEYaiEFIAUoAABBsfPd8XlsIgcgA3YoAMCRqAEgB3ZBAXEEQCAFKAAAQbHz3fF5bCIHIAR2QQJ0KADAkWgiBiAHdiAGIAdBBXZ2cUEBcSAFKAAAIAUoAARBsfPd8Xlsc0Gx893xeWwiByAEdkECdCgAwJFoIgYgB3YgBiAHQQV2dnFBAXFyBEAgAiAFNgIAIAJBBGohAgsLCyAAQSBqIgAgAUkNAAsgAgvyBQMBfwF/AX8DQCAAKAAAQbHz3fF5bCIHIAN2KADAkbwBIAd2IAAoAAhBsfPd8XlsIgcgA3YoAMCRvAEgB3ZyIAAoABBBsfPd8XlsIgcgA3YoAMCRvAEgB3ZyIAAoABhBsfPd8XlsIgcgA3YoAMCRvAEgB3ZyQQFxBEAgAEEAaiEFIAUoAABBsfPd8XlsIgcgA3YoAMCRvAEgB3ZBAXEEQCAFKAAAQbHz3fF5bCIHIAR2QQJ0KADAkWgiBiAHdiAGIAdBBXZ2cUEBcSAFKAAAIAUoAARBsfPd8Xlsc0Gx893xeWwiByAEdkECdCgAwJFoIgYgB3YgBiAHQQV2dnFBAXFyBEAgAiAFNgIAIAJBBGohAgsLIABBCGohBSAFKAAAQbHz3fF5bCIHIAN2KADAkbwBIAd2QQFxBEAgBSgAAEGx893xeWwiByAEdkECdCgAwJFoIgYgB3YgBiAHQQV2dnFBAXEgBSgAACAFKAAEQbHz3fF5bHNBsfPd8XlsIgcgBHZBAnQoAMCRaCIGIAd2IAYgB0EFdnZxQQFxcgRAIAIgBTYCACACQQRqIQILCyAAQRBqIQUgBSgAAEGx893xeWwiByADdigAwJG8ASAHdkEBcQRAIAUoAABBsfPd8XlsIgcgBHZBAnQoAMCRaCIGIAd2IAYgB0EFdnZxQQFxIAUoAAAgBSgABEGx893xeWxzQbHz3fF5bCIHIAR2QQJ0KADAkWgiBiAHdiAGIAdBBXZ2cUEBcXIEQCACIAU2AgAgAkEEaiECCwsgAEEYaiEFIAUoAABBsfPd8XlsIgcgA3YoAMCRvAEgB3ZBAXEEQCAFKAAAQbHz3fF5bCIHIAR2QQJ0KADAkWgiBiAHdiAGIAdBBXZ2cUEBcSAFKAAAIAUoAARBsfPd8Xlsc0Gx893xeWwiByAEdkECdCgAwJFoIgYgB3YgBiAHQQV2dnFBAXFyBEAgAiAFNgIAIAJBBGohAgsLCyAAQSBqIgAgAUkNAAsgAgv6BQMBfwF/AX8DQCAAKAAAQbHz3fF5bCIHIAN2KADAkdABIAd2IAAoAAhBsfPd8XlsIgcgA3YoAMCR0AEgB3ZyIAAoABBBsfPd8XlsIgcgA3YoAMCR0AEgB3ZyIAAoABhBsfPd8XlsIgcgA3YoAMCR0AEgB3ZyQQFxBEAgAEEAaiEFIAUoAABBsfPd8XlsIgcgA3YoAMCR0AEgB3ZBAXEEQCAFKAAAQbHz3fF5bCIHIAR2QQJ0KADAkZQCIgYgB3YgBiAHQQV2dnFBAXEgBSgAACAFKAAEQbHz3fF5bHNBsfPd8XlsIgcgBHZBAnQoAMCRlAIiBiAHdiAGIAdBBXZ2cUEBcXIEQCACIAU2AgAgAkEEaiECCwsgAEEIaiEFIAUoAABBsfPd8XlsIgcgA3YoAMCR0AEgB3ZBAXEEQCAFKAAAQbHz3fF5bCIHIAR2QQJ0KADAkZQCIgYgB3YgBiAHQQV2dnFBAXEgBSgAACAFKAAEQbHz3fF5bHNBsfPd8XlsIgcgBHZBAnQoAMCRlAIiBiAHdiAGIAdBBXZ2cUEBcXIEQCACIAU2AgAgAkEEaiECCwsgAEEQaiEFIAUoAABBsfPd8XlsIgcgA3YoAMCR0AEgB3ZBAXEEQCAFKAAAQbHz3fF5bCIHIAR2QQJ0KADAkZQCIgYgB3YgBiAHQQV2dnFBAXEgBSgAACAFKAAEQbHz3fF5bHNBsfPd8XlsIgcgBHZBAnQoAMCRlAIiBiAHdiAGIAdBBXZ2cUEBcXIEQCACIAU2AgAgAkEEaiECCwsgAEEYaiEFIAUoAABBsfPd8XlsIgcgA3YoAMCR0AEgB3ZBAXEEQCAFKAAAQbHz3fF5bCIHIAR2QQJ0KADAkZQCIgYgB3YgBiAHQQV2dnFBAXEgBSgAACAFKAAEQbHz3fF5bHNBsfPd8XlsIgcgBHZBAnQoAMCRlAIiBiAHdiAGIAdBBXZ2cUEBcXIEQCACIAU2AgAgAkEEaiECCwsLIABBIGoiACABSQ0ACyACCw==";

let module: WebAssembly.Module | undefined;

/** Compiles the module once, when there is a secret. */
function compileScan(): WebAssembly.Module {
  return module ??= new WebAssembly.Module(
    Uint8Array.fromBase64(SCAN_MODULE),
  );
}

/** Creates a table of the two hexadecimal digits of each byte; greater numbers have none. */
function createHexPairs(): Uint8Array {
  const pairs = new Uint8Array(2 * 1024);
  for (let byte = 0; byte < 256; byte++) {
    const digits = byte.toString(16).padStart(2, "0");
    pairs[2 * byte] = digits.charCodeAt(0);
    pairs[2 * byte + 1] = digits.charCodeAt(1);
  }
  return pairs;
}

/**
 * Minimum length of a needle whose four-byte parts, its grams, show whether a text
 * may contain it. Shorter needles are recognized by pairs of bytes.
 */
export const MIN_GRAM_NEEDLE_BYTES = 8;

/** Number of consecutive grams in the shortest of these needles. */
export const MIN_GRAMS: number = MIN_GRAM_NEEDLE_BYTES - 3;

/** Sizes of the filter, as powers of two. */
const [MIN_BITS, MAX_BITS] = [10, 18];

/** Minimum number of bits of the filter per gram. */
const BITS_PER_GRAM = 12;

/** Number of grams from which nearly all bits of the largest filter are set. */
const MAX_GRAMS = 1 << 24;

/**
 * The four-byte parts of needles.
 *
 * Text without any of them is not part of a needle, however it is decoded. Therefore,
 * most of a text is never decoded.
 */
export class Grams {
  /** For each byte, 1 if a needle contains it. */
  readonly bytes: Uint8Array = new Uint8Array(256);
  #filter = new WordFilter(MIN_BITS);
  #filterBits = MIN_BITS;
  #count = 0;
  #pairs: Uint8Array | undefined;
  #scanner: Scanner | undefined;

  /** Contains the four-byte parts of needles with at least {@linkcode MIN_GRAM_NEEDLE_BYTES}. */
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
      const bits = this.#scanner.allocateFilter(this.#filterBits);
      bits.set(this.#filter.bits);
      this.#filter = new WordFilter(this.#filterBits, bits);
      if (this.#pairs !== undefined) this.#scanner.keepCodes();
    }
    return this.#scanner;
  }

  /** Adds the parts of a needle. */
  add(needle: Uint8Array): void {
    for (let at = 0; at < needle.length; at++) this.bytes[needle[at]] = 1;
    if (needle.length >= MIN_GRAM_NEEDLE_BYTES) {
      if (this.#count > MAX_GRAMS) return;
      this.#count += needle.length - 3;
      addWords(this.#filter, needle, 0, needle.length);
      if (this.#count > MAX_GRAMS) this.#filter.bits.fill(-1);
      return;
    }
    const pairs = this.#pairs ??= new Uint8Array(1 << 16);
    this.#scanner?.keepCodes();
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
   * Replaces the filter by a larger one.
   *
   * @param bytes All needles.
   * @param starts Where each of them starts; the last number is their end.
   */
  grow(bytes: Uint8Array, starts: Int32Array): void {
    this.#filterBits = Math.min(MAX_BITS, this.#filterBits + 2);
    this.#filter = new WordFilter(
      this.#filterBits,
      this.#scanner?.allocateFilter(this.#filterBits),
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
