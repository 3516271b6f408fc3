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
   * Returns where a range starts.
   *
   * @param at Number of the range.
   * @returns Offset of its first byte.
   */
  start(at: number): number {
    return this.#starts[at];
  }

  /**
   * Returns where a range ends.
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

/** Puts placeholders in the place of secrets, window by window. */
export class Printer {
  /** Room for what is printed when something is replaced. */
  #room = new Uint8Array();
  #coveredBytes = 0;
  /** Whether the last thing printed was a placeholder. */
  #afterPlaceholder = false;

  /** How many of the held bytes a placeholder that was printed stands for. */
  get coveredBytes(): number {
    return this.#coveredBytes;
  }

  /**
   * Returns what is printed of a window.
   *
   * @param window The window.
   * @param heldFrom Where the bytes start that are held back.
   * @param ranges What is secret in it.
   * @param placeholder What stands for each range.
   * @returns The bytes; valid until the next time.
   */
  print(
    window: Uint8Array,
    heldFrom: number,
    ranges: Ranges,
    placeholder: Uint8Array,
  ): Uint8Array {
    let count = ranges.count;
    while (count > 0 && ranges.start(count - 1) >= heldFrom) count--;
    const coveredTo = count > 0 ? ranges.end(count - 1) : 0;
    this.#coveredBytes = Math.max(
      0,
      coveredTo - heldFrom,
      this.#coveredBytes - heldFrom,
    );
    const printed = window.subarray(0, heldFrom);
    if (count > 0) return this.#replace(printed, ranges, count, placeholder);
    if (heldFrom > 0) this.#afterPlaceholder = false;
    return printed;
  }

  /** Puts placeholders in the place of the first ranges. */
  #replace(
    bytes: Uint8Array,
    ranges: Ranges,
    rangeCount: number,
    placeholder: Uint8Array,
  ): Uint8Array {
    // The bytes start out at the end of the output; what stays moves forward.
    const shift = rangeCount * placeholder.length;
    if (this.#room.length < shift + bytes.length) {
      this.#room = new Uint8Array(2 * (shift + bytes.length));
    }
    const output = this.#room;
    output.set(bytes, shift);
    let length = 0;
    const keep = (from: number, to: number) => {
      if (from >= to) return;
      output.copyWithin(length, shift + from, shift + to);
      length += to - from;
      this.#afterPlaceholder = false;
    };
    let at = 0;
    for (let i = 0; i < rangeCount; i++) {
      keep(at, ranges.start(i));
      if (!this.#afterPlaceholder) {
        output.set(placeholder, length);
        length += placeholder.length;
      }
      this.#afterPlaceholder = true;
      at = ranges.end(i);
    }
    keep(at, bytes.length);
    return output.subarray(0, length);
  }
}
