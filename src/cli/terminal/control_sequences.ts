/** Hides the cursor. */
export const HIDE_CURSOR = "\x1b[?25l";

/** Shows the cursor. */
export const SHOW_CURSOR = "\x1b[?25h";

/** Starts a synchronized update, which is shown at {@linkcode END_UPDATE}. */
export const BEGIN_UPDATE = "\x1b[?2026h";

/** Ends a synchronized update, and shows it at once. */
export const END_UPDATE = "\x1b[?2026l";

const SAVE_CURSOR = "\x1b7";
const RESTORE_CURSOR = "\x1b8";
const PLAIN_STYLE = "\x1b[0m";
const ERASE_TO_END_OF_LINE = "\x1b[K";
const ERASE_TO_END_OF_SCREEN = "\x1b[J";
const DO_NOT_WRAP = "\x1b[?7l";
const WRAP = "\x1b[?7h";

/**
 * Draws lines at the cursor, and leaves the cursor at the start of the first
 * line.
 *
 * From there, everything can be erased, even if the terminal rewrapped the
 * lines after its size changed. The style in which the job prints is saved with
 * the cursor.
 *
 * @param lines One or more lines, fewer than the terminal has.
 * @returns Text to write while the cursor is at the start of a line.
 */
export function drawLines(lines: readonly string[]): string {
  const below = lines.length - 1;
  // Scroll first if necessary: the saved cursor position is absolute.
  const makeRoom = below === 0 ? "" : `${"\r\n".repeat(below)}\x1b[${below}A`;
  const text = lines.map((line) => line + ERASE_TO_END_OF_LINE).join("\r\n");
  return makeRoom + SAVE_CURSOR + PLAIN_STYLE + DO_NOT_WRAP + text +
    ERASE_TO_END_OF_SCREEN + RESTORE_CURSOR + WRAP;
}

/** Erases the lines of {@linkcode drawLines}. */
export const ERASE_LINES: string = SAVE_CURSOR + PLAIN_STYLE +
  ERASE_TO_END_OF_SCREEN + RESTORE_CURSOR;
