import { printable } from "../terminal/text.ts";
import { displayWidth } from "../terminal/width.ts";
import { type RunRecord, runStatus, type StepRecord } from "./run_record.ts";
import { endingOf, formatDuration } from "./summary_table.ts";

/** Smaller differences are noise: in milliseconds, and as a part of the time. */
const [MIN_MS, MIN_SHARE] = [100, 0.1];

/**
 * Compares two runs: results that changed, steps that only one of them has, and
 * steps that took a different time, the largest difference first.
 *
 * @param before The earlier run.
 * @param after The later run.
 * @returns Text that is safe on a terminal.
 */
export function compareRuns(before: RunRecord, after: RunRecord): string {
  const [earlier, later] = [before, after].map(({ steps }) =>
    new Map(steps.map((step) => [step.name, step]))
  );
  const both = [...later.values()].flatMap((step) => {
    const other = earlier.get(step.name);
    return other === undefined ? [] : [[other, step] as const];
  });
  const [was, is] = [totalOf(before), totalOf(after)];
  return [
    `total  ${was.status} in ${formatDuration(was.ms)} → ${is.status} in ${
      formatDuration(is.ms)
    } (${signed(is.ms - was.ms)})`,
    ...section(
      "Changed results",
      both.filter(([a, b]) => endingOf(a) !== endingOf(b))
        .map(([a, b]) => [b.name, `${endingOf(a)} → ${endingOf(b)}`]),
    ),
    ...section("New steps", [...onlyIn(later, earlier)].map(lineOf)),
    ...section("Missing steps", [...onlyIn(earlier, later)].map(lineOf)),
    ...section(
      "Changed times",
      both.filter(([a, b]) => isDifferent(a, b))
        .sort(([a, b], [c, d]) => difference(c, d) - difference(a, b))
        .map(([a, b]) => [
          b.name,
          `${formatDuration(a.durationMs)} → ${formatDuration(b.durationMs)} (${
            signed(b.durationMs - a.durationMs)
          })`,
        ]),
    ),
    "",
  ].join("\n");
}

function totalOf(record: RunRecord): { status: string; ms: number } {
  const { ended, lastMs } = record;
  return {
    status: runStatus(record),
    ms: ended?.durationMs ?? lastMs,
  };
}

function* onlyIn(
  steps: ReadonlyMap<string, StepRecord>,
  others: ReadonlyMap<string, StepRecord>,
): Generator<StepRecord> {
  for (const step of steps.values()) {
    if (!others.has(step.name)) yield step;
  }
}

function lineOf(step: StepRecord): readonly [string, string] {
  return [step.name, `${endingOf(step)} ${formatDuration(step.durationMs)}`];
}

function isDifferent(a: StepRecord, b: StepRecord): boolean {
  const longer = Math.max(a.durationMs, b.durationMs);
  return a.startedAt !== null && b.startedAt !== null &&
    difference(a, b) >= Math.max(MIN_MS, MIN_SHARE * longer);
}

function difference(a: StepRecord, b: StepRecord): number {
  return Math.abs(a.durationMs - b.durationMs);
}

function section(
  title: string,
  lines: readonly (readonly [name: string, text: string])[],
): string[] {
  if (lines.length === 0) return [];
  const names = lines.map(([name]) => printable(name));
  const width = names.reduce(
    (widest, name) => Math.max(widest, displayWidth(name)),
    0,
  );
  return [
    "",
    `${title}:`,
    ...lines.map(([, text], index) =>
      `  ${names[index]}${
        " ".repeat(width - displayWidth(names[index]))
      }  ${text}`
    ),
  ];
}

function signed(ms: number): string {
  return `${ms < 0 ? "−" : "+"}${formatDuration(Math.abs(ms))}`;
}
