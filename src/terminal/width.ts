/** Text in which every UTF-16 unit takes one cell. */
const PLAIN = /^[\x20-\x7e\xa1-\xac\xae-\u02ff\u2010-\u2027]*$/;

/**
 * Characters without width: marks, joiners and trailing parts of Hangul
 * syllables.
 */
const ZERO_CELLS = /^[\p{M}\p{Cc}\p{Cf}\u1160-\u11ff\ud7b0-\ud7ff]$/u;

/**
 * Characters of two cells: wide or fullwidth in Unicode 16 (UAX #11).
 *
 * Unassigned code points in these blocks count as wide, as UAX #11 requires.
 */
const TWO_CELLS =
  /^[\p{Emoji_Presentation}\u1100-\u115f\u2329\u232a\u2630-\u2637\u268a-\u268f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe10-\ufe19\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{16fe0}-\u{18dff}\u{1aff0}-\u{1b2ff}\u{1d300}-\u{1d376}\u{1f200}-\u{1f265}\u{20000}-\u{3fffd}]$/u;

/** Sequences that a terminal shows as one emoji. */
const EMOJI_SEQUENCE =
  /^(\p{Emoji}\ufe0f|\p{Emoji_Presentation}\p{M}*[\u200d\p{Emoji_Modifier}]|\p{RI}\p{RI})/u;

let segmenter: Intl.Segmenter | undefined;

/**
 * Measures the width of a text on a terminal.
 *
 * For joined emoji, where terminals disagree, it follows newer terminals.
 *
 * @param text Text of one line without control characters.
 * @returns Number of cells.
 */
export function displayWidth(text: string): number {
  if (PLAIN.test(text)) return text.length;
  let width = 0;
  for (const grapheme of splitGraphemes(text)) width += graphemeWidth(grapheme);
  return width;
}

/**
 * Returns the longest start of a text that fits.
 *
 * @param text Text of one line.
 * @param width Number of cells.
 * @returns Complete graphemes.
 */
export function takeWidth(text: string, width: number): string {
  if (PLAIN.test(text)) return text.slice(0, Math.max(0, width));
  let taken = "";
  let availableCells = width;
  for (const grapheme of splitGraphemes(text)) {
    availableCells -= graphemeWidth(grapheme);
    if (availableCells < 0) break;
    taken += grapheme;
  }
  return taken;
}

/**
 * Truncates a text that does not fit, and marks it with an ellipsis.
 *
 * @param text Text of one line.
 * @param width Number of cells.
 * @returns The text, or its start and `…`.
 */
export function cutToWidth(text: string, width: number): string {
  if (displayWidth(text) <= width) return text;
  return width < 1 ? "" : `${takeWidth(text, width - 1)}…`;
}

/**
 * Pads a text with spaces.
 *
 * @param text Text of one line.
 * @param width Number of cells.
 * @returns The text, which is longer if it does not fit.
 */
export function padToWidth(text: string, width: number): string {
  return text + " ".repeat(Math.max(0, width - displayWidth(text)));
}

/**
 * Creates the segmenter only for text that needs it, since that takes 20 ms.
 */
function* splitGraphemes(text: string): Generator<string> {
  segmenter ??= new Intl.Segmenter("en", { granularity: "grapheme" });
  for (const { segment } of segmenter.segment(text)) yield segment;
}

function graphemeWidth(grapheme: string): number {
  if (EMOJI_SEQUENCE.test(grapheme)) return 2;
  let width = 0;
  for (const character of grapheme) width += characterWidth(character);
  return width;
}

function characterWidth(character: string): number {
  if (ZERO_CELLS.test(character)) return 0;
  return TWO_CELLS.test(character) ? 2 : 1;
}

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
   * Indentation of all lines except the first, in cells.
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
  const availableCells = Math.max(1, columns - hang);
  for (const word of text.split(" ")) {
    for (const [at, piece] of splitWord(word, availableCells).entries()) {
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

function splitWord(word: string, availableCells: number): string[] {
  if (displayWidth(word) <= availableCells) return [word];
  return word.split(/(?<=,)/).flatMap((part) => {
    const pieces: string[] = [];
    let rest = part;
    while (displayWidth(rest) > availableCells) {
      // A character may be wider than the line.
      const piece = takeWidth(rest, availableCells) || [...rest][0];
      pieces.push(piece);
      rest = rest.slice(piece.length);
    }
    return [...pieces, rest];
  });
}
