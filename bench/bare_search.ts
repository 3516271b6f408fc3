import { Scanner } from "../src/secrets/mask/scanner.ts";
import {
  nextWord,
  STRIDE,
  wordAt,
  WordFilter,
} from "../src/secrets/mask/word_index.ts";

/** Sizes of the filters of words and of parts of secrets, as powers of two. */
const [WORD_BITS, GRAM_BITS] = [14, 16];

/** How often lines are escaped in the text with escapes. */
const LEVELS = 2;

const PLACEHOLDER = new TextEncoder().encode("[REDACTED]");

const BACKSLASH = "\\".charCodeAt(0);

/**
 * Does the least that a masker must do with each byte: it looks up words of secrets,
 * and scans the text for bytes that may hide a secret. It knows no other form of a
 * secret.
 */
export class BareSearch {
  readonly #words = new WordFilter(WORD_BITS);
  readonly #scanner = new Scanner();
  readonly #decoded: Uint8Array<ArrayBuffer>[] = [];
  #marks = new Int32Array();
  /** Secrets and the offset of a word in them, by the word. */
  readonly #places = new Map<number, [secret: Uint8Array, offset: number][]>();
  #output = new Uint8Array();
  /** How often something was found. */
  foundCount = 0;

  constructor(secrets: readonly string[]) {
    const scanner = this.#scanner;
    const grams = new WordFilter(GRAM_BITS, scanner.allocateFilter(GRAM_BITS));
    for (const secret of secrets) {
      const bytes = new TextEncoder().encode(secret);
      for (let at = 0; at + 4 <= bytes.length; at++) {
        const word = wordAt(bytes, at, 4);
        grams.add(word);
        if (at >= STRIDE) continue;
        this.#words.add(word);
        const places = this.#places.get(word);
        if (places === undefined) this.#places.set(word, [[bytes, at]]);
        else places.push([bytes, at]);
      }
    }
  }

  /** Searches a text, which is at the start of its buffer. */
  search(text: Uint8Array<ArrayBuffer>): void {
    this.#scan(text);
    this.#findWords(text);
  }

  /** Also replaces the secrets that it finds. */
  replace(text: Uint8Array<ArrayBuffer>): Uint8Array {
    this.#scan(text);
    if (this.#output.length < 2 * text.length) {
      this.#output = new Uint8Array(2 * text.length);
    }
    const output = this.#output;
    const step = STRIDE / 4;
    const view = new Int32Array(text.buffer, 0, text.length >>> 2);
    let [copied, length] = [0, 0];
    for (
      let at = nextWord(view, 0, step, this.#words);
      at < view.length;
      at = nextWord(view, at + step, step, this.#words)
    ) {
      for (const [secret, offset] of this.#places.get(view[at]) ?? []) {
        const start = 4 * at - offset;
        if (start < copied || !isAt(secret, text, start)) continue;
        output.set(text.subarray(copied, start), length);
        length += start - copied;
        output.set(PLACEHOLDER, length);
        length += PLACEHOLDER.length;
        copied = start + secret.length;
        break;
      }
    }
    output.set(text.subarray(copied), length);
    return output.subarray(0, length + text.length - copied);
  }

  /** Also searches the text whose backslashes are undone, as often as it has some. */
  searchDecoded(text: Uint8Array<ArrayBuffer>): void {
    this.search(text);
    let source = text;
    for (let level = 0; level < LEVELS; level++) {
      source = this.#undoEscapes(source, level);
      this.#findWords(source);
    }
  }

  #scan(text: Uint8Array<ArrayBuffer>): void {
    const scanner = this.#scanner;
    for (let from = 0; from < text.length; from = scanner.end) {
      scanner.scan(text, from);
      this.foundCount += scanner.count;
    }
  }

  #findWords(text: Uint8Array<ArrayBuffer>): void {
    const step = STRIDE / 4;
    const view = new Int32Array(text.buffer, 0, text.length >>> 2);
    const words = this.#words;
    for (
      let at = nextWord(view, 0, step, words);
      at < view.length;
      at = nextWord(view, at + step, step, words)
    ) this.foundCount++;
  }

  /** Undoes escapes, and notes where they were, as a masker needs to map what it finds. */
  #undoEscapes(
    text: Uint8Array<ArrayBuffer>,
    level: number,
  ): Uint8Array<ArrayBuffer> {
    if ((this.#decoded[level]?.length ?? 0) < text.length) {
      this.#decoded[level] = new Uint8Array(text.length);
    }
    if (this.#marks.length < text.length) {
      this.#marks = new Int32Array(text.length);
    }
    const [decoded, marks] = [this.#decoded[level], this.#marks];
    let length = 0;
    let markCount = 0;
    for (let at = 0; at < text.length; at++) {
      if (text[at] === BACKSLASH && at + 1 < text.length) {
        at++;
        marks[markCount++] = length;
      }
      decoded[length++] = text[at];
    }
    this.foundCount += markCount;
    return decoded.subarray(0, length);
  }
}

function isAt(secret: Uint8Array, text: Uint8Array, start: number): boolean {
  for (let at = 0; at < secret.length; at++) {
    if (text[start + at] !== secret[at]) return false;
  }
  return true;
}
