import { formsOf } from "./forms.ts";
import { MaskStream } from "./mask_stream.ts";
import { NeedleSet } from "./needle_set.ts";
import { Ranges } from "./ranges.ts";

/** Shortest value that is masked, in bytes; shorter ones would star out whole logs. */
export const MIN_SECRET_BYTES = 4;

/** What stands for a secret; the first one that holds no secret itself. */
const PLACEHOLDERS = ["[REDACTED]", "***", "-"];

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/**
 * Knows the secrets of a run and takes them out of whatever is printed.
 *
 * A secret that is added is masked in every stream from the next byte on,
 * held-back bytes included.
 */
export class Masker {
  /** The secrets as bytes. */
  readonly needles: NeedleSet = new NeedleSet();
  #placeholder = encoder.encode(PLACEHOLDERS[0]);

  /** What is printed for a range of secret bytes. */
  get placeholder(): Uint8Array {
    return this.#placeholder;
  }

  /**
   * Adds a secret in every form in which it may be printed.
   *
   * @param value The secret.
   * @returns Whether it is masked from now on; `false` for a value of fewer
   * than {@linkcode MIN_SECRET_BYTES} bytes.
   */
  add(value: string): boolean {
    for (const form of formsOf(value)) {
      const needle = encoder.encode(form);
      if (needle.length >= MIN_SECRET_BYTES) this.needles.add(needle);
    }
    this.#choosePlaceholder();
    return encoder.encode(value.trim()).length >= MIN_SECRET_BYTES;
  }

  /**
   * Makes a stream that masks these secrets, those added later included.
   *
   * @returns A stream for one sequence of bytes.
   */
  stream(): MaskStream {
    return new MaskStream(this);
  }

  /**
   * Masks a text that is complete.
   *
   * @param text Text.
   * @returns The text, with a placeholder for each range of secret bytes.
   */
  maskText(text: string): string {
    if (this.needles.size === 0) return text;
    const { output } = this.stream().mask(encoder.encode(text), true);
    return decoder.decode(output);
  }

  #choosePlaceholder(): void {
    const chosen = PLACEHOLDERS.map((text) => encoder.encode(text))
      .find((bytes) => {
        const ranges = new Ranges();
        this.needles.find(bytes, ranges);
        return ranges.count === 0;
      });
    this.#placeholder = chosen ?? new Uint8Array();
  }
}
