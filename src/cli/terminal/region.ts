import {
  BEGIN_UPDATE,
  drawLines,
  END_UPDATE,
  ERASE_LINES,
  HIDE_CURSOR,
  SHOW_CURSOR,
} from "./escapes.ts";

/** What to write around bytes that others print. */
export interface Surroundings {
  /** Text before them, `""` for none. */
  readonly before: string;
  /** Text behind them, `""` for none. */
  readonly after: string;
}

const NEW_LINE = 0x0a;

/**
 * The lines at the bottom of a terminal, below all that is printed.
 *
 * It says what to write and trusts that this is written, all of it and in
 * order. Half a line of others is not disturbed: there is no region until the
 * line is complete.
 */
export class Region {
  readonly #lines: () => readonly string[];
  /** What is on the screen, `""` for nothing. */
  #drawn = "";
  #isAtLineStart = true;
  #isCursorHidden = false;
  #isClosed = false;

  /**
   * Makes a region that is not on the screen.
   *
   * @param lines Tells the lines to draw now, none for an empty region.
   */
  constructor(lines: () => readonly string[]) {
    this.#lines = lines;
  }

  /** Brings the lines up to date; `""` when they are. */
  update(): string {
    const frame = this.#frame();
    if (frame === this.#drawn) return "";
    return frame === ""
      ? this.#erase()
      : BEGIN_UPDATE + this.#show(frame) + END_UPDATE;
  }

  /** Moves the lines out of the way of bytes, and puts them below. */
  moveBelow(bytes: Uint8Array): Surroundings {
    const erased = this.#erase();
    this.#isAtLineStart = bytes.at(-1) === NEW_LINE;
    const shown = this.#show(this.#frame());
    return erased === "" ? { before: "", after: shown } : {
      before: BEGIN_UPDATE + erased,
      after: shown + END_UPDATE,
    };
  }

  /** Leaves nothing on the screen, and draws nothing from now on. */
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
