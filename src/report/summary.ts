import {
  endingOf,
  hasFailed,
  plainLine,
  styledLine,
  type StyledText,
  type SummaryStep,
  summaryTable,
} from "./summary_table.ts";

/** Options for {@linkcode formatSummary}. */
export interface SummaryOptions {
  /**
   * Cells of a line of the terminal; names and reasons are cut to fit.
   *
   * @default {no limit}
   */
  columns?: number;
  /** Whether the text may have colors. */
  color: boolean;
}

/**
 * Writes what is to be read at the end of a job made of steps.
 *
 * A table tells how each step ended. Below it stand the last lines of each
 * step that failed; the failure that came first stands at the very end.
 * Nothing in names, reasons and lines can steer the terminal.
 *
 * @param steps Steps in the order of the table.
 * @param options Width and color.
 * @returns Lines with a break between two, none at the end.
 */
export function formatSummary(
  steps: readonly SummaryStep[],
  options: SummaryOptions,
): string {
  const { columns, color } = options;
  // A character in the last cell makes some terminals begin a new line.
  const width = columns === undefined ? Infinity : Math.max(1, columns - 1);
  const table = summaryTable(steps, width)
    .map((line) => styledLine(line, { width, color }));
  // What a step printed is shown whole: it is what people copy.
  const blocks = failures(steps)
    .map((lines) => lines.map((line) => styledLine(line, { color })));
  return [table, ...blocks].map((lines) => lines.join("\n")).join("\n\n");
}

/** How many lines of a failed step are shown again. */
const TAIL_LINES = 20;

/**
 * Lays out what failed steps printed last.
 *
 * The one that failed first comes last: it is what most often made the others
 * fail, and what stands at the bottom is read.
 *
 * @param steps Steps of the job.
 * @returns One list of lines for each step; the first line is its heading.
 */
export function failures(steps: readonly SummaryStep[]): StyledText[][][] {
  return steps.filter(hasFailed)
    .sort((a, b) => endOf(b) - endOf(a))
    .map((step) => [
      headingOf(step),
      ...tailOf(step).map((line): StyledText[] => [[`  ${plainLine(line)}`]]),
    ]);
}

/** A step that never ran failed before everything that did. */
function endOf({ startedAt, durationMs }: SummaryStep): number {
  return (startedAt?.getTime() ?? 0) + durationMs;
}

function headingOf(step: SummaryStep): StyledText[] {
  const reason = step.reason?.replace(/\s+/g, " ");
  const what = reason === undefined ? "" : ` · ${plainLine(reason)}`;
  return [
    ["✗ ", "red"],
    [plainLine(step.name), "bold"],
    [`: ${endingOf(step)}${what}`],
  ];
}

function tailOf({ tail }: SummaryStep): readonly string[] {
  return tail.length === 0 ? ["(no output)"] : tail.slice(-TAIL_LINES);
}
