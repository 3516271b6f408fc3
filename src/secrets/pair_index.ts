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
 * Finds the next registered pair of a text.
 *
 * @param pairs The text as pairs.
 * @param from First place that is looked at.
 * @param index Registered pairs.
 * @returns The place; the length of the text if there is none.
 */
export function nextPair(
  pairs: Uint16Array,
  from: number,
  index: PairIndex,
): number {
  const { table } = index;
  const { length } = pairs;
  let at = from;
  while (at < length && table[pairs[at]] === 0) at++;
  return at;
}
