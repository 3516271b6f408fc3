import { decodeText } from "../bytes.ts";
import { CONTROLS, SEQUENCES } from "./text.ts";

/** How a terminal would show a piece of text. */
export interface TextLook {
  /** Color of the text, from 0 to 255; `undefined` for the default. */
  readonly color?: number;
  /** Color of the background. */
  readonly background?: number;
  readonly isBold?: true;
  readonly isDim?: true;
  readonly isItalic?: true;
  readonly isUnderlined?: true;
  readonly isStruck?: true;
  /** Whether the color of the text and that of the background are swapped. */
  readonly isInverse?: true;
}

/** A piece of text and its look. */
export type StyledPiece = readonly [text: string, look: TextLook];

/** The look of text without any sequence before it. */
export const PLAIN_LOOK: TextLook = {};

/**
 * A sequence that sets the look of what follows ("select graphic rendition").
 */
// deno-lint-ignore no-control-regex
const RENDITION = /^(?:\x1b\[|\x9b)([\d;:]{0,64})m$/;

/**
 * Splits output of a program into pieces with one style each.
 *
 * Colors and styles are those of the 16 and the 256 colors of terminals; a
 * color of 24 bits becomes the nearest of the 256. Hidden text is shown. All
 * other sequences are removed.
 *
 * @param text Text with escape sequences.
 * @param look The look at its start.
 * @returns Pieces, which may contain single control characters, and the look at
 * the end.
 */
export function styledPieces(
  text: string,
  look: TextLook = PLAIN_LOOK,
): { pieces: StyledPiece[]; look: TextLook } {
  const pieces: StyledPiece[] = [];
  const add = (part: string) => {
    const last = pieces.at(-1);
    if (part === "") return;
    if (last?.[1] === look) pieces[pieces.length - 1] = [last[0] + part, look];
    else pieces.push([part, look]);
  };
  let end = 0;
  for (const { index, 0: sequence } of text.matchAll(SEQUENCES)) {
    add(text.slice(end, index));
    end = index + sequence.length;
    const [, parameters] = sequence.match(RENDITION) ?? [];
    if (parameters !== undefined) look = applyParameters(look, parameters);
  }
  add(text.slice(end));
  return { pieces, look };
}

/**
 * Removes all escape sequences except those that set colors and styles.
 *
 * @param text Text of a program.
 * @param clean Changes the text between such sequences, except for printable
 * ASCII, tabs and line feeds.
 * @returns The text. Sequences have the form `ESC [ … m`.
 */
export function onlyRenditions(
  text: string,
  clean: (text: string) => string,
): string {
  if (ONLY_RENDITIONS.test(text)) return text;
  let kept = "";
  let end = 0;
  for (const { index, 0: sequence } of text.matchAll(SEQUENCES)) {
    kept += clean(text.slice(end, index));
    end = index + sequence.length;
    const [, parameters] = sequence.match(RENDITION) ?? [];
    if (parameters !== undefined) kept += `\x1b[${parameters}m`;
  }
  return kept + clean(text.slice(end));
}

/** Text that has no other sequences, and no control characters. */
// deno-lint-ignore no-control-regex
const ONLY_RENDITIONS = /^(?:[\n\t\x20-\x7e]|\x1b\[[\d;:]{0,64}m)*$/;

/**
 * Decodes output of a program, with its colors and styles, and without other
 * escape sequences and control characters.
 *
 * @param bytes Bytes of one line.
 */
export function styledText(bytes: Uint8Array): string {
  return onlyRenditions(
    decodeText(bytes),
    (text) => text.replace(CONTROLS, ""),
  );
}

function applyParameters(look: TextLook, parameters: string): TextLook {
  const codes = parameters.split(";");
  for (let at = 0; at < codes.length; at++) {
    const [code, ...parts] = codes[at].split(":");
    const isColor = code === "38" || code === "48" || code === "58";
    if (!isColor) {
      look = applyCode(look, Number(code), parts[0]);
      continue;
    }
    // Colons keep the parts of a color together; after semicolons, they are
    // their own codes.
    const isJoined = parts.length > 0;
    const rest = isJoined ? parts : codes.slice(at + 1, at + 5);
    if (!isJoined) at += rest[0] === "2" ? 4 : rest[0] === "5" ? 2 : 0;
    const color = readColor(rest, isJoined);
    if (code === "38") look = changeLook(look, { color });
    if (code === "48") look = changeLook(look, { background: color });
  }
  return look;
}

function applyCode(
  look: TextLook,
  code: number,
  part: string | undefined,
): TextLook {
  if (code >= 30 && code <= 37) return changeLook(look, { color: code - 30 });
  if (code >= 90 && code <= 97) return changeLook(look, { color: code - 82 });
  if (code >= 40 && code <= 47) {
    return changeLook(look, { background: code - 40 });
  }
  if (code >= 100 && code <= 107) {
    return changeLook(look, { background: code - 92 });
  }
  switch (code) {
    case 0:
      return PLAIN_LOOK;
    case 1:
      return changeLook(look, { isBold: true });
    case 2:
      return changeLook(look, { isDim: true });
    case 3:
      return changeLook(look, { isItalic: true });
    case 4:
      return changeLook(look, {
        isUnderlined: part === "0" ? undefined : true,
      });
    case 7:
      return changeLook(look, { isInverse: true });
    case 9:
      return changeLook(look, { isStruck: true });
    case 21:
      return changeLook(look, { isUnderlined: true });
    case 22:
      return changeLook(look, { isBold: undefined, isDim: undefined });
    case 23:
      return changeLook(look, { isItalic: undefined });
    case 24:
      return changeLook(look, { isUnderlined: undefined });
    case 27:
      return changeLook(look, { isInverse: undefined });
    case 29:
      return changeLook(look, { isStruck: undefined });
    case 39:
      return changeLook(look, { color: undefined });
    case 49:
      return changeLook(look, { background: undefined });
    default:
      return look;
  }
}

/** A look as it may be while it changes. */
type Change = { [Name in keyof TextLook]: TextLook[Name] | undefined };

/** Returns the changed look; {@linkcode PLAIN_LOOK} if it has no attributes. */
function changeLook(look: TextLook, change: Change): TextLook {
  const entries = Object.entries({ ...look, ...change })
    .filter(([, value]) => value !== undefined);
  return entries.length === 0 ? PLAIN_LOOK : Object.fromEntries(entries);
}

/**
 * Reads `5;N` or `2;R;G;B`; with colons, a color space may precede R.
 *
 * @returns The color; `undefined` if it is invalid.
 */
function readColor(
  [kind, ...parts]: readonly string[],
  isJoined: boolean,
): number | undefined {
  const numbers = parts.map((part) => Math.min(255, Number(part)));
  if (kind === "5") return numbers[0];
  if (kind !== "2") return undefined;
  const from = isJoined && numbers.length > 3 ? 1 : 0;
  const [red, green, blue] = numbers.slice(from, from + 3);
  return blue === undefined ? undefined : nearestColor([red, green, blue]);
}

/** Red, green and blue, from 0 to 255. */
export type Rgb = readonly [red: number, green: number, blue: number];

/** Steps of each part of the colors 16 to 231. */
const CUBE: readonly number[] = [0, 95, 135, 175, 215, 255];

const CUBE_START = 16;
const GRAY_START = 232;
const GRAY_COUNT = 24;

/**
 * Returns one of the colors 16 to 255, which are the same on all terminals.
 */
export function fixedColor(color: number): Rgb {
  if (color >= GRAY_START) {
    const level = 8 + 10 * (color - GRAY_START);
    return [level, level, level];
  }
  const at = color - CUBE_START;
  return [
    CUBE[Math.floor(at / 36)],
    CUBE[Math.floor(at / 6) % 6],
    CUBE[at % 6],
  ];
}

/** Finds the color nearest to one of 24 bits. */
function nearestColor(rgb: Rgb): number {
  const [red, green, blue] = rgb.map((value) =>
    CUBE.reduce(
      (best, step, index) =>
        Math.abs(step - value) < Math.abs(CUBE[best] - value) ? index : best,
      0,
    )
  );
  const inCube = CUBE_START + 36 * red + 6 * green + blue;
  const level = (rgb[0] + rgb[1] + rgb[2]) / 3;
  const index = Math.round((level - 8) / 10);
  const gray = GRAY_START + Math.min(GRAY_COUNT - 1, Math.max(0, index));
  return distance(fixedColor(gray), rgb) < distance(fixedColor(inCube), rgb)
    ? gray
    : inCube;
}

function distance(a: Rgb, b: Rgb): number {
  return a.reduce((sum, value, index) => sum + (value - b[index]) ** 2, 0);
}
