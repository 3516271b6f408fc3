import { withoutSequences } from "../../terminal/text.ts";
import type { StepRecord } from "../run_record.ts";
import { type Html, markup } from "./html_text.ts";

/**
 * Writes a link to the whole log of a step, or its path.
 *
 * @param step The step.
 * @param address Address of its log, if it has one.
 */
export function logPlace(step: StepRecord, address: string | undefined): Html {
  if (address !== undefined) {
    return markup`<p><a href="${address}">Whole log of ${step.name}</a></p>`;
  }
  return markup`${
    step.log === undefined
      ? ""
      : markup`<p class="muted">whole log: <code>${step.log}</code></p>`
  }`;
}

/**
 * Returns as many of the last lines as fit.
 *
 * @param lines Lines.
 * @param room Maximum length, in UTF-16 units.
 */
export function tailWithin(
  lines: readonly string[],
  room: number,
): readonly string[] {
  let from = lines.length;
  let length = 0;
  while (from > 0 && length + lines[from - 1].length <= room) {
    length += lines[--from].length + 1;
  }
  if (from < lines.length || lines.length === 0) return lines.slice(from);
  if (room === 0) return [];
  // The end of a truncated line, without its colors.
  const [last] = lines.slice(-1).map(withoutSequences);
  return [`…${last.slice(-room).toWellFormed()}`];
}
