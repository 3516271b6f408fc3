import type { Environment } from "../environment/variables.ts";
import { isSwitchedOn } from "../boolean.ts";
import { decodeText } from "../bytes.ts";

/**
 * Escape sequences of terminals: control sequences (colors, cursor), strings
 * (titles, links), and all others.
 *
 * @see
 * https://www.ecma-international.org/publications-and-standards/standards/ecma-48/
 */
export const SEQUENCES: RegExp =
  // deno-lint-ignore no-control-regex
  /(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x90\x98\x9c-\x9f]*(?:\x07|\x1b\\|\x9c)|\x1b[ -/]*[0-~]/g;

/** Control characters and line breaks of Unicode, except tabs. */
export const CONTROLS: RegExp =
  // deno-lint-ignore no-control-regex
  /[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]/g;

let unsafe: RegExp | undefined;

/**
 * Returns the pattern of characters that control a terminal or change the
 * direction of text, and lone surrogates; not joiners between emoji.
 */
function unsafePattern(): RegExp {
  return unsafe ??=
    /(?!(?<=\p{Extended_Pictographic}[\ufe0f\p{Emoji_Modifier}]?)\u200d\p{Extended_Pictographic})[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;
}

/**
 * Text without such characters, as almost every text is. Creating and compiling
 * the expression above takes almost a millisecond at the start of a run.
 */
const PLAIN = /^[\n\t\x20-\x7e]*$/;

/** An invisible character that keeps the two next to it together. */
export const WORD_JOINER = "\u2060";

/**
 * Brackets of commands that Azure Pipelines, TeamCity and GitHub Actions find
 * anywhere in a line, such as `##vso[`.
 */
const COMMAND_BRACKETS = /(?<=##\w*)\[/g;

/**
 * Makes untrusted text safe to print, without losing any of it.
 *
 * @returns The text with control characters, and with the brackets of commands
 * for a CI system, written as `\u{…}`.
 */
export function printable(text: string): string {
  return withoutBrackets(text.replace(unsafePattern(), escape));
}

/**
 * Makes untrusted text of several lines safe to print: like {@linkcode
 * printable}, but with line feeds and tabs preserved.
 */
export function printableLines(text: string): string {
  if (PLAIN.test(text)) return withoutBrackets(text);
  return withoutBrackets(text.replace(
    unsafePattern(),
    (character) => /[\n\t]/.test(character) ? character : escape(character),
  ));
}

function withoutBrackets(text: string): string {
  return text.includes("##") ? text.replace(COMMAND_BRACKETS, escape) : text;
}

/**
 * Keeps lines from being commands of GitHub Actions: lines that begin with `::`
 * after any white space.
 *
 * @returns The text with a {@linkcode WORD_JOINER} between such colons.
 */
export function withoutCommands(text: string): string {
  return text.replace(/^([^\S\n]*):(?=:)/gm, `$1:${WORD_JOINER}`);
}

function escape(character: string): string {
  return `\\u{${character.codePointAt(0)!.toString(16)}}`;
}

/**
 * Removes escape sequences.
 *
 * @returns The text, which may still contain single control characters.
 */
export function withoutSequences(text: string): string {
  return text.replace(SEQUENCES, "");
}

/**
 * Decodes output of a program, without escape sequences and control characters.
 *
 * Invalid UTF-8 becomes replacement characters. Tabs are preserved.
 *
 * @param bytes Bytes of one line.
 */
export function plainText(bytes: Uint8Array): string {
  return withoutSequences(decodeText(bytes)).replace(CONTROLS, "");
}

/**
 * Converts text of a program or a server to one line.
 *
 * @returns The text without escape sequences, and with each run of control
 * characters replaced by a space.
 */
export function oneLine(text: string): string {
  return withoutSequences(text).replace(/[\p{Cc}\u2028\u2029]+/gu, " ");
}

/**
 * Truncates text for a message, and makes it {@linkcode printable}.
 *
 * @param maxLength Maximum number of UTF-16 units.
 * @returns The text or its start.
 */
export function truncated(text: string, maxLength: number = 100): string {
  return text.length > maxLength
    ? `${printable(text.slice(0, maxLength))}…`
    : printable(text);
}

/**
 * Quotes text for a message.
 *
 * @returns The text as {@linkcode truncated} returns it, in quotation marks.
 */
export function quote(text: string): string {
  return `"${truncated(text)}"`;
}

/**
 * Decides whether to write colors to a stream.
 *
 * The first of these rules that applies decides:
 *
 * 1. `FORCE_COLOR` is set: yes, unless it is `0` or `false`.
 * 2. `NO_COLOR` is set: no (https://no-color.org).
 * 3. The stream is not a terminal, as in most CI systems: no.
 * 4. `TERM` is `dumb`: no.
 *
 * `CI` alone is ignored, since a CI system that gives jobs a terminal shows
 * colors, and others set `FORCE_COLOR`.
 *
 * @param env Environment variables.
 * @param isTerminal Whether the stream is a terminal.
 * @returns Whether to color.
 */
export function shouldUseColor(
  env: Environment,
  isTerminal: boolean,
): boolean {
  if (env.FORCE_COLOR) return isSwitchedOn(env.FORCE_COLOR);
  if (env.NO_COLOR) return false;
  return isTerminal && env.TERM !== "dumb";
}
