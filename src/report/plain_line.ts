import { displayWidth } from "../display_width.ts";
import { printable } from "../printable.ts";

/** Sequences that colour text, move the cursor, set a title or make a link. */
const SEQUENCES =
  // deno-lint-ignore no-control-regex
  /(?:\x1b\[|\x9b)[0-?]*[ -\/]*[@-~]|\x1b\][^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)/g;

const TAB_STOP = 8;

/** Longest text that is looked at, in UTF-16 units. */
const MAX_LENGTH = 4_000;

/**
 * Makes a line that a job printed, or a name that it chose, safe to show.
 *
 * Colours and other well-formed sequences are left out, tabs become spaces,
 * and whatever could steer a terminal is shown as `\u{…}`. Of a line that is
 * longer than a few screens only the beginning is kept.
 *
 * @param line A line without its line break.
 * @returns Text that takes as many cells as it seems to.
 */
export function plainLine(line: string): string {
  const text = line.slice(0, MAX_LENGTH).toWellFormed()
    .replace(SEQUENCES, "").replace(/\r$/, "");
  const shown = text.split("\t").map(printable).reduce(afterTab);
  return line.length > MAX_LENGTH ? `${shown}…` : shown;
}

function afterTab(before: string, next: string): string {
  const room = TAB_STOP - displayWidth(before) % TAB_STOP;
  return before + " ".repeat(room) + next;
}
