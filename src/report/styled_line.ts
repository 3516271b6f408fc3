import { displayWidth, takeWidth } from "../display_width.ts";

/** How a piece of text looks where there is colour. */
export type TextStyle =
  | "bold"
  | "dim"
  | "red"
  | "green"
  | "yellow"
  | "cyan";

/** A piece of a line, and how it looks. */
export type StyledText = readonly [text: string, style?: TextStyle];

/** Options for {@linkcode styledLine}. */
export interface StyledLineOptions {
  /** Most cells that the line may take; as many as it needs when left out. */
  width?: number;
  /** Whether the line may have colours. */
  colour: boolean;
}

const SGR: Readonly<Record<TextStyle, [on: number, off: number]>> = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  cyan: [36, 39],
};

/**
 * Puts pieces of text together to one line.
 *
 * @param pieces Pieces without anything that steers a terminal.
 * @param options Width and colour.
 * @returns The line; one that does not fit is cut and ends with `…`.
 */
export function styledLine(
  pieces: readonly StyledText[],
  { width = Infinity, colour }: StyledLineOptions,
): string {
  const shown = cutPieces(pieces, width);
  return shown.map(([text, style]) => styled(text, style, colour)).join("");
}

function cutPieces(
  pieces: readonly StyledText[],
  width: number,
): readonly StyledText[] {
  const widths = pieces.map(([text]) => displayWidth(text));
  if (widths.reduce((sum, each) => sum + each, 0) <= width) return pieces;
  const shown: StyledText[] = [];
  let room = width - 1;
  for (const [index, [text, style]] of pieces.entries()) {
    if (widths[index] > room) {
      if (width > 0) shown.push([`${takeWidth(text, room)}…`, style]);
      break;
    }
    shown.push([text, style]);
    room -= widths[index];
  }
  return shown;
}

function styled(
  text: string,
  style: TextStyle | undefined,
  colour: boolean,
): string {
  if (!colour || style === undefined || text === "") return text;
  const [on, off] = SGR[style];
  return `\x1b[${on}m${text}\x1b[${off}m`;
}
