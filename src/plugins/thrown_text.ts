import { messageOf } from "../errors.ts";

/**
 * Returns what a plugin threw, which need not be an error, nor have a text.
 *
 * @param thrown The thrown value.
 * @returns Text that can end a sentence.
 */
export function thrownText(thrown: unknown): string {
  try {
    const text = String(messageOf(thrown));
    if (!(thrown instanceof Error)) return `it threw ${text}`;
    return text === "" ? `it threw ${thrown.name}` : text;
  } catch {
    // An object without a prototype, or with a getter that throws.
    return "it threw something without a text";
  }
}
