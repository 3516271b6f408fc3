import { displayWidth } from "../../display_width.ts";
import { formatClock } from "../../report/duration.ts";
import type { StyledText, TextStyle } from "../../report/styled_line.ts";
import type { Board } from "./board.ts";

interface Count {
  count: number;
  word: string;
  /** What stands for the word where there is no room. */
  mark: string;
  style?: TextStyle;
}

/**
 * Counts the steps of a job in one line.
 *
 * @param board What is known of the steps.
 * @param now What time it is, in milliseconds.
 * @param width Cells of the line; when words do not fit, marks stand for them.
 * @returns The line; in a very narrow terminal still one to be cut.
 */
export function countsLine(
  board: Board,
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
  const told = counts.filter(({ count }) => count > 0);
  const clock = formatClock(now - board.startedAt);
  const inWords = joined(
    told.map(({ count, word, style }) => [`${count} ${word}`, style]),
    clock,
    " · ",
  );
  return widthOf(inWords) <= width ? inWords : joined(
    told.map(({ count, mark, style }) => [`${mark}${count}`, style]),
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
