import type { AttemptRecord } from "../run_event.ts";
import type { RunRecord } from "../run_record.ts";
import { laneCount, type PlacedStep, stepLanes } from "../step_lanes.ts";

/** Lane of the phases of the job. */
const PHASES = 1;

/** Lane of plugins and sources, within the phases. */
const WORK = 2;

/** First lane of steps. */
const FIRST_STEP_LANE = 3;

type TraceEvent = Readonly<Record<string, unknown>>;

/**
 * Writes a run as a trace of Chrome's format, which Perfetto, Speedscope and
 * browsers open.
 *
 * The process is the job. Steps that ran at the same time are in different
 * lanes. Their attempts are slices inside them, and arrows show for which step
 * each one waited.
 *
 * @param record The run.
 * @returns JSON.
 * @see https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU
 */
export function perfettoReport(record: RunRecord): string {
  const { started, ended, phases, plugins, sources } = record;
  const name = started.name ?? started.kind;
  const placed = stepLanes(record.steps);
  const steps = placed.map((step) => ({
    ...step,
    lane: FIRST_STEP_LANE + step.lane,
  }));
  const traceEvents: TraceEvent[] = [
    metadata("process_name", 0, name),
    metadata("thread_name", PHASES, "phases"),
    metadata("thread_name", WORK, "sources and plugins"),
    ...Array.from(
      { length: laneCount(placed) },
      (_, index) =>
        metadata("thread_name", FIRST_STEP_LANE + index, `steps ${index + 1}`),
    ),
    ...phases.map(({ phase, startMs, durationMs }) =>
      slice(phase, PHASES, startMs, durationMs, "phase")
    ),
    ...sources.flatMap(sourceEvents),
    ...plugins.map(({ plugin, phase, ms, durationMs, error, denied }) =>
      slice(plugin, WORK, Math.max(0, ms - durationMs), durationMs, "plugin", {
        phase,
        error,
        denied,
      })
    ),
    ...steps.flatMap(stepEvents),
    ...flows(steps),
  ];
  return `${
    JSON.stringify({
      displayTimeUnit: "ms",
      otherData: {
        traceId: started.trace.traceId,
        startedAt: started.time,
        status: ended?.status,
      },
      traceEvents,
    })
  }\n`;
}

/** The stages of a source are slices inside its slice. */
function sourceEvents(source: RunRecord["sources"][number]): TraceEvent[] {
  const { startMs, durationMs, type, repository, ref, commit, bytes } = source;
  const args = { type, repository, ref, commit, bytes };
  return [
    slice(source.source, WORK, startMs, durationMs, "source", args),
    ...(source.stages ?? []).map((stage) => {
      const [start, duration] = within(stage, startMs, startMs + durationMs);
      return slice(stage.name, WORK, start, duration, "stage");
    }),
  ];
}

function stepEvents({ step, startMs, endMs, lane }: PlacedStep): TraceEvent[] {
  const { queuedMs = startMs, attempts, outcome, conclusion } = step;
  const waitedMs = Math.max(0, startMs - queuedMs);
  // Speedscope shows these next to the name, so there are only a few.
  return [
    slice(step.name, lane, startMs, endMs - startMs, "step", {
      outcome,
      ...conclusion === outcome ? {} : { conclusion },
      exitCode: step.exitCode ?? undefined,
      reason: step.reason,
      ...waitedMs === 0 ? {} : { waitedMs },
      ...attempts.length === 1 ? usage(attempts[0]) : {},
    }),
    ...attempts.length < 2 ? [] : attempts.map((attempt) =>
      slice(
        `attempt ${attempt.number}`,
        lane,
        ...within(attempt, startMs, endMs),
        "attempt",
        {
          outcome: attempt.outcome,
          exitCode: attempt.exitCode ?? undefined,
          ...usage(attempt),
        },
      )
    ),
  ];
}

/**
 * Clips a slice to the one around it. Their times are measured one after the
 * other, and readers of the trace expect nested slices.
 */
function within(
  { startMs, durationMs }: Pick<AttemptRecord, "startMs" | "durationMs">,
  fromMs: number,
  toMs: number,
): [startMs: number, durationMs: number] {
  const start = Math.min(Math.max(startMs, fromMs), toMs);
  return [start, Math.max(0, Math.min(startMs + durationMs, toMs) - start)];
}

function usage({ peakMemoryBytes, cpuMs }: AttemptRecord): TraceEvent {
  return { peakMemoryBytes, cpuMs };
}

/** Returns one arrow for each step, from the dependency that ended last. */
function flows(steps: readonly PlacedStep[]): TraceEvent[] {
  const last = new Map<string, PlacedStep>();
  for (const placed of steps) {
    const previous = last.get(placed.step.group);
    if (previous === undefined || placed.endMs > previous.endMs) {
      last.set(placed.step.group, placed);
    }
  }
  return steps.flatMap((placed, id) => {
    const [from] = placed.step.dependsOn
      .flatMap((group) => last.get(group) ?? [])
      .sort((a, b) => b.endMs - a.endMs);
    if (from === undefined) return [];
    const arrow = { name: "waits for", cat: "needs", pid: 1, id };
    return [
      {
        ...arrow,
        ph: "s",
        tid: from.lane,
        // An arrow starts inside its slice, not at its end.
        ts: microseconds(
          (from.startMs + (from.step.readyMs ?? from.endMs)) / 2,
        ),
      },
      {
        ...arrow,
        ph: "f",
        bp: "e",
        tid: placed.lane,
        ts: microseconds(placed.startMs),
      },
    ];
  });
}

function slice(
  name: string,
  lane: number,
  startMs: number,
  durationMs: number,
  category: string,
  args: TraceEvent = {},
): TraceEvent {
  return {
    name,
    cat: category,
    ph: "X",
    pid: 1,
    tid: lane,
    ts: microseconds(startMs),
    // Rounded like the ends of other slices, so that it is not longer than they
    // are.
    dur: microseconds(startMs + durationMs) - microseconds(startMs),
    args,
  };
}

function metadata(kind: string, lane: number, name: string): TraceEvent {
  return { name: kind, ph: "M", pid: 1, tid: lane, args: { name } };
}

function microseconds(ms: number): number {
  return Math.round(ms * 1000);
}
