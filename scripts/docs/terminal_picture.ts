/** Options for {@linkcode terminalPicture}. */
export interface TerminalPictureOptions {
  /** Title for screen readers. */
  readonly title: string;
  /** Returns the width of a text, in cells. */
  readonly widthOf: (text: string) => number;
}

/** Dimensions of the picture, in pixels. */
const CELL = 8.4;
const LINE = 20;
const FONT = 14;
const PADDING = 16;
const BAR = 32;

const BACKGROUND = "#1e1e2e";
const FOREGROUND = "#cdd6f4";

/** Colors by the numbers that select them. */
const COLORS: Readonly<Record<number, string>> = {
  30: "#45475a",
  31: "#f38ba8",
  32: "#a6e3a1",
  33: "#f9e2af",
  34: "#89b4fa",
  35: "#f5c2e7",
  36: "#94e2d5",
  37: "#bac2de",
  90: "#6c7086",
};

/** Style of a part of a line. */
interface Look {
  color?: string;
  isBold?: boolean;
  isDim?: boolean;
}

/** A part of a line in one style. */
interface Run extends Look {
  readonly text: string;
}

/**
 * Draws the output of a terminal.
 *
 * @param text Lines, with escape sequences that set colors.
 * @param options Additional options.
 * @returns A self-contained SVG document.
 * @throws {Error} If there is another escape sequence.
 */
export function terminalPicture(
  text: string,
  { title, widthOf }: TerminalPictureOptions,
): string {
  const lines = runsOf(text);
  const cells = Math.max(
    ...lines.map((runs) => widthOf(runs.map(({ text }) => text).join(""))),
  );
  const width = Math.ceil(cells * CELL) + 2 * PADDING;
  const height = BAR + lines.length * LINE + PADDING;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">`,
    `<title>${escape(title)}</title>`,
    `<rect width="${width}" height="${height}" rx="8" fill="${BACKGROUND}"/>`,
    ...["#f38ba8", "#f9e2af", "#a6e3a1"].map((color, at) =>
      `<circle cx="${PADDING + 4 + at * 20}" cy="16" r="6" fill="${color}"/>`
    ),
    `<g font-family="ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="${FONT}" fill="${FOREGROUND}">`,
    ...lines.flatMap((runs, at) => lineText(runs, at, widthOf)),
    "</g>",
    "</svg>",
    "",
  ].join("\n");
}

function lineText(
  runs: readonly Run[],
  at: number,
  widthOf: TerminalPictureOptions["widthOf"],
): string[] {
  let cell = 0;
  const y = BAR + at * LINE + FONT;
  return runs.flatMap(({ text, color, isBold, isDim }) => {
    const look = [
      ...color === undefined ? [] : [`fill="${color}"`],
      ...isBold ? ['font-weight="bold"'] : [],
      ...isDim ? ['opacity="0.6"'] : [],
    ].map((attribute) => ` ${attribute}`).join("");
    // Viewers may collapse spaces, so each part gets its own position.
    return text.split(/(^ +| {2,}| +$)/).flatMap((column) => {
      const width = widthOf(column);
      const x = PADDING + cell * CELL;
      cell += width;
      if (column.trim() === "") return [];
      // Keeps columns aligned, whatever the width of the font.
      const length = (width * CELL).toFixed(1);
      return [
        `<text x="${x.toFixed(1)}" y="${y}" textLength="${length}"${look}>${
          escape(column)
        }</text>`,
      ];
    });
  });
}

function runsOf(text: string): Run[][] {
  const look: Look = {};
  return text.split("\n").map((line) => {
    const runs: Run[] = [];
    // deno-lint-ignore no-control-regex
    for (const part of line.split(/(\x1b\[[\d;]*m)/)) {
      // deno-lint-ignore no-control-regex
      const [, codes] = /^\x1b\[([\d;]*)m$/.exec(part) ?? [];
      if (codes !== undefined) {
        for (const code of codes.split(";")) change(look, Number(code));
      } else if (part.includes("\x1b")) {
        throw new Error(`Cannot draw ${JSON.stringify(part)}`);
      } else if (part !== "") runs.push({ ...look, text: part });
    }
    return runs;
  });
}

function change(look: Look, code: number): void {
  if (code === 0) {
    look.color = undefined;
    look.isBold = look.isDim = false;
  } else if (code === 1) look.isBold = true;
  else if (code === 2) look.isDim = true;
  else if (code === 22) look.isBold = look.isDim = false;
  else if (code === 39) look.color = undefined;
  else if (COLORS[code] !== undefined) look.color = COLORS[code];
  else throw new Error(`Cannot draw the escape code ${code}`);
}

function escape(text: string): string {
  return text.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);
}
