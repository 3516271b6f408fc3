import { GrowingBytes, hasByte } from "../bytes.ts";
import { findCut, LINE_BREAK, LINE_FEED } from "./line_limit.ts";

const CARRIAGE_RETURN = 13;

const NOTHING = new Uint8Array();

/** Options for {@linkcode LineAssembler}. */
export interface LineAssemblerOptions {
  /** Maximum number of bytes of an unfinished line that are held back. */
  maxBytes: number;
  /**
   * How a longer line is returned: `broken` into lines, or `open`, in parts
   * without line breaks.
   */
  longLines: "broken" | "open";
}

/**
 * Assembles complete lines from a stream, each as a terminal finally shows it:
 * the text after its last carriage return.
 *
 * Carriage returns right before the line break belong to the break, which
 * becomes a line feed. Parts of a long line that were already returned are not
 * affected by a later carriage return.
 */
export class LineAssembler {
  readonly #maxBytes: number;
  readonly #breaksLines: boolean;
  readonly #line = new GrowingBytes();
  readonly #output = new GrowingBytes();
  /**
   * Whether the line ends with a carriage return, so that the next text
   * replaces it.
   */
  #isReturned = false;
  #isRewritten = false;
  #isOpen = false;
  /** Whether the start of the line was returned with a line break. */
  #isBroken = false;

  constructor(options: LineAssemblerOptions) {
    this.#maxBytes = options.maxBytes;
    this.#breaksLines = options.longLines === "broken";
  }

  /** The unfinished line. */
  get rest(): Uint8Array {
    return this.#line.view;
  }

  /** Whether a carriage return has rewritten the unfinished line. */
  get isRewritten(): boolean {
    return this.#isReturned || this.#isRewritten;
  }

  /**
   * Adds bytes.
   *
   * @returns The complete lines, valid until the next call and while the chunk
   * is.
   */
  take(chunk: Uint8Array): Uint8Array {
    this.#output.clear();
    const isPlain = !this.#isReturned && !this.#isBroken &&
      !hasByte(chunk, CARRIAGE_RETURN) &&
      !this.#isTooLong(chunk);
    return isPlain ? this.#takePlain(chunk) : this.#takeAny(chunk);
  }

  /**
   * Returns the unfinished line, as a complete line if long lines are broken.
   */
  flush(): Uint8Array {
    this.#output.clear();
    if (this.#line.length === 0) return NOTHING;
    this.#output.add(this.#line.view);
    if (this.#breaksLines) this.#output.add(LINE_BREAK);
    this.#isBroken = this.#breaksLines;
    this.#isOpen = !this.#breaksLines;
    this.#line.clear();
    return this.#output.view;
  }

  /** Ends the stream, and returns the unfinished line. */
  end(): Uint8Array {
    this.#output.clear();
    if (this.#line.length > 0 || this.#isOpen) this.#endLine();
    const lines = this.#output.view;
    this.#line.release();
    this.#output.release();
    return lines;
  }

  #isTooLong(chunk: Uint8Array): boolean {
    let availableBytes = this.#maxBytes - this.#line.length;
    for (let at = 0; chunk.length - at > availableBytes;) {
      const lineEnd = chunk.subarray(at, at + availableBytes + 1).lastIndexOf(
        LINE_FEED,
      );
      if (lineEnd < 0) return true;
      at += lineEnd + 1;
      availableBytes = this.#maxBytes;
    }
    return false;
  }

  #takePlain(chunk: Uint8Array): Uint8Array {
    const end = chunk.lastIndexOf(LINE_FEED) + 1;
    if (end === 0) {
      this.#line.add(chunk);
      return NOTHING;
    }
    const lines = chunk.subarray(0, end);
    if (this.#line.length > 0) {
      this.#output.add(this.#line.view);
      this.#output.add(lines);
    }
    this.#startLine();
    this.#line.add(chunk.subarray(end));
    return this.#output.length > 0 ? this.#output.view : lines;
  }

  #takeAny(chunk: Uint8Array): Uint8Array {
    let lineEnd = -1;
    let back = -1;
    for (let at = 0; at < chunk.length;) {
      // The search continues from the last match, because one of the two
      // characters may be rare and the other frequent.
      if (lineEnd < at) lineEnd = indexOf(chunk, LINE_FEED, at);
      if (back < at) back = indexOf(chunk, CARRIAGE_RETURN, at);
      const end = Math.min(lineEnd, back);
      if (end > at) this.#addText(chunk.subarray(at, end));
      if (end === lineEnd && end < chunk.length) this.#endLine();
      if (end === back && end < chunk.length) this.#isReturned = true;
      at = end + 1;
    }
    return this.#output.view;
  }

  #addText(text: Uint8Array): void {
    if (this.#isReturned) {
      this.#line.clear();
      this.#isReturned = false;
      this.#isRewritten = true;
    }
    while (this.#line.length + text.length > this.#maxBytes) {
      // One extra byte shows whether a character is cut.
      const count = this.#maxBytes + 1 - this.#line.length;
      this.#line.add(text.subarray(0, count));
      text = text.subarray(count);
      const cut = findCut(this.#line.view, this.#maxBytes, 0);
      this.#output.add(this.#line.view.subarray(0, cut));
      if (this.#breaksLines) this.#output.add(LINE_BREAK);
      else this.#isOpen = true;
      this.#line.dropFirst(cut);
    }
    this.#line.add(text);
  }

  #endLine(): void {
    // The start of the line was already returned with a line break.
    if (!this.#isBroken || this.#line.length > 0) {
      this.#output.add(this.#line.view);
      this.#output.add(LINE_BREAK);
    }
    this.#startLine();
  }

  #startLine(): void {
    this.#line.clear();
    this.#isReturned = this.#isRewritten = this.#isOpen = false;
    this.#isBroken = false;
  }
}

function indexOf(bytes: Uint8Array, byte: number, from: number): number {
  const at = bytes.indexOf(byte, from);
  return at < 0 ? bytes.length : at;
}
