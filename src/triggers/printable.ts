import { printable } from "../printable.ts";

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
