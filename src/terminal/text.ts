/**
 * Sequences that a program sends to a terminal: control sequences (colors, the
 * cursor), strings (titles, links), and all others.
 *
 * @see https://www.ecma-international.org/publications-and-standards/standards/ecma-48/
 */
const SEQUENCES =
  // deno-lint-ignore no-control-regex
  /(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)|\x1b[ -/]*[0-~]/g;

/** Control characters and line breaks of Unicode, but tabs. */
const CONTROLS = /(?!\t)[\p{Cc}\u2028\u2029]/gu;

/**
 * Characters that steer a terminal or change the direction of text, and
 * halves of surrogate pairs; not what joins two emoji to one.
 */
const STEERING =
  /(?!(?<=\p{Extended_Pictographic}[\ufe0f\p{Emoji_Modifier}]?)\u200d\p{Extended_Pictographic})[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * Makes text from elsewhere safe to print: nothing is lost, and nothing in it
 * steers the terminal.
 *
 * @returns The text with every character that is not for print as `\u{…}`.
 */
export function printable(text: string): string {
  return text.replace(STEERING, escape);
}

/**
 * Makes text of several lines safe to print: {@linkcode printable}, but for its
 * line breaks and tabs.
 *
 * @returns The text.
 */
export function printableLines(text: string): string {
  return text.replace(
    STEERING,
    (character) => /[\n\t]/.test(character) ? character : escape(character),
  );
}

function escape(character: string): string {
  return `\\u{${character.codePointAt(0)!.toString(16)}}`;
}

/**
 * Removes the sequences that a program sends to a terminal.
 *
 * @returns The text without them; single control characters stay.
 */
export function withoutSequences(text: string): string {
  return text.replace(SEQUENCES, "");
}

/**
 * Decodes what a program printed, without what steers a terminal: colors,
 * cursor, title, bells.
 *
 * Bytes that are not UTF-8 become replacement characters. Tabs stay.
 *
 * @param bytes Bytes of one line.
 */
export function plainText(bytes: Uint8Array): string {
  return withoutSequences(decoder.decode(bytes)).replace(CONTROLS, "");
}

/**
 * Creates one line of what a program or a server said, for a message.
 *
 * @returns The text without sequences; each control character is a space.
 */
export function oneLine(text: string): string {
  return withoutSequences(text).replace(/[\p{Cc}\u2028\u2029]/gu, " ");
}

/**
 * Cuts text that is too long for a message, and makes it {@linkcode printable}.
 *
 * @param maxLength Maximum number of UTF-16 units that are shown.
 * @returns The text or its beginning.
 */
export function brief(text: string, maxLength: number = 100): string {
  return text.length > maxLength
    ? `${printable(text.slice(0, maxLength))}…`
    : printable(text);
}

/**
 * Puts text between quotation marks for a message.
 *
 * @returns The text as {@linkcode brief} shows it, quoted.
 */
export function quote(text: string): string {
  return `"${brief(text)}"`;
}
