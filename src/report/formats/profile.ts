import { criticalPath } from "../critical_path.ts";
import type { RunRecord, StepRecord } from "../run_record.ts";
import { printableLines } from "../../terminal/text.ts";
import { formatDuration } from "../durations.ts";

/** Maximum number of steps in each list. */
const MAX_LISTED = 5;

/** Shorter times are omitted, in milliseconds. */
const MIN_MS = 100;

/**
 * Answers "what should I speed up?": the chain of steps that the run waited
 * for, steps that waited for a free slot, and what sources, plugins and the runner
 * itself cost.
 *
 * @param record The run.
 * @returns Text that is safe on a terminal.
 */
export function profileReport(record: RunRecord): string {
  const { steps, ended, lastMs, sources, plugins } = record;
  const totalMs = ended?.durationMs ?? lastMs;
  const path = criticalPath(steps);
  const stepsMs = coveredMs(steps);
  const sourcesMs = sum(sources.map(({ durationMs }) => durationMs));
  const pluginsMs = sum(plugins.map(({ durationMs }) => durationMs));
  const restMs = Math.max(0, totalMs - stepsMs - sourcesMs - pluginsMs);
  const lines = [
    `total ${formatDuration(totalMs)}: steps ${share(stepsMs, totalMs)}, ` +
    `sources ${share(sourcesMs, totalMs)}, ` +
    `plugins ${share(pluginsMs, totalMs)}, rest ${share(restMs, totalMs)}`,
    ...section(
      `critical path, ${share(path.durationMs, totalMs)} of the run:`,
      path.steps.map((step) => timeLine(step.name, step.durationMs)),
    ),
    ...section(
      "waited longest for a free slot (see --concurrency):",
      longest(steps.map((step) => [step.name, waitedMs(step)])),
    ),
    ...section(
      "spent on attempts that failed:",
      longest(steps.map((step) => [
        step.name,
        sum(step.attempts.slice(0, -1).map(({ durationMs }) => durationMs)),
      ])),
    ),
    ...section(
      "slowest plugins:",
      longest([...byPlugin(record)]),
    ),
  ];
  return `${printableLines(lines.join("\n"))}\n`;
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : ["", title, ...lines];
}

function longest(times: readonly (readonly [string, number])[]): string[] {
  return times.filter(([, ms]) => ms >= MIN_MS)
    .sort(([, a], [, b]) => b - a)
    .slice(0, MAX_LISTED)
    .map(([name, ms]) => timeLine(name, ms));
}

function byPlugin({ plugins }: RunRecord): Map<string, number> {
  const times = new Map<string, number>();
  for (const { plugin, durationMs } of plugins) {
    times.set(plugin, (times.get(plugin) ?? 0) + durationMs);
  }
  return times;
}

function waitedMs({ queuedMs, startMs }: StepRecord): number {
  return queuedMs === undefined || startMs === undefined
    ? 0
    : startMs - queuedMs;
}

/** Returns the time during which at least one step ran, in milliseconds. */
function coveredMs(steps: readonly StepRecord[]): number {
  const ran = steps.flatMap(({ startMs, durationMs }) =>
    startMs === undefined ? [] : [[startMs, startMs + durationMs] as const]
  ).sort(([a], [b]) => a - b);
  let covered = 0;
  let until = 0;
  for (const [start, end] of ran) {
    covered += Math.max(0, end - Math.max(start, until));
    until = Math.max(until, end);
  }
  return covered;
}

function timeLine(name: string, ms: number): string {
  return `  ${formatDuration(ms).padStart(8)}  ${name}`;
}

function share(ms: number, totalMs: number): string {
  const percent = totalMs === 0 ? 0 : Math.round(100 * ms / totalMs);
  return `${formatDuration(ms)} (${percent} %)`;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
