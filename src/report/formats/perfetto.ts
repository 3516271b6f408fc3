import type { AttemptRecord } from "../run_event.ts";
import type { RunRecord } from "../run_record.ts";
import { assignLanes, countLanes, type PlacedStep } from "../step_lanes.ts";

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
  const placed = assignLanes(record.steps);
  const steps = placed.map((step) => ({
    ...step,
    lane: FIRST_STEP_LANE + step.lane,
  }));
  const traceEvents: TraceEvent[] = [
    createMetadata("process_name", 0, name),
    createMetadata("thread_name", PHASES, "phases"),
    createMetadata("thread_name", WORK, "sources and plugins"),
    ...Array.from(
      { length: countLanes(placed) },
      (_, index) =>
        createMetadata(
          "thread_name",
          FIRST_STEP_LANE + index,
          `steps ${index + 1}`,
        ),
    ),
    ...phases.map(({ phase, startMs, durationMs }) =>
      createSlice(phase, PHASES, startMs, durationMs, "phase")
    ),
    ...sources.flatMap(createSourceEvents),
    ...plugins.map(({ plugin, phase, ms, durationMs, error, denied }) =>
      createSlice(
        plugin,
        WORK,
        Math.max(0, ms - durationMs),
        durationMs,
        "plugin",
        {
          phase,
          error,
          denied,
        },
      )
    ),
    ...steps.flatMap(createStepEvents),
    ...createFlows(steps),
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
function createSourceEvents(
  source: RunRecord["sources"][number],
): TraceEvent[] {
  const { startMs, durationMs, type, repository, ref, commit, bytes } = source;
  const args = { type, repository, ref, commit, bytes };
  return [
    createSlice(source.source, WORK, startMs, durationMs, "source", args),
    ...(source.stages ?? []).map((stage) => {
      const [start, duration] = clipSlice(stage, startMs, startMs + durationMs);
      return createSlice(stage.name, WORK, start, duration, "stage");
    }),
  ];
}

function createStepEvents(
  { step, startMs, endMs, lane }: PlacedStep,
): TraceEvent[] {
  const { queuedMs = startMs, attempts, outcome, conclusion } = step;
  const waitedMs = Math.max(0, startMs - queuedMs);
  // Speedscope shows these next to the name, so there are only a few.
  return [
    createSlice(step.name, lane, startMs, endMs - startMs, "step", {
      outcome,
      ...conclusion === outcome ? {} : { conclusion },
      exitCode: step.exitCode ?? undefined,
      reason: step.reason,
      ...waitedMs === 0 ? {} : { waitedMs },
      ...attempts.length === 1 ? pickUsage(attempts[0]) : {},
    }),
    ...attempts.length < 2 ? [] : attempts.map((attempt) =>
      createSlice(
        `attempt ${attempt.number}`,
        lane,
        ...clipSlice(attempt, startMs, endMs),
        "attempt",
        {
          outcome: attempt.outcome,
          exitCode: attempt.exitCode ?? undefined,
          ...pickUsage(attempt),
        },
      )
    ),
  ];
}

/**
 * Clips a slice to the one around it. Their times are measured one after the
 * other, and readers of the trace expect nested slices.
 */
function clipSlice(
  { startMs, durationMs }: Pick<AttemptRecord, "startMs" | "durationMs">,
  fromMs: number,
  toMs: number,
): [startMs: number, durationMs: number] {
  const start = Math.min(Math.max(startMs, fromMs), toMs);
  return [start, Math.max(0, Math.min(startMs + durationMs, toMs) - start)];
}

function pickUsage({ peakMemoryBytes, cpuMs }: AttemptRecord): TraceEvent {
  return { peakMemoryBytes, cpuMs };
}

/** Returns one arrow for each step, from the dependency that ended last. */
function createFlows(steps: readonly PlacedStep[]): TraceEvent[] {
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
        ts: toMicroseconds(
          (from.startMs + (from.step.readyMs ?? from.endMs)) / 2,
        ),
      },
      {
        ...arrow,
        ph: "f",
        bp: "e",
        tid: placed.lane,
        ts: toMicroseconds(placed.startMs),
      },
    ];
  });
}

function createSlice(
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
    ts: toMicroseconds(startMs),
    // Rounded like the ends of other slices, so that it is not longer than they
    // are.
    dur: toMicroseconds(startMs + durationMs) - toMicroseconds(startMs),
    args,
  };
}

function createMetadata(kind: string, lane: number, name: string): TraceEvent {
  return { name: kind, ph: "M", pid: 1, tid: lane, args: { name } };
}

function toMicroseconds(ms: number): number {
  return Math.round(ms * 1000);
}
