import { isBlank } from "./marks.ts";
import { HEX } from "./normal_form.ts";

/** Width of a cell of `od -c` and `od -a`, in which a character stands on the right. */
export const CELL_BYTES = 4;

const [BLANK, BACKSLASH] = [32, 0x5c];

/** How many digits offsets have. */
const OFFSET_DIGITS = [6, 7];

/** What letters behind a backslash, and names of control characters, stand for in a cell. */
const CELLS = cellTable();

/** How wide the place of an offset is that is left out, as `od` does when it writes a row once more. */
export function indentOf(indent: number, firstEnd: number): number {
  return OFFSET_DIGITS.find((count) =>
    count % CELL_BYTES === firstEnd % CELL_BYTES && indent >= count
  ) ?? 0;
}

/** Where the word ends that starts at a place of a row. */
export function cellEnd(text: Uint8Array, from: number, to: number): number {
  let at = from;
  while (at < to && !isBlank(text[at])) at++;
  return at;
}

/** The byte that stands in a cell of `od -c` or `od -a`; negative without one. */
export function cellAt(text: Uint8Array, at: number): number {
  const [before, first, second, third] = text.subarray(at, at + CELL_BYTES);
  if (before !== BLANK) return -1;
  if (first === BLANK && second === BLANK) {
    return third >= BLANK && third < 0x7f ? third : -1;
  }
  const octal = 64 * (first - 0x30) + 8 * (second - 0x30) + third - 0x30;
  const isOctal = HEX[first] < 4 && HEX[second] < 8 && HEX[third] < 8;
  if (isOctal) return octal;
  const name = String.fromCharCode(first, second, third).trimStart();
  return CELLS.get(name) ?? -1;
}

function cellTable(): Map<string, number> {
  const names =
    "nul soh stx etx eot enq ack bel bs ht nl vt ff cr so si dle dc1 dc2 dc3 dc4 nak syn etb can em sub esc fs gs rs us sp"
      .split(" ").map((name, byte): [string, number] => [name, byte]);
  const letters = Array.from(
    "abtnvfr",
    (letter, at): [string, number] => [`\\${letter}`, 7 + at],
  );
  const zero = `${String.fromCharCode(BACKSLASH)}0`;
  return new Map([...names, ...letters, [zero, 0], ["del", 0x7f]]);
}
