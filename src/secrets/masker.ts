import { secretParts } from "./mask/documents.ts";
import { formsOf } from "./mask/forms.ts";
import { MIN_NEEDLE_BYTES, NeedleSet } from "./mask/needle_set.ts";
import { Ranges } from "./mask/ranges.ts";
import { isOrdinary, WholeWords } from "./mask/whole_words.ts";
import { type MaskRules, MaskStream } from "./mask/stream.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Minimum length of a form of a value, other than the value itself, in bytes; shorter ones occur by chance. */
const MIN_FORM_BYTES = 4;

/** What stands for a secret; the first one that holds no secret itself. */
const PLACEHOLDERS = ["[REDACTED]", "***", "-"].map((it) => encoder.encode(it));

/**
 * Knows the secrets of a run and takes them out of whatever is printed.
 *
 * A secret that is added is masked in every stream from the next byte on,
 * held-back bytes included.
 */
export class Masker {
  /** The secrets as bytes. */
  readonly needles: NeedleSet = new NeedleSet();
  /** Ordinary values, which are masked as whole words only. */
  readonly words: WholeWords = new WholeWords();
  /** Minimum length of a value that is masked, in bytes; at least 3. */
  minBytes: number = MIN_NEEDLE_BYTES;
  #placeholder = PLACEHOLDERS[0];
  #forbidden: NeedleSet | undefined;
  /** What streams mask: all that is known, or nothing. */
  #printed: MaskRules = this;

  /** In how many forms all secrets are known; grows with each new one. */
  get formTotal(): number {
    return this.needles.size + this.words.size;
  }

  /** What is printed for a range of secret bytes. */
  get placeholder(): Uint8Array {
    return this.#placeholder;
  }

  /**
   * Adds a secret in every form in which it may be printed, and the secrets in
   * it if it is a document.
   *
   * @param value The secret.
   * @returns Whether it is masked from now on; `false` for a value of fewer
   * than {@linkcode minBytes} bytes, the white space around it not counted.
   */
  add(value: string): boolean {
    const minBytes = Math.max(this.minBytes, MIN_NEEDLE_BYTES);
    const minFormBytes = Math.max(minBytes, MIN_FORM_BYTES);
    for (const secret of [value, ...secretParts(value)]) {
      for (const { bytes, kind } of formsOf(secret)) {
        if (bytes.length >= minFormBytes) this.needles.add(bytes, kind);
      }
    }
    const plain = encoder.encode(value.trim());
    const isMasked = plain.length >= minBytes;
    if (isMasked && plain.length < minFormBytes) {
      this.needles.add(plain, "plain");
    }
    this.#choosePlaceholder();
    return isMasked;
  }

  /**
   * Adds a value of which nothing says whether it is secret. An ordinary word,
   * number or path is masked where it is a whole word, and where it is encoded,
   * which an ordinary text does not have by chance.
   *
   * @returns Whether it is masked from now on.
   */
  addGuess(value: string): boolean {
    const word = value.trim();
    if (!isOrdinary(word)) return this.add(value);
    if (word.length < Math.max(this.minBytes, MIN_NEEDLE_BYTES)) return false;
    this.words.add(word);
    if (word.length < MIN_FORM_BYTES) return true;
    for (const { bytes, kind } of formsOf(word)) {
      if (kind === "encoded") this.needles.add(bytes, kind);
    }
    this.#choosePlaceholder();
    return true;
  }

  /**
   * Has a text masked that is not secret, but must not be printed, such as a
   * marker for the CI system: whatever its length, and also while secrets are
   * printed as they are.
   */
  forbid(text: string): void {
    const bytes = encoder.encode(text);
    this.needles.add(bytes, "plain");
    this.#forbidden ??= new NeedleSet();
    this.#forbidden.add(bytes, "plain");
  }

  /**
   * Has secrets masked, or printed as they are; they stay known.
   *
   * @param isOn Whether streams and texts are masked from now on.
   */
  turn(isOn: boolean): void {
    this.#printed = isOn ? this : {
      needles: this.#forbidden ??= new NeedleSet(),
      words: new WholeWords(),
      placeholder: PLACEHOLDERS[0],
    };
  }

  /**
   * Creates a stream that masks these secrets, those added later included.
   *
   * @returns A stream for one sequence of bytes.
   */
  stream(): MaskStream {
    return new MaskStream(this.#printed);
  }

  /**
   * Checks whether a text holds a secret, also while nothing is masked.
   *
   * @param text Text.
   * @returns Whether a part of it would be masked.
   */
  holdsSecret(text: string): boolean {
    return maskWith(this, text) !== text.toWellFormed();
  }

  /**
   * Masks a text that is complete.
   *
   * @param text Text.
   * @returns The text, with a placeholder for each range of secret bytes.
   */
  maskText(text: string): string {
    return maskWith(this.#printed, text);
  }

  #choosePlaceholder(): void {
    const chosen = PLACEHOLDERS.find((bytes) => {
      const ranges = new Ranges();
      this.needles.find(bytes, ranges);
      return ranges.count === 0;
    });
    this.#placeholder = chosen ?? new Uint8Array();
  }
}

function maskWith(rules: MaskRules, text: string): string {
  if (rules.needles.size === 0 && rules.words.size === 0) return text;
  const { output } = new MaskStream(rules).mask(encoder.encode(text), true);
  return decoder.decode(output);
}
