import type { Ranges } from "./ranges.ts";

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
   * Gives what is printed of a window.
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
