import { printable } from "../terminal/text.ts";
import { displayWidth, padToWidth } from "../terminal/width.ts";
import { type CriticalPath, findCriticalPath } from "./critical_path.ts";
import {
  type RunRecord,
  type RunStatus,
  runStatus,
  type StepRecord,
} from "./run_record.ts";
import { formatDuration, roundDuration } from "./record_text.ts";
import { outcomeText } from "./step_outcome.ts";

/**
 * Smaller differences count as noise: in milliseconds, and as a share of the
 * time.
 */
const [MIN_MS, MIN_SHARE] = [100, 0.1];

/** A step in an earlier and in a later run. */
export type StepPair = readonly [before: StepRecord, after: StepRecord];

/** A run as a whole. */
export interface RunTotal {
  readonly status: RunStatus;
  readonly durationMs: number;
  /** Its critical path, without steps that did not run. */
  readonly path: CriticalPath;
}

/** Differences between two runs. */
export interface RunComparison {
  readonly before: RunTotal;
  readonly after: RunTotal;
  /** Steps with another result. */
  readonly results: readonly StepPair[];
  /** Steps that only the later run has. */
  readonly added: readonly StepRecord[];
  /** Steps that only the earlier run has. */
  readonly removed: readonly StepRecord[];
  /** Steps that took a different time, the largest difference first. */
  readonly times: readonly StepPair[];
}

/**
 * Compares two runs.
 *
 * @param before The earlier run.
 * @param after The later run.
 */
export function compareRecords(
  before: RunRecord,
  after: RunRecord,
): RunComparison {
  const [earlier, later] = [before, after].map(({ steps }) =>
    new Map(steps.map((step) => [step.name, step]))
  );
  const pairs = [...later.values()].flatMap((step): StepPair[] => {
    const other = earlier.get(step.name);
    return other === undefined ? [] : [[other, step]];
  });
  return {
    before: summarizeRun(before),
    after: summarizeRun(after),
    results: pairs.filter(([a, b]) => outcomeText(a) !== outcomeText(b)),
    added: [...selectMissing(later, earlier)],
    removed: [...selectMissing(earlier, later)],
    times: pairs.filter(([a, b]) => isDifferent(a, b))
      .sort(([a, b], [c, d]) =>
        measureDifference(c, d) - measureDifference(a, b)
      ),
  };
}

/**
 * Describes the differences between two runs.
 *
 * @param before The earlier run.
 * @param after The later run.
 * @returns Text that is safe on a terminal.
 */
export function compareRuns(before: RunRecord, after: RunRecord): string {
  const comparison = compareRecords(before, after);
  const { before: was, after: is, results, added, removed, times } = comparison;
  const timeChange = (beforeMs: number, afterMs: number) =>
    `${formatDuration(beforeMs)} → ${formatDuration(afterMs)} (${
      formatChange(beforeMs, afterMs)
    })`;
  return [
    `total: ${timeChange(was.durationMs, is.durationMs)}, ${
      was.status === is.status ? is.status : `${was.status} → ${is.status}`
    }`,
    ...was.path.durationMs + is.path.durationMs === 0 ? [] : [
      `critical path: ${timeChange(was.path.durationMs, is.path.durationMs)}`,
    ],
    ...formatSection(
      "Changed results",
      results.map((
        [a, b],
      ) => [b.name, `${outcomeText(a)} → ${outcomeText(b)}`]),
    ),
    ...formatSection("New steps", added.map(formatStep)),
    ...formatSection("Missing steps", removed.map(formatStep)),
    ...formatSection(
      "Changed times",
      times.map(([a, b]) => [b.name, timeChange(a.durationMs, b.durationMs)]),
    ),
    "",
  ].join("\n");
}

/**
 * Formats the difference of two durations as {@linkcode formatDuration} shows
 * them, so that the numbers add up.
 *
 * @returns Text such as `+1.2s`, `−0.4s` or `±0.0s`.
 */
export function formatChange(beforeMs: number, afterMs: number): string {
  const changeMs = roundDuration(afterMs) - roundDuration(beforeMs);
  const sign = changeMs === 0 ? "±" : changeMs < 0 ? "−" : "+";
  return `${sign}${formatDuration(Math.abs(changeMs))}`;
}

function summarizeRun(record: RunRecord): RunTotal {
  const { ended, lastMs, steps } = record;
  const { durationMs, steps: path } = findCriticalPath(steps);
  return {
    status: runStatus(record),
    durationMs: ended?.durationMs ?? lastMs,
    path: {
      durationMs,
      steps: path.filter(({ startedAt }) => startedAt !== null),
    },
  };
}

function* selectMissing(
  steps: ReadonlyMap<string, StepRecord>,
  others: ReadonlyMap<string, StepRecord>,
): Generator<StepRecord> {
  for (const step of steps.values()) {
    if (!others.has(step.name)) yield step;
  }
}

function formatStep(step: StepRecord): readonly [string, string] {
  const time = step.startedAt === null
    ? ""
    : `, ${formatDuration(step.durationMs)}`;
  return [step.name, `${outcomeText(step)}${time}`];
}

function isDifferent(a: StepRecord, b: StepRecord): boolean {
  const longer = Math.max(a.durationMs, b.durationMs);
  return a.startedAt !== null && b.startedAt !== null &&
    measureDifference(a, b) >= Math.max(MIN_MS, MIN_SHARE * longer);
}

function measureDifference(a: StepRecord, b: StepRecord): number {
  return Math.abs(a.durationMs - b.durationMs);
}

function formatSection(
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
      `  ${padToWidth(names[index], width)}  ${text}`
    ),
  ];
}
