import type { StepRecord } from "./run_record.ts";

/** A step that ran, and where it is drawn. */
export interface PlacedStep {
  readonly step: StepRecord;
  readonly startMs: number;
  readonly endMs: number;
  /** Lane, from 0. Steps in the same lane do not overlap. */
  readonly lane: number;
}

/**
 * Assigns each step the first lane that is free while it runs.
 *
 * @param steps Steps of a run.
 * @returns The steps that ran, in the order of their starts.
 */
export function assignLanes(steps: readonly StepRecord[]): PlacedStep[] {
  const free: number[] = [];
  return steps.flatMap((step) => {
    const { startMs, durationMs } = step;
    if (startMs === undefined) return [];
    return [{ step, startMs, endMs: startMs + durationMs }];
  })
    .sort((a, b) => a.startMs - b.startMs)
    .map((placed) => {
      const index = free.findIndex((endMs) => endMs <= placed.startMs);
      const lane = index < 0 ? free.length : index;
      free[lane] = placed.endMs;
      return { ...placed, lane };
    });
}

/**
 * Counts lanes.
 *
 * @returns Number of lanes: the most steps that ran at once.
 */
export function countLanes(steps: readonly PlacedStep[]): number {
  return steps.reduce((count, { lane }) => Math.max(count, lane + 1), 0);
}
