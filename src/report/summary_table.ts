import { cutToWidth, displayWidth } from "../display_width.ts";
import { formatDuration } from "./duration.ts";
import { plainLine } from "./plain_line.ts";
import type { StyledText, TextStyle } from "./styled_line.ts";
import {
  endingOf,
  hasFailed,
  isAllowed,
  type SummaryStatus,
  type SummaryStep,
} from "./summary_step.ts";

/** More skipped or cancelled steps than these are told by their number. */
const MAX_LISTED = 10;

/** Least cells of a line that also says in words how a step ended. */
const WIDE_COLUMNS = 48;

/** Part of a wide line that names may take. */
const NAMES_SHARE = 0.35;

/** Least cells in which a name or a reason says something. */
const NARROWEST = 8;

const MARK_CELLS = 2;
const GAP = "  ";

const MARKS: Readonly<Record<SummaryStatus, [mark: string, TextStyle]>> = {
  success: ["✓", "green"],
  neutral: ["○", "dim"],
  failed: ["✗", "red"],
  timeout: ["⏱", "red"],
  cancelled: ["–", "dim"],
  skipped: ["–", "dim"],
};

interface Row {
  mark: string;
  style: TextStyle;
  name: string;
  ending: string;
  time: string;
  note: string;
}

/** Cells of each column; none for a column that is left out. */
interface Cells {
  name: number;
  ending: number;
  time: number;
  note: number;
}

/**
 * Lays out the table at the end of a job, one line for each step.
 *
 * Steps that were ended because of another one, and skipped ones when they are
 * many, share a line.
 *
 * @param steps Steps in the order in which they are to be shown.
 * @param width Cells of a line; `Infinity` if there is no limit.
 * @returns Lines, to be cut where they do not fit.
 */
export function summaryTable(
  steps: readonly SummaryStep[],
  width: number,
): StyledText[][] {
  const folded = foldedStatuses(steps);
  const rows = steps.filter((step) => !isFolded(step, folded)).map(rowOf);
  const cells = measure(rows, width);
  return [
    ...rows.map((row) => lineOf(row, cells)),
    ...folded.map((status): StyledText[] => [
      [`${MARKS[status][0]} ${countOf(steps, status)}`, "dim"],
    ]),
  ];
}

function measure(rows: readonly Row[], width: number): Cells {
  const time = widest(rows, "time");
  const ending = width < WIDE_COLUMNS ? 0 : widest(rows, "ending");
  const others = MARK_CELLS + GAP.length + time +
    (ending === 0 ? 0 : GAP.length + ending);
  // On a wide line the names leave some room for reasons.
  const room = ending === 0 ? width - others : NAMES_SHARE * width;
  const name = Math.min(
    widest(rows, "name"),
    Math.max(NARROWEST, Math.floor(room)),
  );
  const note = width - others - name - GAP.length;
  return { name, ending, time, note: note < NARROWEST ? 0 : note };
}

function lineOf(row: Row, cells: Cells): StyledText[] {
  const line: StyledText[] = [
    [`${row.mark} `, row.style],
    [padEnd(cutToWidth(row.name, cells.name), cells.name)],
  ];
  if (cells.ending > 0) {
    line.push([GAP + padEnd(row.ending, cells.ending), row.style]);
  }
  line.push([GAP + row.time.padStart(cells.time), "dim"]);
  if (row.note !== "" && cells.note > 0) line.push([GAP + row.note]);
  return line;
}

function foldedStatuses(steps: readonly SummaryStep[]): SummaryStatus[] {
  const count = (status: SummaryStatus) =>
    steps.filter(({ outcome }) => outcome === status).length;
  const folded: SummaryStatus[] = [];
  const mostCancelled = steps.some(hasFailed) ? 0 : MAX_LISTED;
  if (count("cancelled") > mostCancelled) folded.push("cancelled");
  if (count("skipped") > MAX_LISTED) folded.push("skipped");
  return folded;
}

function isFolded(
  { outcome }: SummaryStep,
  folded: readonly SummaryStatus[],
): boolean {
  return folded.includes(outcome);
}

function countOf(steps: readonly SummaryStep[], status: SummaryStatus): string {
  const count = steps.filter(({ outcome }) => outcome === status).length;
  return `${count} ${count === 1 ? "step" : "steps"} ${status}`;
}

function rowOf(step: SummaryStep): Row {
  const { attempts, startedAt } = step;
  const [mark, style] = MARKS[step.outcome];
  const reason = step.reason && plainLine(step.reason.replace(/\s+/g, " "));
  const notes = [attempts > 1 ? `${attempts} attempts` : "", reason];
  return {
    mark,
    style: isAllowed(step) ? "yellow" : style,
    name: plainLine(step.name),
    ending: endingOf(step),
    time: startedAt === null ? "–" : formatDuration(step.durationMs),
    note: notes.filter((note) => note).join(" · "),
  };
}

function widest(rows: readonly Row[], key: keyof Row): number {
  return rows.reduce((most, row) => Math.max(most, displayWidth(row[key])), 0);
}

function padEnd(text: string, width: number): string {
  return text + " ".repeat(Math.max(0, width - displayWidth(text)));
}
