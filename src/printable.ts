/**
 * Characters that steer a terminal or change the direction of text, and
 * halves of surrogate pairs; not what joins two emoji to one.
 */
const STEERING =
  /(?!(?<=\p{Extended_Pictographic}[\ufe0f\p{Emoji_Modifier}]?)\u200d\p{Extended_Pictographic})[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/**
 * Makes text that came from elsewhere fit for a terminal.
 *
 * @param text Any text.
 * @returns The text with every character that is not for print as `\u{…}`.
 */
export function printable(text: string): string {
  return text.replace(
    STEERING,
    (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`,
  );
}

/**
 * Makes text fit for a message: {@linkcode printable}, and cut when it is long.
 *
 * @param text Any text.
 * @param longest Most UTF-16 units of the text that are shown.
 * @returns The text or its beginning.
 */
export function brief(text: string, longest: number = 100): string {
  return text.length > longest
    ? `${printable(text.slice(0, longest))}…`
    : printable(text);
}

/**
 * Puts text between quotation marks for a message.
 *
 * @param text Any text.
 * @returns The text as {@linkcode brief} shows it, quoted.
 */
export function quote(text: string): string {
  return `"${brief(text)}"`;
}
