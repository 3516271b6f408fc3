import { failures } from "./failures.ts";
import { styledLine } from "./styled_line.ts";
import type { SummaryStep } from "./summary_step.ts";
import { summaryTable } from "./summary_table.ts";

/** Options for {@linkcode formatSummary}. */
export interface SummaryOptions {
  /**
   * Cells of a line of the terminal; names and reasons are cut to fit.
   *
   * @default {no limit}
   */
  columns?: number;
  /** Whether the text may have colours. */
  colour: boolean;
}

/**
 * Writes what is to be read at the end of a job made of steps.
 *
 * A table tells how each step ended. Below it stand the last lines of each
 * step that failed; the failure that came first stands at the very end.
 * Nothing in names, reasons and lines can steer the terminal.
 *
 * @param steps Steps in the order of the table.
 * @param options Width and colour.
 * @returns Lines with a break between two, none at the end.
 */
export function formatSummary(
  steps: readonly SummaryStep[],
  options: SummaryOptions,
): string {
  const { columns, colour } = options;
  // A character in the last cell makes some terminals begin a new line.
  const width = columns === undefined ? Infinity : Math.max(1, columns - 1);
  const table = summaryTable(steps, width)
    .map((line) => styledLine(line, { width, colour }));
  // What a step printed is shown whole: it is what people copy.
  const blocks = failures(steps)
    .map((lines) => lines.map((line) => styledLine(line, { colour })));
  return [table, ...blocks].map((lines) => lines.join("\n")).join("\n\n");
}
