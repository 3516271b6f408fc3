/** Escape sequences of terminals: control sequences, strings, and all others. */
const ESCAPES =
  // deno-lint-ignore no-control-regex
  /(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[ -/]*[0-~]/g;

const CONTROLS = /(?!\t)[\p{Cc}\u2028\u2029]/gu;

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * Decodes what a program printed, without what steers a terminal: colours,
 * cursor, title, bells.
 *
 * Bytes that are no UTF-8 become replacement characters. Tabs stay.
 *
 * @param bytes Bytes of one line.
 * @returns The text.
 */
export function plainText(bytes: Uint8Array): string {
  return decoder.decode(bytes).replace(ESCAPES, "").replace(CONTROLS, "");
}
