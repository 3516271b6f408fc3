/**
 * The record of a run, read from its events or from a file.
 *
 * @module
 */
import type { CacheUseRecord } from "../config/step_cache_config.ts";
import { openUntrusted, readToEnd } from "../fs/untrusted_file.ts";
import { isInside, normalizePath } from "../job_path.ts";
import { withoutSequences } from "../terminal/text.ts";
import { maskEvent, parseEvent } from "./event_schema.ts";
import {
  type AttemptRecord,
  RECORD_VERSION,
  type RunEvent,
  type RunEventName,
  type RunEvents,
} from "./run_event.ts";
import type { StepState, SummaryStatus } from "./step_outcome.ts";

/** Reason of a step that was running when its runner was killed. */
const INTERRUPTED = "the record ends while it runs";

/** A step, as recorded. */
export interface StepRecord {
  readonly name: string;
  /** Name by which others depend on it: that of its matrix, or its own. */
  readonly group: string;
  /** Groups for which it waits. */
  readonly dependsOn: readonly string[];
  /** When it could start, in milliseconds since the run started. */
  queuedMs?: number;
  /** When its first attempt started. */
  startMs?: number;
  /** When steps that need it could start, if it is a service. */
  readyMs?: number;
  /** When it ended. */
  endMs?: number;
  outcome: SummaryStatus;
  conclusion: SummaryStatus;
  exitCode: number | null;
  signal: string | null;
  reason?: string;
  /** Whether it did not run, because its result was in the cache. */
  cached?: boolean;
  startedAt: Date | null;
  durationMs: number;
  attempts: readonly AttemptRecord[];
  outputs: readonly string[];
  log?: string;
  logBytes?: number;
  /** Its last lines, without colors. */
  tail: readonly string[];
  /** Command that runs only this step again, if it is known. */
  rerun?: string;
  /** The same with sequences for colors and styles, and no others. */
  styledTail: readonly string[];
  /** Directories that it restored from the cache and saved. */
  caches?: readonly CacheUseRecord[];
  /** For a job of a workflow: path of its own record. */
  record?: string;
  /** Its current state; missing if the step or its run has ended. */
  state?: StepState;
}

/** A run, as read from its record. */
export interface RunRecord {
  readonly started: EventOf<"run.started">;
  /** Missing if the run is still active or was killed. */
  readonly ended?: EventOf<"run.ended">;
  /** Set if the reader considers the run still active. */
  readonly isRunning?: true;
  /**
   * Time of the last event, or the current time if the run is still active, in
   * milliseconds since the run started.
   */
  readonly lastMs: number;
  /** Settings that differ from their defaults. */
  readonly options: RunEvents["run.configured"]["options"];
  /** Steps in the order of the job. */
  readonly steps: readonly StepRecord[];
  readonly phases: readonly EventOf<"phase.ended">[];
  readonly sources: readonly EventOf<"source.prepared">[];
  readonly plugins: readonly EventOf<"plugin.called">[];
  /** Rules under which values were masked. */
  readonly secrets: readonly EventOf<"secret.masked">[];
  readonly triggers: readonly string[];
  /** Files that the job got from other jobs, and saved for them. */
  readonly artifacts: readonly EventOf<
    "artifact.restored" | "artifact.saved"
  >[];
  /** Problems that matchers have found, in the order of their lines. */
  readonly problems: readonly EventOf<"problem">[];
  readonly metrics: readonly EventOf<"metric">[];
}

type EventOf<Name extends RunEventName> = Extract<RunEvent, { event: Name }>;

/**
 * Reads a run record.
 *
 * Incomplete lines and unknown events are skipped: the run may have been
 * killed, and another version may have written them.
 *
 * @param text Text of the file.
 * @param options Whether the run is still active.
 * @returns The record; `undefined` if the text does not begin with a run.
 * @throws {RangeError} If a later version of the format wrote it.
 */
export function readRecord(
  text: string,
  { isRunning = false, maskText }: ReadRecordOptions = {},
): RunRecord | undefined {
  const events = text.split("\n").flatMap((line) => {
    const event = parseEvent(line);
    if (event === undefined) return [];
    return maskText === undefined ? [event] : [maskEvent(event, maskText)];
  });
  return createRecord(events, isRunning ? { nowMs: elapsedMs(events) } : {});
}

/** Options for {@linkcode readRecord}. */
export interface ReadRecordOptions {
  /**
   * Whether the run is still active, if the record has no end.
   *
   * @default {false}
   */
  isRunning?: boolean;
  /**
   * Masks a text of the record.
   *
   * @default {the text is not masked}
   */
  maskText?: (text: string) => string;
}

/** Returns the time since a run started, in milliseconds, by the wall clock. */
export function elapsedMs([started]: readonly RunEvent[]): number {
  return Math.max(0, Date.now() - Date.parse(started?.time));
}

/** Returns how a run ended, or that it has not ended. */
export function runStatus({ ended, isRunning }: RunRecord): RunStatus {
  return ended?.status ?? (isRunning ? "running" : "interrupted");
}

/** Status of a run; without an end, it is still running or was killed. */
export type RunStatus =
  | RunEvents["run.ended"]["status"]
  | "running"
  | "interrupted";

/** Options for {@linkcode createRecord}. */
export interface RecordOptions {
  /**
   * Current time in milliseconds since the run started, if it is still active.
   *
   * @default {the run has ended or was killed}
   */
  nowMs?: number;
}

/**
 * Combines the events of a run.
 *
 * @param events Events in the order of their times.
 * @param options Additional options.
 * @returns The record; `undefined` if the first event is not the start of a run.
 * @throws {RangeError} If a later version of the format wrote it.
 */
export function createRecord(
  events: readonly RunEvent[],
  options: RecordOptions = {},
): RunRecord | undefined {
  const [started] = events;
  if (started?.event !== "run.started") return undefined;
  if (started.version > RECORD_VERSION) {
    throw new RangeError(
      `the record has version ${started.version}, and this program reads versions up to ${RECORD_VERSION}`,
    );
  }
  const all = <Name extends RunEventName>(name: Name) =>
    events.filter((event): event is EventOf<Name> => event.event === name);
  const ended = all("run.ended").at(-1);
  const isRunning = ended === undefined && options.nowMs !== undefined;
  const lastMs = events.reduce(
    (last, { ms }) => Math.max(last, ms),
    isRunning ? options.nowMs ?? 0 : 0,
  );
  return {
    started,
    ended,
    ...isRunning ? { isRunning } : {},
    lastMs,
    options: all("run.configured").at(-1)?.options ?? [],
    steps: createSteps(events, lastMs, isRunning),
    phases: all("phase.ended"),
    sources: all("source.prepared"),
    plugins: all("plugin.called"),
    secrets: all("secret.masked"),
    triggers: all("trigger.submitted").map(({ name }) => name),
    artifacts: events.filter((event) =>
      event.event === "artifact.restored" || event.event === "artifact.saved"
    ),
    metrics: all("metric"),
    problems: all("problem"),
  };
}

function createSteps(
  events: readonly RunEvent[],
  lastMs: number,
  isRunning: boolean,
): StepRecord[] {
  const steps = new Map<string, StepRecord>();
  const running = new Map<string, AttemptRecord>();
  const failed = new Map<string, AttemptRecord[]>();

  function getStep(
    name: string,
    { group = name, dependsOn = [] }: Partial<StepRecord> = {},
  ): StepRecord {
    const known = steps.get(name) ?? { ...NOT_RUN, name, group, dependsOn };
    steps.set(name, known);
    return known;
  }

  for (const event of events) {
    switch (event.event) {
      case "run.planned":
        // A plugin may have added steps: the last plan wins.
        for (const step of event.steps) getStep(step.name, step);
        break;
      case "step.queued":
        getStep(event.step).queuedMs = event.ms;
        break;
      case "step.started": {
        const step = getStep(event.step);
        step.startMs ??= event.ms;
        step.startedAt ??= new Date(event.time);
        running.set(event.step, createAttempt(event));
        break;
      }
      case "service.ready":
        getStep(event.step).readyMs = event.ms;
        break;
      case "step.retrying":
        running.delete(event.step);
        if (!failed.has(event.step)) failed.set(event.step, []);
        failed.get(event.step)!.push(event.attempt);
        break;
      case "step.ended":
        running.delete(event.step);
        failed.delete(event.step);
        applyEnd(getStep(event.step), event);
        break;
    }
  }
  const reason = isRunning ? {} : { reason: INTERRUPTED };
  for (const step of steps.values()) {
    const attempt = running.get(step.name);
    const earlier = failed.get(step.name) ?? [];
    if (step.endMs !== undefined) continue;
    if (isRunning) step.state = findStepState(step, attempt);
    if (step.startMs === undefined) continue;
    Object.assign(step, reason);
    step.durationMs = lastMs - step.startMs;
    step.attempts = attempt === undefined ? earlier : [
      ...earlier,
      { ...attempt, durationMs: lastMs - attempt.startMs, ...reason },
    ];
  }
  return [...steps.values()];
}

/** Finds the state of an unfinished step of an active run. */
function findStepState(
  { queuedMs, startMs }: StepRecord,
  attempt: AttemptRecord | undefined,
): StepState {
  if (attempt !== undefined) return "running";
  if (startMs !== undefined) return "retrying";
  return queuedMs === undefined ? "waiting" : "queued";
}

/** A step whose name is all that is recorded. */
const NOT_RUN = {
  outcome: "cancelled",
  conclusion: "cancelled",
  exitCode: null,
  signal: null,
  startedAt: null,
  durationMs: 0,
  attempts: [],
  outputs: [],
  tail: [],
  styledTail: [],
} as const satisfies Omit<StepRecord, "name" | "group" | "dependsOn">;

function createAttempt(event: EventOf<"step.started">): AttemptRecord {
  return {
    number: event.attempt,
    startMs: event.ms,
    durationMs: 0,
    outcome: "cancelled",
    exitCode: null,
    signal: null,
    ...event.spanId === undefined ? {} : { spanId: event.spanId },
  };
}

function applyEnd(step: StepRecord, event: EventOf<"step.ended">): void {
  const { step: _name, event: _event, time: _time, flaky: _flaky, ms, ...end } =
    event;
  Object.assign(step, {
    ...end,
    outputs: end.outputs ?? [],
    tail: end.tail?.map(withoutSequences) ?? [],
    styledTail: end.tail ?? [],
    startedAt: end.startedAt === null ? null : new Date(end.startedAt),
    endMs: ms,
  });
  // A step occupies its slot before its first attempt starts, until it ends.
  if (step.startMs !== undefined) {
    step.startMs = Math.min(step.startMs, Math.max(0, ms - end.durationMs));
  }
}

/** Maximum size of a record, in bytes. */
const MAX_BYTES = 256 * 1024 * 1024;

/** Allowed locations of a record. */
export interface RecordFileOptions {
  /**
   * Absolute path of a directory that links must not leave.
   *
   * @default {anywhere}
   */
  base?: string;
}

/** The text of a record. */
export interface RecordText {
  readonly text: string;
  /** Whether the run is still active, if the record has no end. */
  readonly isRunning: boolean;
}

/**
 * Reads the text of a record, which a job may have replaced.
 *
 * @param path Absolute path.
 * @param options Allowed locations.
 * @throws {Error} If it cannot be read, or is too large.
 */
export async function readRecordText(
  path: string,
  options: RecordFileOptions = {},
): Promise<RecordText> {
  await using file = await openUntrusted(path, options);
  if (file.size > MAX_BYTES) {
    throw new Error(`it is larger than ${MAX_BYTES} bytes`);
  }
  // Checked first: a run that ends now releases the lock after its last line.
  const isRunning = await file.isLocked() ?? true;
  const bytes = await readToEnd(file, 0, MAX_BYTES);
  return { text: new TextDecoder().decode(bytes), isRunning };
}

/**
 * Reads the record of a run from its file.
 *
 * @param path Absolute path.
 * @param options Allowed locations.
 * @throws {Error} If it cannot be read, or is not a record.
 */
export async function readRecordFile(
  path: string,
  options: RecordFileOptions = {},
): Promise<RunRecord> {
  const { text, isRunning } = await readRecordText(path, options);
  const record = readRecord(text, { isRunning });
  if (record !== undefined) return record;
  throw new Error("it is not a run record");
}

/** Maximum number of records of jobs that are read. */
const MAX_RECORDS = 200;

/**
 * Reads the records of the jobs of a workflow, if they are below its directory:
 * a job may have changed the record of the workflow to point at other files.
 *
 * @param record Record of the workflow.
 * @param directory Absolute path of its directory.
 * @returns Records by the indexes of the jobs; those that cannot be read are
 * left out.
 */
export async function readJobRecords(
  { steps }: RunRecord,
  directory: string,
): Promise<ReadonlyMap<number, RunRecord>> {
  const records = new Map<number, RunRecord>();
  const base = normalizePath(directory);
  for (const [index, { record: path }] of steps.entries()) {
    if (path === undefined || records.size === MAX_RECORDS) continue;
    const absolute = normalizePath(`${base}/${path}`);
    if (path.startsWith("/") || !isInside(base, absolute)) continue;
    try {
      records.set(index, await readRecordFile(absolute, { base }));
    } catch {
      // It was removed with the workspace of the job, or not moved along with
      // that of the workflow.
    }
  }
  return records;
}
