import { withoutSequences } from "../terminal/text.ts";
import type { StepOutcome } from "./step_outcome.ts";

/** Limits for the last lines of steps: their number and their length. */
const [FAILED, SUCCEEDED] = [
  { lines: 20, length: 2_000 },
  // Most steps succeed, and a record of a thousand steps should stay small.
  { lines: 5, length: 200 },
];

/**
 * Selects the last lines of a step for its record.
 *
 * @param step The step.
 * @param lines Last lines of its output, with colors.
 * @returns Fields of the event of its end.
 */
export function recordedTail(
  { outcome }: Pick<StepOutcome, "outcome">,
  lines: readonly string[] = [],
): { tail?: readonly string[] } {
  const max = outcome === "success" ? SUCCEEDED : FAILED;
  const tail = lines.slice(-max.lines).map((line) => cut(line, max.length));
  return tail.length === 0 ? {} : { tail };
}

/**
 * Truncates a line between words: a word may turn out to be a secret later, and
 * a part of it would not be masked. Colors are removed, since the cut may be
 * inside a sequence.
 */
function cut(line: string, length: number): string {
  if (line.length <= length) return line;
  const plain = withoutSequences(line);
  if (plain.length <= length) return plain;
  const end = plain.slice(0, length).search(/\s\S*$/);
  return `${plain.slice(0, Math.max(0, end))} …`;
}
