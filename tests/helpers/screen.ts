import type { HostStream } from "../../src/host.ts";
import type { Random } from "./random.ts";

/**
 * A line of the screen: cells, of which the second half of a wide one is empty.
 */
interface Row {
  cells: string[];
  /** Whether it continues in the next row. */
  isWrapped: boolean;
}

/** Options for {@linkcode Screen}. */
export interface ScreenOptions {
  /** Cells of a line. */
  columns: number;
  /** Lines. */
  rows: number;
  /** Whether lines are wrapped again when the size changes. */
  reflows?: boolean;
}

const SEQUENCE =
  // deno-lint-ignore no-control-regex
  /^\x1b(?:([78])|\[(\??)([\d;]*)([A-Za-z]))/;

// deno-lint-ignore no-control-regex
const PARTIAL_SEQUENCE = /^\x1b(\[[\d;?]*)?$/;

const WIDE =
  /^[\p{Emoji_Presentation}\p{sc=Han}\p{sc=Hiragana}\p{sc=Hangul}\u3000-\u30ff\uff01-\uff60]$/u;

/**
 * The screen of a terminal, for the bytes written to it.
 *
 * Like older terminals, it measures single characters, not emoji that consist of
 * several. Unknown sequences are errors.
 */
export class Screen {
  #columns: number;
  #rowCount: number;
  readonly #reflows: boolean;
  readonly #decoder = new TextDecoder();
  #unread = "";
  /** The lines that scrolled out of sight, and those that are visible. */
  #rows: Row[];
  /** Where the cursor is; `x` equals the columns when it is to wrap next. */
  #at = { x: 0, y: 0 };
  #saved = { x: 0, y: 0, style: "" };
  #wraps = true;

  /** Whether the cursor is visible. */
  isCursorShown = true;
  /** Active codes, such as `31` or `4;31`; `""` for none. */
  style = "";
  /** How often a line continued in the next row. */
  wrapCount = 0;
  /** How often a line was too long while wrapping was off. */
  overflowCount = 0;

  constructor({ columns, rows, reflows = true }: ScreenOptions) {
    this.#columns = columns;
    this.#rowCount = rows;
    this.#reflows = reflows;
    this.#rows = Array.from({ length: rows }, emptyRow);
  }

  /** Current number of cells of a line. */
  get columns(): number {
    return this.#columns;
  }

  /** Current number of lines. */
  get rows(): number {
    return this.#rowCount;
  }

  /** All lines that were ever shown and not erased, joined where they wrap. */
  get lines(): string[] {
    const lines = joinRows(this.#rows).map(({ cells }) => joinCells(cells));
    while (lines.at(-1) === "") lines.pop();
    return lines;
  }

  /** A stream of the terminal; with random numbers, its writes are partial and late. */
  stream(random?: Random): HostStream {
    return {
      isTerminal: () => true,
      write: async (bytes) => {
        if (random === undefined) return this.#write(bytes);
        if (random.below(50) === 0) throw new Deno.errors.WouldBlock();
        for (let wait = random.below(3); wait > 0; wait--) {
          await Promise.resolve();
        }
        return this.#write(bytes.subarray(0, 1 + random.below(bytes.length)));
      },
    };
  }

  /** Changes the size of the terminal. */
  resize(columns: number, rows: number): void {
    const top = this.#rows.length - this.#rowCount;
    let line = top + this.#at.y;
    if (this.#reflows && columns !== this.#columns) {
      // The cursor stays where it is in its text.
      const start = this.#rows.slice(0, line)
        .filter(({ isWrapped }) => !isWrapped).length;
      const joined = joinRows(this.#rows);
      line = splitRows(joined.slice(0, start), columns).length;
      this.#rows = splitRows(joined, columns);
    } else {
      for (const row of this.#rows) row.cells = row.cells.slice(0, columns);
    }
    this.#columns = columns;
    this.#rowCount = rows;
    while (
      this.#rows.length > Math.max(rows, line + 1) &&
      this.#rows.at(-1)!.cells.length === 0
    ) this.#rows.pop();
    while (this.#rows.length < rows) this.#rows.push(emptyRow());
    this.#at.y = Math.max(0, line - (this.#rows.length - rows));
    this.#at.x = Math.min(this.#at.x, columns);
  }

  #write(bytes: Uint8Array): number {
    this.#unread += this.#decoder.decode(bytes, { stream: true });
    while (this.#unread !== "") {
      if (!this.#unread.startsWith("\x1b")) {
        const character = String.fromCodePoint(this.#unread.codePointAt(0)!);
        this.#unread = this.#unread.slice(character.length);
        this.#put(character);
        continue;
      }
      const sequence = SEQUENCE.exec(this.#unread);
      if (sequence === null) {
        if (PARTIAL_SEQUENCE.test(this.#unread)) break;
        throw new Error(`Unknown sequence: ${JSON.stringify(this.#unread)}`);
      }
      this.#unread = this.#unread.slice(sequence[0].length);
      this.#apply(sequence);
    }
    return bytes.length;
  }

  #put(character: string): void {
    if (character === "\r") this.#at.x = 0;
    else if (character === "\n") this.#feed(false);
    else if (/\p{M}|\u200d/u.test(character)) this.#combine(character);
    else if (/\p{Cc}|\p{Cf}/u.test(character)) {
      throw new Error(`Control character: ${JSON.stringify(character)}`);
    } else this.#place(character, WIDE.test(character) ? 2 : 1);
  }

  #place(character: string, width: number): void {
    if (this.#at.x + width > this.#columns) {
      if (this.#wraps) {
        this.wrapCount++;
        this.#feed(true);
      } else {
        this.overflowCount++;
        this.#at.x = this.#columns - width;
      }
    }
    const { cells } = this.#row;
    while (cells.length < this.#at.x) cells.push(" ");
    cells[this.#at.x++] = character;
    if (width === 2) cells[this.#at.x++] = "";
  }

  #combine(mark: string): void {
    const { cells } = this.#row;
    const at = cells[this.#at.x - 1] === "" ? this.#at.x - 2 : this.#at.x - 1;
    if (at >= 0) cells[at] += mark;
  }

  /** Moves to the start of the next row: terminals add a carriage return. */
  #feed(isWrapped: boolean): void {
    this.#row.isWrapped = isWrapped;
    this.#at.x = 0;
    if (this.#at.y < this.#rowCount - 1) this.#at.y++;
    else this.#rows.push(emptyRow());
  }

  #apply([text, cursor, isPrivate, digits, final]: RegExpExecArray): void {
    if (cursor === "7") this.#saved = { ...this.#at, style: this.style };
    else if (cursor === "8") {
      this.#at = { x: this.#saved.x, y: this.#saved.y };
      this.style = this.#saved.style;
    } else if (isPrivate) this.#switch(Number(digits), final === "h");
    else if (final === "A") {
      this.#at.y = Math.max(0, this.#at.y - Number(digits || 1));
    } else if (final === "B") {
      this.#at.y = Math.min(
        this.#rowCount - 1,
        this.#at.y + Number(digits || 1),
      );
    } else if (final === "K") this.#eraseLine();
    else if (final === "J") this.#eraseBelow();
    else if (final === "m") this.style = applyStyle(this.style, digits);
    else throw new Error(`Unknown sequence: ${JSON.stringify(text)}`);
  }

  #switch(mode: number, isOn: boolean): void {
    if (mode === 7) this.#wraps = isOn;
    else if (mode === 25) this.isCursorShown = isOn;
    else if (mode !== 2026) throw new Error(`Unknown mode ${mode}`);
  }

  #eraseLine(): void {
    // The erased cells would get this color.
    if (this.style !== "") throw new Error("Erases while a color is on");
    this.#row.cells.length = Math.min(this.#row.cells.length, this.#at.x);
    this.#row.isWrapped = false;
  }

  #eraseBelow(): void {
    if (this.#at.x === 0 && this.#at.y === 0 && this.#rowCount > 1) {
      throw new Error(
        "Erases the whole screen, which tmux keeps in its history",
      );
    }
    this.#eraseLine();
    const line = this.#rows.indexOf(this.#row);
    for (let next = line + 1; next < this.#rows.length; next++) {
      this.#rows[next] = emptyRow();
    }
  }

  get #row(): Row {
    return this.#rows[this.#rows.length - this.#rowCount + this.#at.y];
  }
}

/** Applies a code: color, weight and underline change independently. */
function applyStyle(style: string, code: string): string {
  if (code === "0") return "";
  const kind = [/^3[1-69]$/, /^([12]|22)$/, /^2?4$/]
    .find((kind) => kind.test(code));
  if (kind === undefined) throw new Error(`Unknown sequence: ${code}m`);
  const others = style.split(";").filter((on) => on !== "" && !kind.test(on));
  const isOff = ["39", "22", "24"].includes(code);
  return [...others, ...isOff ? [] : [code]].join(";");
}

function emptyRow(): Row {
  return { cells: [], isWrapped: false };
}

function joinRows(rows: readonly Row[]): Row[] {
  const joined: Row[] = [];
  let isOpen = false;
  for (const { cells, isWrapped } of rows) {
    if (isOpen) joined.at(-1)!.cells.push(...cells);
    else joined.push({ cells: [...cells], isWrapped: false });
    isOpen = isWrapped;
  }
  return joined;
}

function splitRows(lines: readonly Row[], columns: number): Row[] {
  return lines.flatMap(({ cells }) => {
    const rows: Row[] = [emptyRow()];
    for (let at = 0; at < cells.length;) {
      const width = cells[at + 1] === "" ? 2 : 1;
      if (rows.at(-1)!.cells.length + width > columns) {
        rows.at(-1)!.isWrapped = true;
        rows.push(emptyRow());
      }
      rows.at(-1)!.cells.push(...cells.slice(at, at += width));
    }
    return rows;
  });
}

function joinCells(cells: readonly string[]): string {
  return Array.from(cells, (cell) => cell ?? " ").join("").trimEnd();
}
