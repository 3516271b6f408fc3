import { hasByte } from "../has_byte.ts";
import type { NeedleSet } from "./needle_set.ts";
import { Ranges } from "./ranges.ts";
import { makeSkipTable } from "./skip_table.ts";
import { SkippingView } from "./skipping_view.ts";

/** What masking a window of a stream gave. */
export interface MaskedWindow {
  /** Bytes that may be printed; valid until the next window, and possibly a view of this one. */
  output: Uint8Array;
  /** Where the bytes start that are held back, to begin the next window with. */
  heldFrom: number;
}

/** What a {@linkcode MaskStream} takes from its masker. */
export interface MaskRules {
  /** Secrets in all their forms; may grow while the stream flows. */
  readonly needles: NeedleSet;
  /** Secrets of several lines without white space, which is skipped in a text. */
  readonly spreadNeedles: NeedleSet | undefined;
  /** What is printed for a range of secret bytes. */
  readonly placeholder: Uint8Array;
}

/** What starts the codes that colour a terminal. */
const ESC = 0x1b;

/**
 * Masks one stream of bytes, window by window.
 *
 * Secrets are found in the bytes as they are, in what is left without the
 * codes for a terminal, and, if they have several lines, without white space.
 *
 * Nothing is printed that may still become a secret, and nothing else is held
 * back. The result does not depend on how the stream was cut.
 */
export class MaskStream {
  readonly #rules: MaskRules;
  readonly #ranges = new Ranges();
  /** What was found in a view; neighbours there may have skipped bytes between them. */
  readonly #found = new Ranges(false);
  /** Room for what is printed when something is replaced. */
  #room = new Uint8Array();
  #withoutCodes: SkippingView | undefined;
  #withoutSpace: SkippingView | undefined;
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
    const { needles } = this.#rules;
    const ranges = this.#ranges;
    ranges.clear();
    if (this.#coveredBytes > 0) ranges.add(0, this.#coveredBytes);
    needles.find(window, ranges);
    const partialFrom = Math.min(
      needles.partialFrom(window),
      this.#lookWithoutCodes(window),
      this.#lookWithoutSpace(window),
    );
    const heldFrom = isLast ? window.length : partialFrom;
    this.#withoutCodes?.moveTo(window, heldFrom);
    this.#withoutSpace?.moveTo(window, heldFrom);
    return { output: this.#print(window, heldFrom), heldFrom };
  }

  /** Gives where the end starts that may still become a secret. */
  #lookWithoutCodes(window: Uint8Array<ArrayBuffer>): number {
    const { needles } = this.#rules;
    if (needles.size === 0) return window.length;
    if (!this.#withoutCodes?.isInside && !hasByte(window, ESC)) {
      this.#withoutCodes?.lookAway(window);
      return window.length;
    }
    this.#withoutCodes ??= new SkippingView(makeSkipTable(false));
    return this.#look(this.#withoutCodes, needles, window);
  }

  #lookWithoutSpace(window: Uint8Array<ArrayBuffer>): number {
    const { spreadNeedles } = this.#rules;
    if (spreadNeedles === undefined) return window.length;
    this.#withoutSpace ??= new SkippingView(makeSkipTable(true));
    return this.#look(this.#withoutSpace, spreadNeedles, window);
  }

  #look(
    view: SkippingView,
    needles: NeedleSet,
    window: Uint8Array<ArrayBuffer>,
  ): number {
    const text = view.look(window);
    const found = this.#found;
    found.clear();
    needles.find(text, found);
    for (let i = 0; i < found.count; i++) {
      const end = view.offsetOf(found.end(i) - 1) + 1;
      this.#ranges.add(view.offsetOf(found.start(i)), end);
    }
    return view.offsetOf(needles.partialFrom(text));
  }

  #print(window: Uint8Array, heldFrom: number): Uint8Array {
    const ranges = this.#ranges;
    const { placeholder } = this.#rules;
    let count = ranges.count;
    while (count > 0 && ranges.start(count - 1) >= heldFrom) count--;
    const coveredTo = count > 0 ? ranges.end(count - 1) : 0;
    this.#coveredBytes = Math.max(
      0,
      coveredTo - heldFrom,
      this.#coveredBytes - heldFrom,
    );
    const printed = window.subarray(0, heldFrom);
    if (count > 0) return this.#replace(printed, count, placeholder);
    if (heldFrom > 0) this.#afterPlaceholder = false;
    return printed;
  }

  /** Puts placeholders in the place of the first ranges. */
  #replace(
    bytes: Uint8Array,
    rangeCount: number,
    placeholder: Uint8Array,
  ): Uint8Array {
    const ranges = this.#ranges;
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
