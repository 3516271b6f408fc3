import { formatDuration } from "../durations.ts";
import type { StepRecord } from "../run_record.ts";
import { laneCount, stepLanes } from "../step_lanes.ts";
import { type Html, markup, resultClass } from "./html_text.ts";

/** Width of a timeline in its own units; it is stretched to the page. */
const WIDTH = 1_000;

/** Shorter waiting is not mentioned. */
export const MIN_WAIT_MS = 50;

/** Height of a lane in the overview. */
const LANE = 9;

/** Maximum number of lanes in the overview. */
const MAX_LANES = 40;

/** A part of a bar. */
export type BarPart = readonly [kind: string, fromMs: number, toMs: number];

/**
 * Writes the time labels of a timeline: at its start, its quarters and its end.
 *
 * @param totalMs Length of the timeline.
 */
export function ticks(totalMs: number): Html {
  return markup`<div class="ticks" aria-hidden="true">${
    [0, 1, 2, 3, 4].map((quarter) =>
      markup`<span>${formatDuration((totalMs * quarter) / 4)}</span>`
    )
  }</div>`;
}

/**
 * Explains the colors that occur in a timeline.
 *
 * @param steps Steps of a run.
 */
export function legend(steps: readonly StepRecord[]): Html {
  const key = (name: string, text: string) =>
    markup`<span><svg width="12" height="12" aria-hidden="true"><rect class="${name}" width="12" height="12" rx="2"/></svg> ${text}</span>`;
  const hasAttempt = (...outcomes: readonly string[]) =>
    steps.some(({ attempts }) =>
      attempts.some(({ outcome }) => outcomes.includes(outcome))
    );
  return markup`<p class="legend">${
    steps.some(hasWaited) ? key("queued", "waited for a free slot") : ""
  }${hasAttempt("success") ? key("success", "succeeded") : ""}${
    hasAttempt("failed", "timeout") ? key("failed", "failed attempt") : ""
  }${
    steps.some(({ state }) => state === "running")
      ? key("running", "running")
      : ""
  }<span><svg width="16" height="12" aria-hidden="true"><rect class="critical" y="5" width="16" height="3"/></svg> critical path: the run cannot be shorter</span></p>`;
}

/** Checks whether a step waited for a free slot long enough to mention it. */
export function hasWaited(step: StepRecord): boolean {
  const { startMs = 0, queuedMs = startMs } = step;
  return startMs - queuedMs >= MIN_WAIT_MS;
}

/**
 * Draws the bar of a step: its wait and each of its attempts.
 *
 * @param step The step.
 * @param totalMs Length of the timeline.
 * @param isCritical Whether the step is on the critical path.
 * @returns SVG; nothing for a step that did not start.
 */
export function stepBar(
  step: StepRecord,
  totalMs: number,
  isCritical: boolean,
): Html | "" {
  const { startMs, queuedMs = startMs, durationMs, attempts, state } = step;
  if (startMs === undefined || queuedMs === undefined) return "";
  return bar(totalMs, stepLabel(step), [
    ...startMs > queuedMs ? [["queued", queuedMs, startMs] as const] : [],
    ...attempts.map(({ outcome, startMs, durationMs }, index) => {
      const isLast = index === attempts.length - 1;
      const kind = state === "running" && isLast ? state : outcome;
      return [kind, startMs, startMs + durationMs] as const;
    }),
    ...isCritical ? [["critical", startMs, startMs + durationMs] as const] : [],
  ]);
}

/**
 * Draws a bar.
 *
 * @param totalMs Length of the timeline.
 * @param label What the bar shows.
 * @param parts Parts. One of the kind `critical` is a line below the others.
 */
export function bar(
  totalMs: number,
  label: string,
  parts: readonly BarPart[],
): Html {
  return markup`<svg viewBox="0 0 ${WIDTH} 16" preserveAspectRatio="none"><title>${label}</title>${
    parts.map(([kind, fromMs, toMs]) => {
      const [x, width] = extent(totalMs, fromMs, toMs);
      const [y, height] = kind === "critical" ? [13, 3] : [0, 12];
      return markup`<rect class="${kind}" x="${x}" y="${y}" width="${width}" height="${height}"/>`;
    })
  }</svg>`;
}

function extent(
  totalMs: number,
  fromMs: number,
  toMs: number,
): [x: number, width: number] {
  const x = (ms: number) => Math.round(WIDTH * Math.min(1, ms / totalMs));
  return [Math.min(x(fromMs), WIDTH - 2), Math.max(2, x(toMs) - x(fromMs))];
}

function stepLabel(step: StepRecord): string {
  const { startMs = 0, queuedMs = startMs, durationMs, attempts } = step;
  return [
    `starts after ${formatDuration(startMs)}`,
    `runs for ${formatDuration(durationMs)}`,
    ...attempts.length > 1 ? [`${attempts.length} attempts`] : [],
    ...startMs - queuedMs >= MIN_WAIT_MS
      ? [`waited ${formatDuration(startMs - queuedMs)} for a free slot`]
      : [],
  ].join(", ");
}

/**
 * Draws all steps, in as many lanes as ran at the same time.
 *
 * @param steps Steps of a run.
 * @param totalMs Length of the timeline.
 * @returns SVG with its times; nothing if no step ran.
 */
export function stepOverview(
  steps: readonly StepRecord[],
  totalMs: number,
): Html | "" {
  const placed = stepLanes(steps);
  if (placed.length === 0) return "";
  const count = laneCount(placed);
  const shown = Math.min(count, MAX_LANES);
  return markup`
    <svg class="overview" viewBox="0 0 ${WIDTH} ${shown * LANE}" height="${
    shown * LANE
  }" preserveAspectRatio="none" role="img" aria-label="${placed.length} steps, in ${count} lanes">${
    placed.filter(({ lane }) => lane < shown).map(
      ({ step, startMs, endMs, lane }) => {
        const [x, width] = extent(totalMs, startMs, endMs);
        return markup`<rect class="${resultClass(step)}" x="${x}" y="${
          lane * LANE
        }" width="${width}" height="${LANE - 1}"/>`;
      },
    )
  }</svg>
    ${ticks(totalMs)}
  `;
}
