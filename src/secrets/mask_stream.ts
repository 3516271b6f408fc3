import type { NeedleSet } from "./needle_set.ts";
import { Ranges } from "./ranges.ts";

/** What masking a window of a stream gave. */
export interface MaskedWindow {
  /** Bytes that may be printed; possibly a view of the window. */
  output: Uint8Array;
  /** Where the bytes start that are held back, to begin the next window with. */
  heldFrom: number;
}

/** What a {@linkcode MaskStream} takes from its masker. */
export interface MaskRules {
  /** Secrets in all their forms; may grow while the stream flows. */
  readonly needles: NeedleSet;
  /** What is printed for a range of secret bytes. */
  readonly placeholder: Uint8Array;
}

/**
 * Masks one stream of bytes, window by window.
 *
 * Nothing is printed that may still become a secret, and nothing else is held
 * back. The result does not depend on how the stream was cut.
 */
export class MaskStream {
  readonly #rules: MaskRules;
  /** How many of the held bytes a placeholder that was printed stands for. */
  #coveredBytes = 0;
  /** Whether the last thing printed was a placeholder. */
  #afterPlaceholder = false;

  /**
   * Makes a stream.
   *
   * @param rules Secrets and placeholder.
   */
  constructor(rules: MaskRules) {
    this.#rules = rules;
  }

  /**
   * Masks the next window: the bytes held back last time, then new ones.
   *
   * @param window Bytes that start at the first byte of their buffer.
   * @param isLast Whether the stream ends behind the window.
   * @returns What may be printed, and from where on the window is held back.
   */
  mask(window: Uint8Array<ArrayBuffer>, isLast: boolean): MaskedWindow {
    const { needles, placeholder } = this.#rules;
    const ranges = new Ranges();
    if (this.#coveredBytes > 0) ranges.add(0, this.#coveredBytes);
    needles.find(window, ranges);
    const heldFrom = isLast ? window.length : needles.partialFrom(window);
    const pieces: Uint8Array[] = [];
    let at = 0;
    for (let i = 0; i < ranges.count && ranges.start(i) < heldFrom; i++) {
      if (ranges.start(i) > at) {
        pieces.push(window.subarray(at, ranges.start(i)));
        this.#afterPlaceholder = false;
      }
      if (!this.#afterPlaceholder) pieces.push(placeholder);
      this.#afterPlaceholder = true;
      at = ranges.end(i);
    }
    if (at < heldFrom) {
      pieces.push(window.subarray(at, heldFrom));
      this.#afterPlaceholder = false;
    }
    this.#coveredBytes = Math.max(
      0,
      at - heldFrom,
      this.#coveredBytes - heldFrom,
    );
    return { output: concat(pieces), heldFrom };
  }
}

function concat(pieces: readonly Uint8Array[]): Uint8Array {
  if (pieces.length === 1) return pieces[0];
  let length = 0;
  for (const piece of pieces) length += piece.length;
  const whole = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
