/** Hides the cursor. */
const HIDE_CURSOR = "\x1b[?25l";

/** Shows the cursor. */
const SHOW_CURSOR = "\x1b[?25h";

/** Starts a synchronized update, which is shown at {@linkcode END_UPDATE}. */
const BEGIN_UPDATE = "\x1b[?2026h";

/** Ends a synchronized update, and shows it at once. */
const END_UPDATE = "\x1b[?2026l";

const SAVE_CURSOR = "\x1b7";
const RESTORE_CURSOR = "\x1b8";
const PLAIN_STYLE = "\x1b[0m";
const ERASE_TO_END_OF_LINE = "\x1b[K";
const ERASE_TO_END_OF_SCREEN = "\x1b[J";
const DO_NOT_WRAP = "\x1b[?7l";
const WRAP = "\x1b[?7h";

/** Erases the lines of {@linkcode drawLines}. */
const ERASE_LINES: string = SAVE_CURSOR + PLAIN_STYLE +
  ERASE_TO_END_OF_SCREEN + RESTORE_CURSOR;

/** Text to write around the bytes of other writers. */
export interface Surroundings {
  /** Text before the bytes; may be empty. */
  readonly before: string;
  /** Text after the bytes; may be empty. */
  readonly after: string;
}

const NEW_LINE = 0x0a;

/**
 * Lines at the bottom of a terminal, below all other output.
 *
 * Methods return text that must be written in order. The region is hidden while
 * another writer's line is incomplete.
 */
export class Region {
  readonly #lines: () => readonly string[];
  /** Text on the screen; empty if nothing is drawn. */
  #drawn = "";
  #isAtLineStart = true;
  #isCursorHidden = false;
  #isClosed = false;

  /**
   * Creates a region that is not drawn yet.
   *
   * @param lines Returns the current lines; none for an empty region.
   */
  constructor(lines: () => readonly string[]) {
    this.#lines = lines;
  }

  /** Updates the lines; returns an empty text if nothing has changed. */
  update(): string {
    const frame = this.#frame();
    if (frame === this.#drawn) return "";
    return frame === ""
      ? this.#erase()
      : BEGIN_UPDATE + this.#show(frame) + END_UPDATE;
  }

  /** Moves the lines below bytes that are about to be written. */
  moveBelow(bytes: Uint8Array): Surroundings {
    const erased = this.#erase();
    this.#isAtLineStart = bytes.at(-1) === NEW_LINE;
    const shown = this.#show(this.#frame());
    return erased === "" ? { before: "", after: shown } : {
      before: BEGIN_UPDATE + erased,
      after: shown + END_UPDATE,
    };
  }

  /** Erases the region; nothing is drawn from now on. */
  close(): string {
    const erased = this.#erase();
    const text = this.#isCursorHidden ? erased + SHOW_CURSOR : erased;
    this.#isClosed = true;
    this.#isCursorHidden = false;
    return text;
  }

  #erase(): string {
    if (this.#drawn === "") return "";
    this.#drawn = "";
    return ERASE_LINES;
  }

  #frame(): string {
    if (this.#isClosed || !this.#isAtLineStart) return "";
    const lines = this.#lines();
    return lines.length === 0 ? "" : drawLines(lines);
  }

  #show(frame: string): string {
    this.#drawn = frame;
    if (frame === "" || this.#isCursorHidden) return frame;
    this.#isCursorHidden = true;
    return HIDE_CURSOR + frame;
  }
}

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
function drawLines(lines: readonly string[]): string {
  const below = lines.length - 1;
  // Scroll first if necessary: the saved cursor position is absolute.
  const makeRoom = below === 0 ? "" : `${"\r\n".repeat(below)}\x1b[${below}A`;
  const text = lines.map((line) => line + ERASE_TO_END_OF_LINE).join("\r\n");
  return makeRoom + SAVE_CURSOR + PLAIN_STYLE + DO_NOT_WRAP + text +
    ERASE_TO_END_OF_SCREEN + RESTORE_CURSOR + WRAP;
}
