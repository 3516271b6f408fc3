import type { Place } from "./word_index.ts";

/**
 * Finds, for two bytes of a text, the needles that have this pair registered.
 *
 * There are so few pairs that a table answers without a hash.
 */
export class PairIndex {
  readonly #places = new Map<number, Place[]>();
  /** Marks the registered pairs. */
  readonly table: Uint8Array = new Uint8Array(1 << 16);

  /** Number of different pairs. */
  get size(): number {
    return this.#places.size;
  }

  /**
   * Registers a pair.
   *
   * @param pair The pair, as an unsigned 16-bit integer.
   * @param place Needle and offset for which it stands.
   */
  add(pair: number, place: Place): void {
    const places = this.#places.get(pair);
    if (places) places.push(place);
    else this.#places.set(pair, [place]);
    this.table[pair] = 1;
  }

  /**
   * Tells which needles have a pair registered.
   *
   * @param pair The pair, as an unsigned 16-bit integer.
   * @returns Places; `undefined` when there are none.
   */
  get(pair: number): readonly Place[] | undefined {
    return this.#places.get(pair);
  }
}

/**
 * Calls back for each registered pair at an even place of a text.
 *
 * @param pairs The text as pairs.
 * @param index Registered pairs.
 * @param onPair Called with the place and what is registered there.
 */
export function scanPairs(
  pairs: Uint16Array,
  index: PairIndex,
  onPair: (at: number, places: readonly Place[]) => void,
): void {
  const { table } = index;
  const { length } = pairs;
  for (let at = 0; at < length; at++) {
    if (table[pairs[at]] !== 0) onPair(at, index.get(pairs[at])!);
  }
}
