// deno-lint-ignore-file no-control-regex
/**
 * The bytes of hex dumps, as the manuals of `xxd`, `hexdump` and `od` say that
 * they are written, read in a slow and simple way. Texts are strings of bytes.
 *
 * @module
 */

/** The bytes of rows in one notation, and where they are written. */
export interface Dump {
  text: string;
  bytes: DumpedByte[];
}

/** Where a byte is written: as a number, and in the column of text. */
interface DumpedByte {
  row: number;
  start: number;
  end: number;
  textAt?: number;
}

interface Notation {
  kind: "hex" | "octal" | "decimal" | "binary" | "cells";
  isLittleEndian: boolean;
  hasOffset: boolean;
}

const NOTATIONS: Notation[] = [
  ...["hex", "octal", "decimal", "binary", "cells"].map((kind) =>
    ({ kind, isLittleEndian: false, hasOffset: true }) as Notation
  ),
  ...["hex", "octal", "decimal"].map((kind) =>
    ({ kind, isLittleEndian: true, hasOffset: true }) as Notation
  ),
  { kind: "hex", isLittleEndian: false, hasOffset: false },
  { kind: "hex", isLittleEndian: true, hasOffset: false },
  { kind: "cells", isLittleEndian: false, hasOffset: false },
];

/** A row that was read. */
interface Row {
  bytes: { value: number; start: number; end: number }[];
  /** Where the column of text starts and ends, if there is one. */
  column?: [start: number, end: number];
}

/** A terminal escape sequence, complete or truncated. */
export const CODE =
  /^\x1b(?:\[[\x20-\x3f]*[\x40-\x7e]?|[\]P^_][^\x00-\x1f\x7f]*\x07?|[\x20-\x2f]*[\x30-\x4f\x51-\x5a\x5c\x60-\x7e]?)/;

/** Returns the visible characters of a line, and their offsets in it. */
function removeCodes(line: string): { text: string; places: number[] } {
  const shown = { text: "", places: [] as number[] };
  for (let at = 0; at < line.length;) {
    const code = CODE.exec(line.slice(at, at + 1_024));
    if (code === null) {
      shown.text += line[at];
      shown.places.push(at);
    }
    at += code?.[0].length ?? 1;
  }
  return shown;
}

/** Returns which bytes of a text belong to codes for a terminal. */
export function codePlaces(text: string): boolean[] {
  const places = new Array<boolean>(text.length).fill(true);
  let lineStart = 0;
  for (const line of text.split("\n")) {
    for (const place of removeCodes(line).places) {
      places[lineStart + place] = false;
    }
    lineStart += line.length + 1;
  }
  return places;
}

const OFFSET = /^(?:[0-9a-f]{6,22}(?:[ \t\r]|$)|[0-9a-f]{6,22}:[ \t])/i;

/**
 * Returns the length of the text before a row; negative without one.
 */
function prefixLength(text: string): number {
  if (IS_ROW.test(text)) return 0;
  for (let length = 1; length <= 64; length++) {
    const isEnd = /[\t #)*+>|\]]/.test(text[length - 1] ?? "");
    if (isEnd && OFFSET.test(text.slice(length))) return length;
  }
  return -1;
}

/** Returns all ways to read the rows of a text. */
export function readDumps(text: string): Dump[] {
  return NOTATIONS.map((notation) => {
    const dump: Dump = { text: "", bytes: [] };
    let lineStart = 0;
    let skipped = 0;
    let rowCount = 0;
    let column = 0;
    let last: Row | undefined;
    let indent = 0;
    for (const whole of text.split("\n")) {
      const start = lineStart;
      lineStart += whole.length + 1;
      const shown = removeCodes(whole);
      const prefix = prefixLength(shown.text);
      const isIndented = prefix < 0 && IS_ROW.test(shown.text.slice(indent));
      if (prefix >= 0) indent = prefix;
      const line = shown.text.slice(indent).replace(/\r$/, "");
      const places = shown.places.slice(indent);
      const isRead = prefix === 0 || isIndented ||
        prefix > 0 && notation.hasOffset;
      let row = isRead ? readRow(line, notation, column) : undefined;
      if (line === "*" && last !== undefined) {
        const bytes = last.bytes.map(({ value }) => ({
          value,
          start: 0,
          end: 1,
        }));
        row = { bytes };
      }
      if (row === undefined) {
        skipped++;
        if (skipped === 3) {
          indent = 0;
          dump.text += "\xfe";
          dump.bytes.push({ row: -1, start, end: start });
          last = undefined;
        }
        continue;
      }
      skipped = 0;
      last = row;
      if (row.column) column = row.column[0];
      row.bytes.forEach(({ value, start: from, end }, at) => {
        const place = row.column && row.column[0] + at;
        const textAt = place !== undefined && place < row.column![1]
          ? start + places[place]
          : undefined;
        dump.text += String.fromCharCode(value);
        dump.bytes.push({
          row: rowCount,
          start: start + places[from],
          end: start + places[end - 1] + 1,
          textAt,
        });
      });
      rowCount++;
    }
    return dump;
  });
}

/** Calls a function with each place where a part of a dump is written. */
export function fillPlaces(
  dump: Dump,
  at: number,
  length: number,
  fill: (start: number, end: number) => void,
): void {
  const rows = Map.groupBy(
    dump.bytes.slice(at, at + length),
    ({ row }) => row,
  );
  for (const bytes of rows.values()) {
    fill(
      Math.min(...bytes.map(({ start }) => start)),
      Math.max(...bytes.map(({ end }) => end)),
    );
    for (const { textAt } of bytes) {
      if (textAt !== undefined) fill(textAt, textAt + 1);
    }
  }
}

const IS_ROW =
  /^(?: {0,7}(?:[0-9a-f]{1,22}(?:[ \t\r]|$)|[0-9a-f]{1,22}:[ \t])| .{3}(?:[ \r]|$))/is;

function readRow(
  line: string,
  notation: Notation,
  column: number,
): Row | undefined {
  if (!IS_ROW.test(line)) return undefined;
  return notation.kind === "cells"
    ? readCells(line, notation)
    : readNumbers(line, notation, column);
}

function readNumbers(
  line: string,
  notation: Notation,
  column: number,
): Row | undefined {
  const [blanks, offset = "", colon] = /^[ \t]*(-?[0-9a-f]*)(:?)/i.exec(line)!;
  let at = 0;
  if (colon !== "" && offset !== "") {
    if (!notation.hasOffset) return undefined;
    at = blanks.length;
  } else if (line.startsWith(offset) && offset.length >= 6) {
    const next = /^-?[0-9a-f]*/i.exec(line.slice(offset.length).trimStart())!;
    const rest = line.slice(offset.length).trimStart().slice(next[0].length);
    const isWord = next[0].length === offset.length ||
      next[0].length < offset.length && /^[ \t]*$/.test(rest);
    if (notation.hasOffset) at = offset.length;
    else if (!isWord) return undefined;
  } else if (notation.hasOffset) return undefined;
  const row: Row = { bytes: [] };
  let width = 0;
  let wordCount = 0;
  for (let before = at;; before = at) {
    const rest = line.slice(at);
    const [, gap, number] = /^([ \t]*)(-?[0-9a-f]*)/i.exec(rest)!;
    if (row.bytes.length > 0) {
      if (findColumn(row, line, at, column)) return row;
      if (gap.length === rest.length) return row;
    }
    at += gap.length;
    const pitch = at + number.length - before;
    const size = notation.kind === "decimal" ? pitch : number.length;
    const isFitting = width === 0 || size === width ||
      notation.kind === "hex" && (size < width || wordCount === 1);
    const bytes = isFitting ? readNumber(number, pitch, notation) : undefined;
    if (bytes === undefined) {
      if (/^[|>]/.test(line.slice(at))) row.column = [at + 1, line.length];
      return row.bytes.length > 0 ? row : undefined;
    }
    if (width === 0 || wordCount === 1) width = size;
    wordCount++;
    bytes.forEach(([value, from, to]) =>
      row.bytes.push({ value, start: at + from, end: at + to })
    );
    at += number.length;
  }
}

/** Finds a column of text that consists of the characters of a row. */
function findColumn(
  row: Row,
  line: string,
  before: number,
  column: number,
): boolean {
  const text = row.bytes.map(({ value }) =>
    value < 32 || value > 126
      ? "[^0-9a-fA-F]"
      : RegExp.escape(String.fromCharCode(value))
  );
  const first = before + /^[ \t]*/.exec(line.slice(before))![0].length;
  const start = [line.length - text.length, column, before + 2, first].find(
    (place) =>
      place >= before + 2 && place < line.length &&
      /^[ \t]*$/.test(line.slice(before, place)) &&
      line.length - place <= text.length &&
      new RegExp(`^${text.slice(0, line.length - place).join("")}$`, "s")
        .test(line.slice(place)),
  );
  if (start === undefined) return false;
  row.column = [start, line.length];
  return true;
}

/** The bytes of a number, and where in it each is written. */
function readNumber(
  number: string,
  pitch: number,
  { kind, isLittleEndian }: Notation,
): [value: number, from: number, to: number][] | undefined {
  if (kind === "hex") {
    if (!/^(?:[0-9a-f]{2})+$/i.test(number)) return undefined;
    const pairs = number.match(/../g)!.map((pair, at) =>
      [parseInt(pair, 16), 2 * at, 2 * at + 2] as [number, number, number]
    );
    return isLittleEndian ? pairs.reverse() : pairs;
  }
  const digits = { octal: "[0-7]", decimal: "[0-9]", binary: "[01]" }[
    kind as "octal" | "decimal" | "binary"
  ];
  if (!new RegExp(`^-?${digits}*$`).test(number) || number === "") return;
  const size = kind === "binary"
    ? number.length === 8 ? 1 : undefined
    : kind === "octal"
    ? ({ 3: 1, 6: 2, 11: 4, 22: 8 } as Record<number, number>)[number.length]
    : ({ 4: 1, 5: 1, 6: 2, 7: 2, 8: 2, 11: 4, 12: 4, 21: 8 } as Record<
      number,
      number
    >)[pitch];
  if (size === undefined) return undefined;
  const prefix = { octal: "0o0", decimal: "0", binary: "0b0" }[
    kind as "octal" | "decimal" | "binary"
  ];
  const value = BigInt(prefix + number.replace("-", ""));
  if (value >= 1n << BigInt(8 * size)) return undefined;
  let rest = BigInt.asUintN(8 * size, number.startsWith("-") ? -value : value);
  const bytes: [number, number, number][] = [];
  for (let byte = 0; byte < size; byte++) {
    bytes.push([Number(rest & 255n), 0, number.length]);
    rest >>= 8n;
  }
  return isLittleEndian ? bytes : bytes.reverse();
}

const NAMES: Record<string, number> = {
  ...Object.fromEntries(
    "nul soh stx etx eot enq ack bel bs ht nl vt ff cr so si dle dc1 dc2 dc3 dc4 nak syn etb can em sub esc fs gs rs us sp"
      .split(" ").map((name, at) => [name, at]),
  ),
  ...{ del: 127, "\\0": 0, "\\a": 7, "\\b": 8, "\\t": 9, "\\n": 10 },
  ...{ "\\v": 11, "\\f": 12, "\\r": 13 },
};

/** Reads the cells of `od -c` and `od -a`, which are four characters wide. */
function readCells(line: string, notation: Notation): Row | undefined {
  const offset = /^-?[0-9a-f]*/i.exec(line)![0];
  const hasOffset = offset.length >= 6;
  if (hasOffset !== notation.hasOffset) return undefined;
  if (!hasOffset && !line.startsWith(" ")) return undefined;
  let at = offset.length;
  if (!hasOffset) {
    const [all, blanks] = /^([ \t]*)[^ \t]*/.exec(line)!;
    at = [6, 7].find((count) =>
      (all.length - count) % 4 === 0 && blanks.length >= count
    ) ?? 0;
  }
  if (/^[ \t]*$/.test(line.slice(hasOffset ? at : 0))) return undefined;
  const row: Row = { bytes: [] };
  for (; at + 4 <= line.length; at += 4) {
    const cell = line.slice(at, at + 4);
    const value = readCell(cell);
    if (value === undefined) break;
    const start = at + Math.min(3, /^[ \t]*/.exec(cell)![0].length);
    row.bytes.push({ value, start, end: at + 4 });
  }
  if (row.bytes.length === 0) return undefined;
  const [, blanks, rest] = /^([ \t]*)(.*)$/s.exec(line.slice(at))!;
  if (rest === "") return row;
  if (!/^[|>]/.test(rest)) return undefined;
  row.column = [at + blanks.length + 1, line.length];
  return row;
}

function readCell(cell: string): number | undefined {
  if (/^ {3}[ -~]$/.test(cell)) return cell.charCodeAt(3);
  if (/^ [0-3][0-7]{2}$/.test(cell)) return parseInt(cell.slice(1), 8);
  return cell.startsWith(" ") ? NAMES[cell.slice(1).trimStart()] : undefined;
}
