import { cutToWidth, displayWidth } from "../../terminal/width.ts";
import type { ConsoleSize } from "../../host.ts";
import {
  plainLine,
  styledLine,
  type StyledText,
  type TextStyle,
} from "../../report/summary_table.ts";
import { formatClock } from "../../report/durations.ts";
import type { RunningStep, StepBoard } from "./step_board.ts";

/** Options for {@linkcode formatFrame}. */
export interface FrameOptions {
  /** Current size of the terminal. */
  size: ConsoleSize;
  /** Whether lines may have colors. */
  color: boolean;
  /** Current time, in milliseconds. */
  now: number;
}

const MIN_LINES = 3;
const MAX_LINES = 10;

const SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏";
const SPINNER_MS = 100;
const RETRY_MARK = "↻";

const MARK_CELLS = 2;
const GAP = "  ";

/** Cells that long names leave for details. */
const DETAIL_CELLS = 24;

/** Minimum cells of the column of details. */
const MIN_DETAIL_CELLS = 8;

/** Share of the line that is always available for names. */
const NAMES_SHARE = 0.4;

/**
 * Formats the running steps and the numbers of all steps.
 *
 * @returns Lines that leave the last cell of the terminal empty.
 */
export function formatFrame(board: StepBoard, options: FrameOptions): string[] {
  const { size, color, now } = options;
  const style = { width: Math.max(1, size.columns - 1), color };
  const room = lineCount(size.rows) - 1;
  const isFolded = board.runningCount > room;
  const shown = [
    ...board.running().take(isFolded ? Math.max(0, room - 1) : room),
  ]
    .map((step) => cellsOf(step, now));
  const widths = measure(shown, style.width);
  const lines = shown.map((cells) => lineOf(cells, widths));
  if (isFolded && room > 0) {
    lines.push([[`… and ${board.runningCount - shown.length} more`, "dim"]]);
  }
  lines.push(countsLine(board, now, style.width));
  return lines.map((line) => styledLine(line, style));
}

/** A third of the screen, but fewer lines than it has, so it never scrolls. */
function lineCount(rows: number): number {
  const third = Math.floor(rows / 3);
  const wanted = Math.min(MAX_LINES, Math.max(MIN_LINES, third));
  return Math.max(1, Math.min(wanted, rows - 1));
}

interface StepCells {
  mark: StyledText;
  name: string;
  clock: string;
  detail: string;
}

/** Cells of each column; 0 for details that do not fit. */
interface Widths {
  name: number;
  clock: number;
  detail: number;
}

function cellsOf(step: RunningStep, now: number): StepCells {
  const { attempt, resumesAt, progress } = step;
  const clock = formatClock(now - step.startedAt);
  const name = plainLine(step.name);
  if (resumesAt !== undefined) {
    const delay = formatClock(resumesAt - now + 999);
    const mark: StyledText = [RETRY_MARK, "yellow"];
    return { mark, name, clock, detail: `retry in ${delay}` };
  }
  const tick = Math.floor(now / SPINNER_MS) % SPINNER.length;
  const details = [
    attempt > 1 ? `attempt ${attempt}` : "",
    plainLine(progress ?? "").trim(),
  ];
  return {
    mark: [SPINNER[tick], "cyan"],
    name,
    clock,
    detail: details.filter((detail) => detail !== "").join(" · "),
  };
}

function measure(shown: readonly StepCells[], width: number): Widths {
  const clock = widest(shown.map(({ clock }) => clock));
  const details = widest(shown.map(({ detail }) => detail));
  const names = widest(shown.map(({ name }) => name));
  const room = width - MARK_CELLS - GAP.length - clock;
  const beside = room - GAP.length - Math.min(details, DETAIL_CELLS);
  const name = Math.min(
    names,
    Math.max(beside, Math.floor(width * NAMES_SHARE)),
  );
  const detail = room - GAP.length - name;
  return details > 0 && detail >= MIN_DETAIL_CELLS
    ? { clock, name, detail }
    : { clock, name: Math.min(names, Math.max(1, room)), detail: 0 };
}

function widest(texts: readonly string[]): number {
  return texts.reduce((most, text) => Math.max(most, displayWidth(text)), 0);
}

function lineOf(cells: StepCells, widths: Widths): StyledText[] {
  const name = cutToWidth(cells.name, widths.name);
  const fill = " ".repeat(widths.name - displayWidth(name));
  const line: StyledText[] = [
    cells.mark,
    [` ${name}${fill}`],
    [GAP + cells.clock.padStart(widths.clock), "dim"],
  ];
  if (cells.detail !== "" && widths.detail > 0) {
    line.push([GAP + cells.detail, "dim"]);
  }
  return line;
}

interface Count {
  count: number;
  word: string;
  /** Short form of the word, for narrow terminals. */
  mark: string;
  style?: TextStyle;
}

/**
 * Formats the numbers of steps as one line.
 *
 * @param now Current time, in milliseconds.
 * @param width Cells of the line; words that do not fit are replaced with
 * symbols.
 * @returns The line; it may still be too long for a very narrow terminal.
 */
function countsLine(
  board: StepBoard,
  now: number,
  width: number,
): StyledText[] {
  const { done, failed, cancelled, skipped } = board.ended;
  const counts: Count[] = [
    { count: board.runningCount, word: "running", mark: "▸", style: "cyan" },
    { count: board.waitingCount, word: "waiting", mark: "○" },
    { count: done, word: "done", mark: "✓", style: "green" },
    { count: failed, word: "failed", mark: "✗", style: "red" },
    { count: cancelled, word: "cancelled", mark: "⊘" },
    { count: skipped, word: "skipped", mark: "–" },
  ];
  const shown = counts.filter(({ count }) => count > 0);
  const clock = formatClock(now - board.startedAt);
  const inWords = joined(
    shown.map(({ count, word, style }) => [`${count} ${word}`, style]),
    clock,
    " · ",
  );
  return widthOf(inWords) <= width ? inWords : joined(
    shown.map(({ count, mark, style }) => [`${mark}${count}`, style]),
    clock,
    " ",
  );
}

function joined(
  counts: readonly StyledText[],
  clock: string,
  separator: string,
): StyledText[] {
  return [
    ...counts.flatMap((count): StyledText[] => [count, [separator, "dim"]]),
    [clock, "dim"],
  ];
}

function widthOf(line: readonly StyledText[]): number {
  return line.reduce((sum, [text]) => sum + displayWidth(text), 0);
}
