import { GROUND, KEPT } from "./skip_table.ts";

/**
 * Most bytes in a row that are skipped. The next one counts as text, so that
 * what is held back cannot grow for ever.
 */
export const MAX_SKIPPED_BYTES = 1024;

/**
 * A text as if some of its bytes were not there.
 *
 * The text comes in windows; the view remembers in which state the last one
 * was left, so that the result does not depend on where the text was cut.
 */
export class SkippingView {
  readonly #table: Uint8Array;
  #bytes = new Uint8Array();
  /** Where each run of bytes that were kept starts: in the view, and in the window. */
  #viewStarts = new Int32Array(64);
  #windowStarts = new Int32Array(64);
  #runCount = 0;
  #length = 0;
  #windowLength = 0;
  /** State of the machine before the window, and how many bytes it has just skipped. */
  #state = GROUND;
  #skippedBytes = 0;

  /**
   * Makes the view of a text that has not begun.
   *
   * @param table What is skipped, from {@linkcode makeSkipTable}.
   */
  constructor(table: Uint8Array) {
    this.#table = table;
  }

  /** Whether the next window begins within what is skipped. */
  get isInside(): boolean {
    return this.#state !== GROUND;
  }

  /**
   * Looks at the next window.
   *
   * @param window Bytes.
   * @returns What is left of them, valid until the next window; it starts at
   * the first byte of its buffer.
   */
  look(window: Uint8Array): Uint8Array<ArrayBuffer> {
    const { length } = window;
    if (this.#bytes.length < length) this.#bytes = new Uint8Array(length);
    this.#runCount = 0;
    this.#windowLength = length;
    const bytes = this.#bytes;
    const table = this.#table;
    let [state, skippedBytes, count] = [this.#state, this.#skippedBytes, 0];
    for (let at = 0; at < length;) {
      const next = table[state << 8 | window[at]];
      if (next !== KEPT && skippedBytes < MAX_SKIPPED_BYTES) {
        state = next;
        skippedBytes++;
        at++;
        continue;
      }
      this.#startRun(count, at);
      // The first byte may be one that was skipped for too long.
      let byte = window[at];
      do {
        bytes[count++] = byte;
        if (++at === length) break;
        byte = window[at];
      } while (table[byte] === KEPT);
      state = GROUND;
      skippedBytes = 0;
    }
    this.#length = count;
    return bytes.subarray(0, count);
  }

  /**
   * Tells where in the window a byte of the view stands.
   *
   * @param at Offset in the view.
   * @returns Offset in the window; its length for the end of the view.
   */
  offsetOf(at: number): number {
    if (at >= this.#length) return this.#windowLength;
    let [low, high] = [0, this.#runCount];
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if (this.#viewStarts[middle] <= at) low = middle;
      else high = middle;
    }
    return this.#windowStarts[low] + at - this.#viewStarts[low];
  }

  /**
   * Moves on: the next window begins within this one, or at its end.
   *
   * @param window The window that was looked at.
   * @param offset Where the next one begins.
   */
  moveTo(window: Uint8Array, offset: number): void {
    const run = this.#lastRunBefore(offset);
    let at = 0;
    if (run >= 0) {
      const next = run + 1 < this.#runCount
        ? this.#viewStarts[run + 1]
        : this.#length;
      at = this.#windowStarts[run] + next - this.#viewStarts[run];
      this.#state = GROUND;
      this.#skippedBytes = 0;
    }
    for (; at < offset; at++) {
      this.#state = this.#table[this.#state << 8 | window[at]];
      this.#skippedBytes++;
    }
  }

  /**
   * Takes a window for granted in which nothing is skipped.
   *
   * @param window Bytes.
   */
  lookAway(window: Uint8Array): void {
    this.#runCount = 0;
    this.#startRun(0, 0);
    this.#length = this.#windowLength = window.length;
  }

  /** Number of the last run that starts before a place of the window; -1 if there is none. */
  #lastRunBefore(offset: number): number {
    let run = this.#runCount - 1;
    while (run >= 0 && this.#windowStarts[run] >= offset) run--;
    return run;
  }

  #startRun(viewStart: number, windowStart: number): void {
    const count = this.#runCount++;
    if (count === this.#viewStarts.length) {
      this.#viewStarts = doubled(this.#viewStarts);
      this.#windowStarts = doubled(this.#windowStarts);
    }
    this.#viewStarts[count] = viewStart;
    this.#windowStarts[count] = windowStart;
  }
}

function doubled(numbers: Int32Array): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(2 * numbers.length);
  larger.set(numbers);
  return larger;
}
