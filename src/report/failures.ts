import { plainLine } from "./plain_line.ts";
import type { StyledText } from "./styled_line.ts";
import { endingOf, hasFailed, type SummaryStep } from "./summary_step.ts";

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
