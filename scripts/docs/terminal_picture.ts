/** Options for {@linkcode terminalPicture}. */
export interface TerminalPictureOptions {
  /** Title for screen readers. */
  readonly title: string;
  /** Returns the width of a text, in cells. */
  readonly measureText: (text: string) => number;
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
interface TextStyle {
  color?: string;
  isBold?: boolean;
  isDim?: boolean;
}

/** A part of a line in one style. */
interface Run extends TextStyle {
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
  { title, measureText }: TerminalPictureOptions,
): string {
  const lines = splitRuns(text);
  const cells = Math.max(
    ...lines.map((runs) => measureText(runs.map(({ text }) => text).join(""))),
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
    ...lines.flatMap((runs, at) => lineText(runs, at, measureText)),
    "</g>",
    "</svg>",
    "",
  ].join("\n");
}

function lineText(
  runs: readonly Run[],
  at: number,
  measureText: TerminalPictureOptions["measureText"],
): string[] {
  let cell = 0;
  const y = BAR + at * LINE + FONT;
  return runs.flatMap(({ text, color, isBold, isDim }) => {
    const attributes = [
      ...color === undefined ? [] : [`fill="${color}"`],
      ...isBold ? ['font-weight="bold"'] : [],
      ...isDim ? ['opacity="0.6"'] : [],
    ].map((attribute) => ` ${attribute}`).join("");
    // Viewers may collapse spaces, so each part gets its own position.
    return text.split(/(^ +| {2,}| +$)/).flatMap((column) => {
      const width = measureText(column);
      const x = PADDING + cell * CELL;
      cell += width;
      if (column.trim() === "") return [];
      // Keeps columns aligned, whatever the width of the font.
      const length = (width * CELL).toFixed(1);
      return [
        `<text x="${
          x.toFixed(1)
        }" y="${y}" textLength="${length}"${attributes}>${
          escape(column)
        }</text>`,
      ];
    });
  });
}

function splitRuns(text: string): Run[][] {
  const style: TextStyle = {};
  return text.split("\n").map((line) => {
    const runs: Run[] = [];
    // deno-lint-ignore no-control-regex
    for (const part of line.split(/(\x1b\[[\d;]*m)/)) {
      // deno-lint-ignore no-control-regex
      const [, codes] = /^\x1b\[([\d;]*)m$/.exec(part) ?? [];
      if (codes !== undefined) {
        for (const code of codes.split(";")) change(style, Number(code));
      } else if (part.includes("\x1b")) {
        throw new Error(`Cannot draw ${JSON.stringify(part)}`);
      } else if (part !== "") runs.push({ ...style, text: part });
    }
    return runs;
  });
}

function change(style: TextStyle, code: number): void {
  if (code === 0) {
    style.color = undefined;
    style.isBold = style.isDim = false;
  } else if (code === 1) style.isBold = true;
  else if (code === 2) style.isDim = true;
  else if (code === 22) style.isBold = style.isDim = false;
  else if (code === 39) style.color = undefined;
  else if (COLORS[code] !== undefined) style.color = COLORS[code];
  else throw new Error(`Cannot draw the escape code ${code}`);
}

function escape(text: string): string {
  return text.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);
}
