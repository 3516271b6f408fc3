/** Hides the cursor. */
export const HIDE_CURSOR = "\x1b[?25l";

/** Shows the cursor. */
export const SHOW_CURSOR = "\x1b[?25h";

/** Keeps what follows off the screen until {@linkcode END_UPDATE}. */
export const BEGIN_UPDATE = "\x1b[?2026h";

/** Shows at once what came since {@linkcode BEGIN_UPDATE}. */
export const END_UPDATE = "\x1b[?2026l";

const SAVE_CURSOR = "\x1b7";
const RESTORE_CURSOR = "\x1b8";
const PLAIN_STYLE = "\x1b[0m";
const ERASE_TO_END_OF_LINE = "\x1b[K";
const ERASE_TO_END_OF_SCREEN = "\x1b[J";
const DO_NOT_WRAP = "\x1b[?7l";
const WRAP = "\x1b[?7h";

/**
 * Draws lines from the cursor on, which stays where it is: at the start of the
 * first line.
 *
 * From there everything can be erased without knowing how many lines the
 * terminal made of it after its size changed. The color in which a job
 * prints is saved with the cursor.
 *
 * @param lines Lines, at least one and fewer than the terminal has.
 * @returns What to write, with the cursor at the start of a line.
 */
export function drawLines(lines: readonly string[]): string {
  const below = lines.length - 1;
  // The screen may have to scroll before a place on it can be saved.
  const makeRoom = below === 0 ? "" : `${"\r\n".repeat(below)}\x1b[${below}A`;
  const text = lines.map((line) => line + ERASE_TO_END_OF_LINE).join("\r\n");
  return makeRoom + SAVE_CURSOR + PLAIN_STYLE + DO_NOT_WRAP + text +
    ERASE_TO_END_OF_SCREEN + RESTORE_CURSOR + WRAP;
}

/** Erases what {@linkcode drawLines} drew. */
export const ERASE_LINES: string = SAVE_CURSOR + PLAIN_STYLE +
  ERASE_TO_END_OF_SCREEN + RESTORE_CURSOR;
