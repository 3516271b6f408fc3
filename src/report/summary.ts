import { TAIL_LINES } from "../output/log_tail.ts";
import {
  printable,
  withoutCommands,
  withoutSequences,
} from "../terminal/text.ts";
import {
  cutToWidth,
  displayWidth,
  padToWidth,
  takeWidth,
} from "../terminal/width.ts";
import { formatDuration } from "./record_text.ts";
import {
  getResultMark,
  hasFailed,
  isAllowed,
  isFlaky,
  outcomeText,
  type StepOutcome,
  type StepState,
  type SummaryStatus,
} from "./step_outcome.ts";

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
  const table = [...formatTable(steps, width), ...formatTotal(steps)]
    .map((line) => styledLine(line, { width, color }));
  // Output of steps is not truncated, since people copy it.
  const blocks = formatFailures(steps)
    .map((lines) => lines.map((line) => styledLine(line, { color })));
  return [table, ...blocks].map((lines) => lines.join("\n")).join("\n\n");
}

/**
 * Returns the time from the start of the first step to the end of the last one.
 */
function formatTotal(steps: readonly SummaryStep[]): StyledText[][] {
  const ran = steps.filter(({ startedAt }) => startedAt !== null);
  if (ran.length === 0) return [];
  const start = ran.reduce(
    (first, { startedAt }) => Math.min(first, startedAt!.getTime()),
    Infinity,
  );
  const end = ran.reduce((last, step) => Math.max(last, stepEndMs(step)), 0);
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
export function formatFailures(
  steps: readonly SummaryStep[],
): StyledText[][][] {
  return steps.filter(hasFailed)
    .sort((a, b) => stepEndMs(b) - stepEndMs(a))
    .map((step) => [
      formatHeading(step),
      ...selectLastLines(step).map((line): StyledText[] => [[
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
function stepEndMs({ startedAt, durationMs }: SummaryStep): number {
  return (startedAt?.getTime() ?? 0) + durationMs;
}

function formatHeading(step: SummaryStep): StyledText[] {
  const reason = step.reason?.replace(/\s+/g, " ");
  const what = reason === undefined ? "" : ` · ${plainLine(reason)}`;
  return [
    ["✗ ", "red"],
    [plainLine(step.name), "bold"],
    [`: ${outcomeText(step)}${what}`],
  ];
}

function selectLastLines({ tail }: SummaryStep): readonly string[] {
  return tail.length === 0 ? ["(no output)"] : tail.slice(-TAIL_LINES);
}

/**
 * Maximum number of skipped or cancelled steps that are listed; more are only
 * counted.
 */
const MAX_LISTED = 10;

/** Minimum width of a line with a column for outcomes. */
const WIDE_COLUMNS = 48;

/** Maximum share of the names in a wide line. */
const NAMES_SHARE = 0.35;

/** Minimum width of a name or a reason. */
const MIN_NAME_WIDTH = 8;

const MARK_CELLS = 2;
const GAP = "  ";

type Status = SummaryStatus | StepState;

/** Statuses whose steps share a line if there are many. */
const FOLDED_IF_MANY = ["skipped", "waiting", "queued"] as const;

const STYLES: Readonly<Record<Status, TextStyle>> = {
  success: "green",
  neutral: "dim",
  failed: "red",
  timeout: "red",
  cancelled: "dim",
  skipped: "dim",
  waiting: "dim",
  queued: "dim",
  running: "cyan",
  retrying: "yellow",
};

/** A step as a summary shows it. */
export interface SummaryStep extends StepOutcome {
  /** Name of the step. */
  readonly name: string;
  /** Number of attempts. */
  readonly attempts: number;
  /** Start time of the first attempt; `null` for a step that never ran. */
  readonly startedAt: Date | null;
  /** Duration in milliseconds. */
  readonly durationMs: number;
  /** Reason of the outcome, unless the exit code explains it. */
  readonly reason?: string;
  /** Last lines of its output, masked. */
  readonly tail: readonly string[];
  /** Path of its whole log, if there is one. */
  readonly log?: string;
  /** Command that runs only this step again, masked. */
  readonly rerun?: string;
}

interface Row {
  mark: string;
  style: TextStyle;
  name: string;
  ending: string;
  time: string;
  note: string;
}

/** Width of each column; 0 for a column that is left out. */
interface Cells {
  name: number;
  ending: number;
  time: number;
  note: number;
}

/**
 * Formats the table at the end of a job, with a line for each step.
 *
 * Cancelled steps share a line, and so do skipped and waiting steps if there are
 * many.
 *
 * @param steps Steps in the order of the table.
 * @param width Maximum width of a line; `Infinity` for no limit.
 * @returns Lines, which may be longer than the width.
 */
function formatTable(
  steps: readonly SummaryStep[],
  width: number,
): StyledText[][] {
  const folded = findFoldedStatuses(steps);
  const rows = steps.filter((step) => !isFolded(step, folded)).map(createRow);
  const cells = measure(rows, width);
  return [
    ...rows.map((row) => formatRow(row, cells)),
    ...folded.map((status): StyledText[] => [
      [`${getResultMark(status)} ${formatCount(steps, status)}`, "dim"],
    ]),
  ];
}

function measure(rows: readonly Row[], width: number): Cells {
  const time = measureWidest(rows, "time");
  const ending = width < WIDE_COLUMNS ? 0 : measureWidest(rows, "ending");
  const others = MARK_CELLS + GAP.length + time +
    (ending === 0 ? 0 : GAP.length + ending);
  // On a wide line, names leave some room for reasons.
  const maxWidth = ending === 0 ? width - others : NAMES_SHARE * width;
  const name = Math.min(
    measureWidest(rows, "name"),
    Math.max(MIN_NAME_WIDTH, Math.floor(maxWidth)),
  );
  const note = width - others - name - GAP.length;
  return { name, ending, time, note: note < MIN_NAME_WIDTH ? 0 : note };
}

function formatRow(row: Row, cells: Cells): StyledText[] {
  const line: StyledText[] = [
    [`${row.mark} `, row.style],
    [padToWidth(cutToWidth(row.name, cells.name), cells.name)],
  ];
  if (cells.ending > 0) {
    line.push([GAP + padToWidth(row.ending, cells.ending), row.style]);
  }
  line.push([GAP + row.time.padStart(cells.time), "dim"]);
  if (row.note !== "" && cells.note > 0) line.push([GAP + row.note]);
  return line;
}

function findFoldedStatuses(steps: readonly SummaryStep[]): Status[] {
  const count = (status: Status) =>
    steps.filter((step) => getStatus(step) === status).length;
  const mostCancelled = steps.some(hasFailed) ? 0 : MAX_LISTED;
  return [
    ...count("cancelled") > mostCancelled ? ["cancelled" as const] : [],
    ...FOLDED_IF_MANY.filter((status) => count(status) > MAX_LISTED),
  ];
}

function isFolded(step: SummaryStep, folded: readonly Status[]): boolean {
  return folded.includes(getStatus(step));
}

function getStatus({ state, outcome }: SummaryStep): Status {
  return state ?? outcome;
}

function formatCount(steps: readonly SummaryStep[], status: Status): string {
  const count = steps.filter((step) => getStatus(step) === status).length;
  return `${count} ${count === 1 ? "step" : "steps"} ${status}`;
}

function createRow(step: SummaryStep): Row {
  const { attempts, startedAt } = step;
  const status = getStatus(step);
  const reason = step.reason && plainLine(step.reason.replace(/\s+/g, " "));
  const notes = [
    isFlaky(step) ? "flaky" : "",
    attempts > 1 ? `${attempts} attempts` : "",
    reason,
  ];
  return {
    mark: getResultMark(status),
    style: isAllowed(step) ? "yellow" : STYLES[status],
    name: plainLine(step.name),
    ending: outcomeText(step),
    time: startedAt === null ? "–" : formatDuration(step.durationMs),
    note: notes.filter((note) => note).join(" · "),
  };
}

function measureWidest(rows: readonly Row[], key: keyof Row): number {
  return rows.reduce((max, row) => Math.max(max, displayWidth(row[key])), 0);
}

/** Style of a piece of text on a terminal with colors. */
export type TextStyle =
  | "bold"
  | "dim"
  | "red"
  | "green"
  | "yellow"
  | "cyan";

/** A piece of a line and its style. */
export type StyledText = readonly [text: string, style?: TextStyle];

/** Options for {@linkcode styledLine}. */
export interface StyledLineOptions {
  /** Maximum width of the line; unlimited by default. */
  width?: number;
  /** Whether the line may have colors. */
  color: boolean;
}

const SGR: Readonly<Record<TextStyle, [on: number, off: number]>> = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  cyan: [36, 39],
};

/**
 * Joins pieces of text into a line.
 *
 * @param pieces Pieces without control characters.
 * @param options Width and color.
 * @returns The line; if it does not fit, it is truncated and ends with `…`.
 */
export function styledLine(
  pieces: readonly StyledText[],
  { width = Infinity, color }: StyledLineOptions,
): string {
  const visible = cutPieces(pieces, width);
  return visible.map(([text, style]) => applyStyle(text, style, color)).join(
    "",
  );
}

function cutPieces(
  pieces: readonly StyledText[],
  width: number,
): readonly StyledText[] {
  if (width === Infinity) return pieces;
  const widths = pieces.map(([text]) => displayWidth(text));
  if (widths.reduce((sum, each) => sum + each, 0) <= width) return pieces;
  const visible: StyledText[] = [];
  let remaining = width - 1;
  for (const [index, [text, style]] of pieces.entries()) {
    if (widths[index] > remaining) {
      if (width > 0) visible.push([`${takeWidth(text, remaining)}…`, style]);
      break;
    }
    visible.push([text, style]);
    remaining -= widths[index];
  }
  return visible;
}

function applyStyle(
  text: string,
  style: TextStyle | undefined,
  color: boolean,
): string {
  if (!color || style === undefined || text === "") return text;
  const [on, off] = SGR[style];
  return `\x1b[${on}m${text}\x1b[${off}m`;
}

const TAB_STOP = 8;

/** Maximum length of a line, in UTF-16 units. */
const MAX_LENGTH = 4_000;

/**
 * Makes a line or a name from a job safe to print.
 *
 * Colors and other escape sequences are removed, tabs become spaces, and
 * control characters are shown as `\u{…}`. Very long lines are truncated.
 *
 * @param line A line without its line break.
 * @returns Text without characters that change its width.
 */
export function plainLine(line: string): string {
  const text = withoutSequences(line.slice(0, MAX_LENGTH).toWellFormed())
    .replace(/\r$/, "");
  const visible = text.split("\t").map(printable).reduce(
    expandTab,
  );
  return line.length > MAX_LENGTH ? `${visible}…` : visible;
}

function expandTab(before: string, next: string): string {
  const padding = TAB_STOP - displayWidth(before) % TAB_STOP;
  return before + " ".repeat(padding) + next;
}
