import type { ConsoleSize } from "../../host.ts";
import { formatClock } from "../../report/record_text.ts";
import {
  plainLine,
  styledLine,
  type StyledText,
  type TextStyle,
} from "../../report/summary.ts";
import type { StepEvent, StepResult } from "../../steps/step.ts";
import { cutToWidth, displayWidth, padToWidth } from "../../terminal/width.ts";

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
  const room = countLines(size.rows) - 1;
  const isFolded = board.runningCount > room;
  const shown = [
    ...board.running().take(isFolded ? Math.max(0, room - 1) : room),
  ]
    .map((step) => createCells(step, now));
  const widths = measure(shown, style.width);
  const lines = shown.map((cells) => formatStep(cells, widths));
  if (isFolded && room > 0) {
    lines.push([[`… and ${board.runningCount - shown.length} more`, "dim"]]);
  }
  lines.push(formatCounts(board, now, style.width));
  return lines.map((line) => styledLine(line, style));
}

/** A third of the screen, but fewer lines than it has, so it never scrolls. */
function countLines(rows: number): number {
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

function createCells(step: RunningStep, now: number): StepCells {
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
  const clock = measureWidest(shown.map(({ clock }) => clock));
  const details = measureWidest(shown.map(({ detail }) => detail));
  const names = measureWidest(shown.map(({ name }) => name));
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

function measureWidest(texts: readonly string[]): number {
  return texts.reduce((max, text) => Math.max(max, displayWidth(text)), 0);
}

function formatStep(cells: StepCells, widths: Widths): StyledText[] {
  const name = cutToWidth(cells.name, widths.name);
  const line: StyledText[] = [
    cells.mark,
    [` ${padToWidth(name, widths.name)}`],
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
function formatCounts(
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
  const inWords = joinCounts(
    shown.map(({ count, word, style }) => [`${count} ${word}`, style]),
    clock,
    " · ",
  );
  return findWidth(inWords) <= width ? inWords : joinCounts(
    shown.map(({ count, mark, style }) => [`${mark}${count}`, style]),
    clock,
    " ",
  );
}

function joinCounts(
  counts: readonly StyledText[],
  clock: string,
  separator: string,
): StyledText[] {
  return [
    ...counts.flatMap((count): StyledText[] => [count, [separator, "dim"]]),
    [clock, "dim"],
  ];
}

function findWidth(line: readonly StyledText[]): number {
  return line.reduce((sum, [text]) => sum + displayWidth(text), 0);
}

/** A step that has started and not ended. */
export interface RunningStep {
  /** Name of the step. */
  readonly name: string;
  /** Start of the first attempt, in milliseconds. */
  readonly startedAt: number;
  /** Number of the current or next attempt. */
  attempt: number;
  /** Start of the next attempt, in milliseconds, during the delay before it. */
  resumesAt: number | undefined;
  /** Progress that the step prints. */
  progress: string | undefined;
}

/** Numbers of ended steps, as they are displayed. */
export interface EndedCounts {
  /** Steps that succeeded, or whose failure does not count. */
  done: number;
  /** Steps that failed. */
  failed: number;
  /** Steps that were cancelled. */
  cancelled: number;
  /** Steps that did not run. */
  skipped: number;
}

/** State of the steps of a job, updated by events. */
export class StepBoard {
  readonly #waiting = new Set<string>();
  readonly #running = new Map<string, RunningStep>();

  /** Start of the job, in milliseconds. */
  readonly startedAt: number;

  /** Numbers of ended steps. */
  readonly ended: EndedCounts = {
    done: 0,
    failed: 0,
    cancelled: 0,
    skipped: 0,
  };

  constructor(startedAt: number) {
    this.startedAt = startedAt;
  }

  /** Number of steps that have not started. */
  get waitingCount(): number {
    return this.#waiting.size;
  }

  /** Number of running steps. */
  get runningCount(): number {
    return this.#running.size;
  }

  /** Returns the running steps, the longest running first. */
  running(): MapIterator<RunningStep> {
    return this.#running.values();
  }

  /**
   * Records an event.
   *
   * @param now Time of the event, in milliseconds.
   */
  apply(event: StepEvent, now: number): void {
    switch (event.type) {
      case "planned":
        for (const { name } of event.steps) this.#waiting.add(name);
        break;
      case "started":
        this.#attempt(event.step, event.attempt, now, undefined);
        break;
      case "retrying":
        this.#attempt(event.step, event.attempt, now, now + event.delayMs);
        break;
      case "progress": {
        const step = this.#running.get(event.step);
        if (step) step.progress = event.text;
        break;
      }
      case "ready": {
        const step = this.#running.get(event.step);
        if (step) step.progress = "ready";
        break;
      }
      case "ended":
        this.#waiting.delete(event.result.name);
        this.#running.delete(event.result.name);
        this.ended[classifyResult(event.result)]++;
    }
  }

  #attempt(
    name: string,
    attempt: number,
    now: number,
    resumesAt: number | undefined,
  ): void {
    this.#waiting.delete(name);
    const startedAt = this.#running.get(name)?.startedAt ?? now;
    // Setting an existing key keeps its position.
    this.#running.set(name, {
      name,
      startedAt,
      attempt,
      resumesAt,
      progress: undefined,
    });
  }
}

function classifyResult(
  { outcome, conclusion }: StepResult,
): keyof EndedCounts {
  if (outcome === "skipped" || outcome === "cancelled") return outcome;
  return conclusion === "success" || conclusion === "neutral"
    ? "done"
    : "failed";
}
