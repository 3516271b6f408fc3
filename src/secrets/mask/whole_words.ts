import type { RangeSink } from "./ranges.ts";

/**
 * Ordinary values, such as `production` or `20.11`, which are masked only where
 * they are a whole word: in `test mode`, but not in `attestation`.
 *
 * They come from variables of which nothing says whether they are secret. Unlike
 * needles, they are looked for as they are, without undoing escapes.
 */
export class WholeWords {
  readonly #words: Uint8Array[] = [];
  readonly #known = new Set<string>();
  /** Whether a word starts with a byte. */
  readonly #starts = new Uint8Array(256);

  /** Number of words. */
  get size(): number {
    return this.#words.length;
  }

  /** Adds a word. */
  add(word: string): void {
    if (this.#known.has(word)) return;
    this.#known.add(word);
    const bytes = new TextEncoder().encode(word);
    this.#words.push(bytes);
    this.#starts[bytes[0]] = 1;
  }

  /**
   * Finds every word of a text that is one of these.
   *
   * @param text The text.
   * @param before The byte in front of the text; 0 if there is none.
   * @param isLast Whether the text ends the stream.
   * @param ranges Receives the words.
   * @returns Where a word may start that goes on behind the text; the length of
   * the text if there is none.
   */
  find(
    text: Uint8Array,
    before: number,
    isLast: boolean,
    ranges: RangeSink,
  ): number {
    let heldFrom = text.length;
    for (let at = 0; at < text.length; at++) {
      if (this.#starts[text[at]] === 0) continue;
      if (isJoined(at === 0 ? before : text[at - 1], text[at])) continue;
      for (const word of this.#words) {
        const length = commonLength(text, at, word);
        const end = at + length;
        if (length < word.length) {
          if (end === text.length && !isLast) heldFrom = Math.min(heldFrom, at);
        } else if (end < text.length) {
          if (!isJoined(word[length - 1], text[end])) ranges.add(at, end);
        } else if (isLast) ranges.add(at, end);
        else heldFrom = Math.min(heldFrom, at);
      }
    }
    return heldFrom;
  }
}

/** Number of bytes that a text at an offset shares with the start of a word. */
function commonLength(text: Uint8Array, at: number, word: Uint8Array): number {
  let length = 0;
  while (length < word.length && text[at + length] === word[length]) length++;
  return length;
}

/** Whether two neighbors are parts of the same word; other than ASCII always is. */
function isJoined(left: number, right: number): boolean {
  return isWordByte(left) && isWordByte(right);
}

function isWordByte(byte: number): boolean {
  return byte >= 0x80 || byte >= 0x30 && byte <= 0x39 || byte === 0x5f ||
    (byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x7a;
}

/** Letters, a number or version, or a path of a few plain names. */
const ORDINARY =
  /^(?:[A-Za-z]{1,12}|v?\d[\d.,:_+-]{0,11}|(?:~|\.{0,2})(?:\/[a-z._-]{1,12}){1,8}\/?)$/;

/**
 * Checks whether a value is a word, a number or a path such as any log has, so
 * that masking every occurrence of its bytes would garble the log.
 */
export function isOrdinary(value: string): boolean {
  return ORDINARY.test(value);
}
