import { TAIL_LINES } from "../output/log_tail.ts";
import { withoutCommands } from "../terminal/text.ts";
import {
  plainLine,
  styledLine,
  type StyledText,
  type SummaryStep,
  summaryTable,
} from "./summary_table.ts";
import { formatDuration } from "./durations.ts";
import { hasFailed, outcomeText } from "./step_outcome.ts";

/** Options for {@linkcode formatSummary}. */
export interface SummaryOptions {
  /**
   * Width of the terminal; names and reasons are truncated to fit.
   *
   * @default {no limit}
   */
  columns?: number;
  /** Whether the text may have colors. */
  color: boolean;
}

/**
 * Formats the summary at the end of a job with steps.
 *
 * A table shows the outcome of each step. The last lines of each failed step
 * follow, the first failure last. Control characters in names, reasons and
 * lines are escaped.
 *
 * @param steps Steps in the order of the table.
 * @param options Width and color.
 * @returns Lines, without a final line feed.
 */
export function formatSummary(
  steps: readonly SummaryStep[],
  options: SummaryOptions,
): string {
  const { columns, color } = options;
  // Some terminals start a new line after a character in the last cell.
  const width = columns === undefined ? Infinity : Math.max(1, columns - 1);
  const table = [...summaryTable(steps, width), ...totalLine(steps)]
    .map((line) => styledLine(line, { width, color }));
  // Output of steps is not truncated, since people copy it.
  const blocks = failures(steps)
    .map((lines) => lines.map((line) => styledLine(line, { color })));
  return [table, ...blocks].map((lines) => lines.join("\n")).join("\n\n");
}

/**
 * Returns the time from the start of the first step to the end of the last one.
 */
function totalLine(steps: readonly SummaryStep[]): StyledText[][] {
  const ran = steps.filter(({ startedAt }) => startedAt !== null);
  if (ran.length === 0) return [];
  const start = ran.reduce(
    (first, { startedAt }) => Math.min(first, startedAt!.getTime()),
    Infinity,
  );
  const end = ran.reduce((last, step) => Math.max(last, endOf(step)), 0);
  return [[["total ", "dim"], [formatDuration(end - start)]]];
}

/**
 * Formats the last lines of failed steps.
 *
 * The first failure comes last, because it often caused the others, and people
 * read the end of a log.
 *
 * @param steps Steps of the job.
 * @returns A list of lines for each failed step; the first line is its heading.
 */
export function failures(steps: readonly SummaryStep[]): StyledText[][][] {
  return steps.filter(hasFailed)
    .sort((a, b) => endOf(b) - endOf(a))
    .map((step) => [
      headingOf(step),
      ...tailOf(step).map((line): StyledText[] => [[
        withoutCommands(`  ${plainLine(line)}`),
      ]]),
      ...step.log === undefined
        ? []
        : [[[`  log: ${plainLine(step.log)}`, "dim"]] as StyledText[]],
      ...step.rerun === undefined
        ? []
        : [[[`  rerun: ${plainLine(step.rerun)}`, "dim"]] as StyledText[]],
    ]);
}

/** A step that never ran counts as the first to end. */
function endOf({ startedAt, durationMs }: SummaryStep): number {
  return (startedAt?.getTime() ?? 0) + durationMs;
}

function headingOf(step: SummaryStep): StyledText[] {
  const reason = step.reason?.replace(/\s+/g, " ");
  const what = reason === undefined ? "" : ` · ${plainLine(reason)}`;
  return [
    ["✗ ", "red"],
    [plainLine(step.name), "bold"],
    [`: ${outcomeText(step)}${what}`],
  ];
}

function tailOf({ tail }: SummaryStep): readonly string[] {
  return tail.length === 0 ? ["(no output)"] : tail.slice(-TAIL_LINES);
}
