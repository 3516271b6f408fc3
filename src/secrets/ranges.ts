/**
 * Disjoint ranges of bytes in ascending order.
 *
 * Ranges that overlap or touch become one, so that what is inside depends
 * only on which bytes were added, not on the order or on the pieces.
 */
export class Ranges {
  readonly #starts: number[] = [];
  readonly #ends: number[] = [];

  /** Number of ranges. */
  get count(): number {
    return this.#starts.length;
  }

  /**
   * Tells where a range starts.
   *
   * @param at Number of the range.
   * @returns Offset of its first byte.
   */
  start(at: number): number {
    return this.#starts[at];
  }

  /**
   * Tells where a range ends.
   *
   * @param at Number of the range.
   * @returns Offset behind its last byte.
   */
  end(at: number): number {
    return this.#ends[at];
  }

  /**
   * Adds a range.
   *
   * Matches arrive nearly in order, so the place is sought from the end.
   *
   * @param start Offset of its first byte.
   * @param end Offset behind its last byte.
   */
  add(start: number, end: number): void {
    let after = this.count;
    while (after > 0 && this.#starts[after - 1] > end) after--;
    let first = after;
    while (first > 0 && this.#ends[first - 1] >= start) {
      first--;
      start = Math.min(start, this.#starts[first]);
      end = Math.max(end, this.#ends[first]);
    }
    if (after - first === 1) {
      this.#starts[first] = start;
      this.#ends[first] = end;
    } else {
      this.#starts.splice(first, after - first, start);
      this.#ends.splice(first, after - first, end);
    }
  }
}
