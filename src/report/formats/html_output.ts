import {
  fixedColor,
  type Rgb,
  type StyledPiece,
  styledPieces,
  type TextLook,
} from "../../terminal/styles.ts";
import { withoutSequences } from "../../terminal/text.ts";
import type { StepRecord } from "../run_record.ts";
import { type Html, markup } from "./html_document.ts";

/** Values of `--panel` in the style of the page, the background of output. */
const GROUND = { light: [245, 247, 249], dark: [29, 33, 38] } as const;

const [BLACK, WHITE]: readonly Rgb[] = [[0, 0, 0], [255, 255, 255]];

/**
 * Minimum contrast of text; the accessibility guidelines (WCAG, AA) require
 * 4.5.
 */
const MIN_CONTRAST = 5;

/** The first 16 colors, which differ between terminals. */
const BASE_COLORS: readonly Rgb[] = [
  [47, 54, 61],
  [207, 52, 62],
  [45, 150, 75],
  [191, 135, 0],
  [56, 122, 223],
  [163, 75, 200],
  [27, 150, 170],
  [200, 207, 214],
  [110, 119, 129],
  [250, 90, 95],
  [70, 185, 100],
  [220, 170, 40],
  [95, 165, 250],
  [195, 140, 245],
  [70, 200, 215],
  [255, 255, 255],
];

/** Number of colors for which there are classes. */
const COLOR_COUNT = 256;

/** Black and white, which are the same on all terminals. */
const [BLACK_COLOR, WHITE_COLOR] = [16, 231];

/**
 * Writes output of a program with its colors.
 *
 * A strict `Content-Security-Policy` allows no `style` attributes, so colors
 * and styles are classes; {@linkcode colorRules} writes their rules.
 *
 * @param text Output with escape sequences. Only those for colors and styles
 * are kept.
 * @returns HTML for a `pre`.
 */
export function outputHtml(text: string): Html {
  return markup`${
    styledPieces(text).pieces.map(([part, look]) => {
      const classes = listClasses(look);
      return classes === ""
        ? part
        : markup`<span class="${classes}">${part}</span>`;
    })
  }`;
}

/**
 * A piece of output for a browser: its text and, if it has any, its classes.
 */
export type OutputPiece = readonly [text: string, classes?: string];

/**
 * Prepares pieces of output for a script that creates elements from them.
 */
export function outputPieces(pieces: readonly StyledPiece[]): OutputPiece[] {
  return pieces.map(([text, look]) => {
    const classes = listClasses(look);
    return classes === "" ? [text] : [text, classes];
  });
}

/**
 * Returns the classes of a combination of colors and styles.
 *
 * @returns Classes such as `fg-1 bold`: `fg-N` is text of color N on the ground
 * of the page, `bg-N` a background, and `on-N` text on a background, which has
 * the same color in both color schemes.
 */
function listClasses(look: TextLook): string {
  return [
    ...listColorClasses(look),
    ...look.isBold ? ["bold"] : [],
    ...look.isItalic ? ["italic"] : [],
    ...look.isUnderlined ? ["underlined"] : [],
    ...look.isStruck ? ["struck"] : [],
  ].join(" ");
}

function listColorClasses(look: TextLook): string[] {
  const { color, background, isDim, isInverse } = look;
  const [front, back] = isInverse ? [background, color] : [color, background];
  if (back !== undefined) {
    return [`bg-${back}`, `on-${chooseTextColor(back, front)}`];
  }
  if (isInverse) return ["inverse"];
  if (front !== undefined) return [`fg-${front}`];
  return isDim ? ["dim"] : [];
}

/**
 * Chooses the color of text: black or white if its own color is hard to read.
 */
function chooseTextColor(
  background: number,
  color: number | undefined,
): number {
  const ground = toRgb(background);
  if (
    color !== undefined && computeContrast(toRgb(color), ground) >= MIN_CONTRAST
  ) return color;
  return computeContrast(BLACK, ground) > computeContrast(WHITE, ground)
    ? BLACK_COLOR
    : WHITE_COLOR;
}

/**
 * Writes the CSS rules of colors.
 *
 * @param html Page with output, to write only rules for colors that it uses.
 * @returns Rules of a style.
 */
export function colorRules(html?: string): string {
  const usedColors = html === undefined ? undefined : new Set(
    Array.from(html.matchAll(/ class="([^"]*)"/g), ([, names]) => names)
      .flatMap((names) => names.split(" ")),
  );
  const all = Array.from({ length: COLOR_COUNT }, (_, color) => color);
  const rules = (kind: string, value: (color: number) => string) =>
    all.filter((color) => usedColors?.has(`${kind}-${color}`) ?? true)
      .map((color) => `.${kind}-${color}{${value(color)}}`).join("");
  const text = (scheme: keyof typeof GROUND) =>
    rules(
      "fg",
      (color) => `color:${formatHex(adjustContrast(toRgb(color), scheme))}`,
    );
  const dark = text("dark");
  return text("light") +
    (dark === "" ? "" : `@media (prefers-color-scheme: dark){${dark}}`) +
    rules("bg", (color) => `background:${formatHex(toRgb(color))}`) +
    rules("on", (color) => `color:${formatHex(toRgb(color))}`);
}

function toRgb(color: number): Rgb {
  return BASE_COLORS[color] ?? fixedColor(color);
}

/** Makes a color darker or lighter until text in it is easy to read. */
function adjustContrast(color: Rgb, scheme: keyof typeof GROUND): Rgb {
  const { [scheme]: ground } = GROUND;
  const target = scheme === "light" ? BLACK : WHITE;
  let mixed = color;
  for (
    let share = 0.05;
    computeContrast(mixed, ground) < MIN_CONTRAST;
    share += 0.05
  ) {
    mixed = color.map((value, index) =>
      Math.round(value + share * (target[index] - value))
    ) as unknown as Rgb;
  }
  return mixed;
}

/** @see https://www.w3.org/TR/WCAG21/#dfn-contrast-ratio */
function computeContrast(a: Rgb, b: Rgb): number {
  const [darker, lighter] = [computeLuminance(a), computeLuminance(b)].sort((
    x,
    y,
  ) => x - y);
  return (lighter + 0.05) / (darker + 0.05);
}

/** @see https://www.w3.org/TR/WCAG21/#dfn-relative-luminance */
function computeLuminance(color: Rgb): number {
  const [red, green, blue] = color.map((value) => {
    const part = value / 255;
    return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function formatHex(color: Rgb): string {
  return `#${
    color.map((value) => value.toString(16).padStart(2, "0")).join("")
  }`;
}

/**
 * Writes a link to the whole log of a step, or its path.
 *
 * @param step The step.
 * @param address Address of its log, if it has one.
 */
export function logPlace(step: StepRecord, address: string | undefined): Html {
  if (address !== undefined) {
    return markup`<p><a href="${address}">Whole log of ${step.name}</a></p>`;
  }
  return markup`${
    step.log === undefined
      ? ""
      : markup`<p class="muted">whole log: <code>${step.log}</code></p>`
  }`;
}

/**
 * Returns as many of the last lines as fit.
 *
 * @param lines Lines.
 * @param maxLength Maximum length, in UTF-16 units.
 */
export function selectTail(
  lines: readonly string[],
  maxLength: number,
): readonly string[] {
  let from = lines.length;
  let length = 0;
  while (from > 0 && length + lines[from - 1].length <= maxLength) {
    length += lines[--from].length + 1;
  }
  if (from < lines.length || lines.length === 0) return lines.slice(from);
  if (maxLength === 0) return [];
  // The end of a truncated line, without its colors.
  const [last] = lines.slice(-1).map(withoutSequences);
  return [`…${last.slice(-maxLength).toWellFormed()}`];
}
