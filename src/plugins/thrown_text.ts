import { messageOf } from "../errors.ts";

/**
 * Describes a value that a plugin threw. It may be any value, including one
 * that cannot be converted to a string.
 *
 * @param thrown The thrown value.
 * @returns Reason, phrased to follow "Cannot …:".
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
