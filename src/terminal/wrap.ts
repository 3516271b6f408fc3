import { displayWidth, takeWidth } from "./width.ts";

/** Options for {@linkcode wrapText}. */
export interface WrapTextOptions {
  /** Cells of a line, including its indentation. */
  columns: number;
  /**
   * Indentation of every line, in cells.
   *
   * @default {0}
   */
  indent?: number;
  /**
   * Indentation of all lines but the first, in cells.
   *
   * @default {indent}
   */
  hang?: number;
}

/**
 * Breaks a text into lines at its spaces. A word that is longer than a line is
 * broken at its commas, or else anywhere.
 *
 * @param text Text of one line.
 * @returns Lines, at least one.
 */
export function wrapText(
  text: string,
  { columns, indent = 0, hang = indent }: WrapTextOptions,
): string[] {
  const lines: string[] = [];
  let line = " ".repeat(indent);
  let isEmpty = true;
  const room = Math.max(1, columns - hang);
  for (const word of text.split(" ")) {
    for (const [at, piece] of piecesOf(word, room).entries()) {
      const gap = isEmpty || at > 0 ? "" : " ";
      const fits = displayWidth(line + gap + piece) <= columns;
      if (isEmpty || fits) line += gap + piece;
      else {
        lines.push(line);
        line = " ".repeat(hang) + piece;
      }
      isEmpty = false;
    }
  }
  return [...lines, line];
}

function piecesOf(word: string, room: number): string[] {
  if (displayWidth(word) <= room) return [word];
  return word.split(/(?<=,)/).flatMap((part) => {
    const pieces: string[] = [];
    let rest = part;
    while (displayWidth(rest) > room) {
      // A character may be wider than the line.
      const piece = takeWidth(rest, room) || [...rest][0];
      pieces.push(piece);
      rest = rest.slice(piece.length);
    }
    return [...pieces, rest];
  });
}
