/**
 * Masks secrets in output.
 *
 * Goal: no common encoding of a secret reveals it, output is masked at the speed of
 * a pipe, and the result does not depend on how the output was split into chunks.
 *
 * Trade-offs:
 *
 * - Text that seems to contain an encoded secret is read more than once. Hostile
 *   text or secrets take a few times as long as a normal log, but the time is always
 *   proportional to the length of the text.
 * - Only text that may still become a secret is held back, for as long as the
 *   stream pauses. The first number of a list, and up to three characters before a
 *   line break, may therefore be printed before the rest of a secret arrives, and
 *   so may the first characters of text that was encoded twice.
 * - Long secrets are searched in parts of 128 bytes, so each part is also masked on
 *   its own.
 *
 * How it works:
 *
 * 1. If a secret is a document, its parts are extracted. The
 *    secret and its parts become needles in each form that cannot be decoded in a
 *    text: as they are, in base64, base32 and hexadecimal digits (`forms.ts`), and
 *    quoted in ways that leave no trace (`quoted_forms.ts`).
 * 2. Each stream is masked one window at a time (`mask_stream.ts`).
 * 3. A window is searched for all needles at once, by a few of its words
 *    (`needle_set.ts`, `needle_pool.ts`, `word_index.ts`), which are looked up in
 *    WebAssembly (`scanner.ts`), or by hashes if there are too many needles or they
 *    are too similar (`needle_flood.ts`).
 * 4. One scan of the window finds everything that may hide a needle: escapes, line
 *    breaks, sequences of numbers, rows of hex dumps, and letters and digits that
 *    may be base64 or hexadecimal digits (`scanner.ts`, `marks.ts`). Line breaks and
 *    color codes without a part of a needle next to them are skipped.
 * 5. The bytes around each of these places are looked up among the four-byte parts
 *    of the needles. In ordinary text, hardly any place passes (`decoded_text.ts`).
 * 6. Around the places that pass, the text is decoded and searched again: with
 *    escapes undone (`escapes.ts`), separately for those of quoted-printable,
 *    without line breaks, with lists of numbers as hexadecimal digits
 *    (`number_list.ts`), as the last words of lines (`prefixed_lines.ts`), and as the
 *    bytes of hex dumps, without the prefixes and colors of their lines
 *    (`dump_rows.ts`, `dump_lines.ts`, `dumped_bytes.ts`). Letters and digits are
 *    decoded as far as they encode text (`decoded_run.ts`), which is searched in the
 *    same way (`encoded_runs.ts`).
 * 7. Matches are masked at their positions in the window (`ranges.ts`).
 * 8. Text that may still become a needle in any of these views is held back for the
 *    next window, and so is an incomplete escape.
 *
 * @module
 */

import { decodeText } from "../bytes.ts";
import { findSecretParts, generateForms } from "./mask/forms.ts";
import { MIN_NEEDLE_BYTES, NeedleSet } from "./mask/needle_set.ts";
import { isOrdinary, Ranges, WholeWords } from "./mask/ranges.ts";
import { type MaskRules, MaskStream } from "./mask/mask_stream.ts";

const encoder = new TextEncoder();

/**
 * Minimum length of forms other than the value itself, in bytes; shorter ones
 * occur by chance.
 */
const MIN_FORM_BYTES = 4;

/** Placeholders for secrets; the first one that contains no secret is used. */
const PLACEHOLDERS = ["[REDACTED]", "***", "-"].map((text) =>
  encoder.encode(text)
);

/**
 * Stores the secrets of a run and masks them in all output.
 *
 * A new secret is masked in all streams immediately, including in bytes that
 * are held back.
 */
export class Masker {
  #needles: NeedleSet | undefined;
  /** Ordinary values, which are masked only as whole words. */
  readonly words: WholeWords = new WholeWords();
  /** Minimum length of a value that is masked, in bytes; at least 3. */
  minBytes: number = MIN_NEEDLE_BYTES;
  #placeholder = PLACEHOLDERS[0];
  #forbidden: NeedleSet | undefined;
  /** Rules of streams: those of this masker, or nothing but forbidden texts. */
  #printed: MaskRules = this;

  /** Needles of all secrets; created on first use, because that takes time. */
  get needles(): NeedleSet {
    return this.#needles ??= new NeedleSet();
  }

  /** Number of forms of all secrets; grows with each new secret. */
  get formTotal(): number {
    return (this.#needles?.size ?? 0) + this.words.size;
  }

  /** Placeholder that replaces a range of secret bytes. */
  get placeholder(): Uint8Array {
    return this.#placeholder;
  }

  /**
   * Adds a secret in all forms in which it may be printed. If it is a document,
   * adds the secrets in it as well.
   *
   * @returns Whether the value is masked from now on; `false` if it has fewer
   * than {@linkcode minBytes} bytes without surrounding whitespace.
   */
  add(value: string): boolean {
    const minBytes = Math.max(this.minBytes, MIN_NEEDLE_BYTES);
    const minFormBytes = Math.max(minBytes, MIN_FORM_BYTES);
    for (const secret of [value, ...findSecretParts(value)]) {
      for (const { bytes, kind } of generateForms(secret)) {
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
   * Adds a value that may or may not be secret. An ordinary word, number or
   * path is masked only as a whole word, and in encoded forms, which do not
   * occur by chance.
   *
   * @returns Whether the value is masked from now on.
   */
  addGuess(value: string): boolean {
    const word = value.trim();
    if (!isOrdinary(word)) return this.add(value);
    if (word.length < Math.max(this.minBytes, MIN_NEEDLE_BYTES)) return false;
    this.words.add(word);
    if (word.length < MIN_FORM_BYTES) return true;
    for (const { bytes, kind } of generateForms(word)) {
      if (kind === "encoded") this.needles.add(bytes, kind);
    }
    this.#choosePlaceholder();
    return true;
  }

  /**
   * Masks a text that is not secret but must not be printed, such as a marker
   * for the CI system. Applies to any length, and even while masking is off.
   */
  forbid(text: string): void {
    const bytes = encoder.encode(text);
    this.needles.add(bytes, "plain");
    this.#forbidden ??= new NeedleSet();
    this.#forbidden.add(bytes, "plain");
  }

  /**
   * Enables or disables masking; secrets stay known.
   *
   * @param isEnabled Whether streams and texts are masked from now on.
   */
  setEnabled(isEnabled: boolean): void {
    this.#printed = isEnabled ? this : {
      needles: this.#forbidden ??= new NeedleSet(),
      words: new WholeWords(),
      placeholder: PLACEHOLDERS[0],
    };
  }

  /**
   * Creates a stream that masks these secrets, including those added later.
   *
   * @returns Stream for one sequence of bytes.
   */
  stream(): MaskStream {
    return new MaskStream(this.#printed);
  }

  /**
   * Checks whether a text contains a secret, even while masking is off.
   *
   * @returns Whether a part of it would be masked.
   */
  containsSecret(text: string): boolean {
    return this.formTotal > 0 && maskWith(this, text) !== text.toWellFormed();
  }

  /**
   * Masks a complete text.
   *
   * @returns The text, with a placeholder for each range of secret bytes.
   */
  maskText(text: string): string {
    return this.formTotal > 0 ? maskWith(this.#printed, text) : text;
  }

  #choosePlaceholder(): void {
    const placeholder = PLACEHOLDERS.find((bytes) => {
      const ranges = new Ranges();
      this.needles.find(bytes, ranges);
      return ranges.count === 0;
    });
    this.#placeholder = placeholder ?? new Uint8Array();
  }
}

function maskWith(rules: MaskRules, text: string): string {
  if (rules.needles.size === 0 && rules.words.size === 0) return text;
  const { output } = new MaskStream(rules).mask(encoder.encode(text), true);
  return decodeText(output);
}
