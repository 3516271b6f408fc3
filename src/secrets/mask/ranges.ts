/** Takes ranges of bytes. */
export interface RangeSink {
  /**
   * Takes a range.
   *
   * @param start Offset of its first byte.
   * @param end Offset behind its last byte.
   */
  add(start: number, end: number): void;
}

/**
 * Disjoint ranges of bytes in ascending order.
 *
 * Ranges that overlap or touch become one: what is inside depends only on
 * which bytes were added, not on the order or on the pieces.
 */
export class Ranges implements RangeSink {
  readonly #starts: number[] = [];
  readonly #ends: number[] = [];
  /** Number of the range behind the one that was added last. */
  #cursor = 0;

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

  /** Takes all ranges away. */
  clear(): void {
    this.#starts.length = this.#ends.length = this.#cursor = 0;
  }

  /**
   * Adds a range.
   *
   * Matches arrive nearly in order, so the place is sought from the last one.
   *
   * @param start Offset of its first byte.
   * @param end Offset behind its last byte.
   */
  add(start: number, end: number): void {
    if (this.count === 0 || start > this.#ends[this.count - 1]) {
      this.#cursor = this.#starts.push(start);
      this.#ends.push(end);
      return;
    }
    let after = this.#cursor;
    while (after < this.count && this.#starts[after] <= end) after++;
    while (after > 0 && this.#starts[after - 1] > end) after--;
    let first = after;
    while (first > 0 && this.#ends[first - 1] >= start) {
      first--;
      start = Math.min(start, this.#starts[first]);
      end = Math.max(end, this.#ends[first]);
    }
    this.#cursor = first + 1;
    if (after - first === 1) {
      this.#starts[first] = start;
      this.#ends[first] = end;
    } else {
      this.#starts.splice(first, after - first, start);
      this.#ends.splice(first, after - first, end);
    }
  }
}
