import type { JobConfig } from "../config/job_config.ts";
import { type Environment, Variable } from "../environment/variables.ts";
import { isInside } from "../job_path.ts";
import { maskEvent } from "../report/event_schema.ts";
import { exportRun } from "../report/export_otlp.ts";
import { recordOf } from "../report/run_record.ts";
import { RecordWriter } from "../report/record_writer.ts";
import type { AttemptRecord } from "../report/run_event.ts";
import {
  RECORD_FILE,
  RECORD_VERSION,
  type RunRecorder,
} from "../report/run_recorder.ts";
import { hasFailed } from "../report/summary_table.ts";
import type { AttemptResult, StepEvent } from "../steps/step.ts";
import { VERSION } from "../version.ts";
import type { TraceContext } from "./job_environment.ts";
import type { JobRun } from "./job_run.ts";
import { makeArtifacts } from "./job_directories.ts";

/** How many of its last lines the record keeps of a step that failed. */
const TAIL_LINES = 20;

/** Maximum length of such a line, in UTF-16 units. */
const MAX_LINE_LENGTH = 2_000;

/** Options for {@linkcode openRecord}. */
export interface OpenRecordOptions {
  /** Trace to which the job belongs. */
  trace: TraceContext;
  /** What is there by now. */
  when: "before the sources" | "after the sources";
}

/**
 * Opens the record of a run: the file that was asked for, or one in the
 * directory for artifacts.
 *
 * @param run The run.
 * @param config Configuration of the job.
 * @param options Trace, and what is there by now.
 * @returns The writer, to be finished when the run is over; `undefined` if the
 * file has to wait, because a source goes where it is to be.
 * @throws {RunnerError} `workspace`, if the directory cannot be made.
 */
export async function openRecord(
  run: JobRun,
  config: JobConfig,
  { trace, when }: OpenRecordOptions,
): Promise<RecordWriter | undefined> {
  const { host, workspace, masker, logger } = run.parts;
  const { record } = config.output;
  const path = record === undefined || record.startsWith("/")
    ? record
    : `${host.cwd}/${record}`;
  if (
    when === "before the sources" && path === undefined && isInSource(config)
  ) {
    return undefined;
  }
  const slash = path?.lastIndexOf("/") ?? 0;
  const place = path === undefined
    ? {
      directory: await makeArtifacts(workspace, config),
      name: fileName(host.env),
      isOwn: true,
    }
    : {
      directory: path.slice(0, slash) || "/",
      name: path.slice(slash + 1),
      isOwn: false,
    };
  beginRecord(run, trace);
  return await RecordWriter.open(run.recorder, {
    ...place,
    maskText: (text) => masker.maskText(text),
    onWarning: (message) => logger.warn("record", message),
  });
}

function beginRecord(
  { recorder, parts: { run } }: JobRun,
  { traceId, spanId, parentSpanId, sampled }: TraceContext,
): void {
  if (recorder.events[0]?.event === "run.started") return;
  recorder.begin({
    version: RECORD_VERSION,
    kind: "job",
    id: run.id,
    runner: { version: VERSION, deno: Deno.version.deno },
    trace: {
      traceId,
      spanId,
      ...parentSpanId === undefined ? {} : { parentSpanId },
      sampled,
    },
  });
}

/**
 * Exports a run that is over to a collector of OpenTelemetry.
 *
 * @param run The run.
 * @param trace Trace to which the job belongs.
 */
export async function exportRecord(
  run: JobRun,
  trace: TraceContext,
): Promise<void> {
  const { host, masker, logger } = run.parts;
  beginRecord(run, trace);
  const record = recordOf(
    run.recorder.events.map((event) =>
      maskEvent(event, (text) => masker.maskText(text))
    ),
  );
  if (record === undefined) return;
  if (host.env.OTEL_DENO === "true") {
    logger.warn(
      "otel",
      "OTEL_DENO is set: Deno exports addresses that the runner requests unmasked, and may hold the end of the run for 10 s",
    );
  }
  await exportRun(
    record,
    host.env,
    (message) => logger.warn("otel", message),
  );
}

/** What is there before a source is prepared would be in its way. */
function isInSource({ artifactsDir, sourceDir }: JobConfig): boolean {
  return isInside(sourceDir, artifactsDir) || isInside("/job/ci", artifactsDir);
}

/** A job that a program of another job runs does not replace the other's record. */
function fileName(env: Environment): string {
  const isNested = (env[Variable.workspaceLock] ?? "") !== "";
  if (!isNested) return RECORD_FILE;
  return `run-${crypto.randomUUID().slice(0, 8)}.jsonl`;
}

/** What the record of a step has besides its result. */
export interface StepDetails {
  /** Its last lines, masked, as far as it has any. */
  tail: (step: string) => readonly string[] | undefined;
  /** Names of its outputs. */
  outputs: (step: string) => readonly string[];
}

/**
 * Records what happens to the steps of a job.
 *
 * @param recorder The run.
 * @param details What is known of a step when it has ended.
 * @returns Takes events, unmasked.
 */
export function recordSteps(
  recorder: RunRecorder,
  details: StepDetails,
): (event: StepEvent) => void {
  const starts = new Map<string, { startMs: number; spanId: string }[]>();
  const attemptOf = (
    step: string,
    { startedAt: _, ...attempt }: AttemptResult,
  ): AttemptRecord => ({
    ...attempt,
    ...starts.get(step)?.[attempt.number - 1] ?? { startMs: 0 },
  });
  return (event) => {
    switch (event.type) {
      case "planned":
        return recorder.add("run.planned", {
          steps: event.steps.map(({ name, group, dependsOn }) => ({
            name,
            ...group === name ? {} : { group },
            dependsOn,
          })),
        });
      case "queued":
        return recorder.add("step.queued", { step: event.step });
      case "started": {
        const { step, attempt, spanId } = event;
        const start = { startMs: recorder.ms, spanId };
        starts.set(step, [...starts.get(step) ?? [], start]);
        return recorder.add("step.started", { step, attempt, spanId });
      }
      case "retrying": {
        const { step, last, delayMs } = event;
        const attempt = attemptOf(step, last);
        return recorder.add("step.retrying", { step, attempt, delayMs });
      }
      case "ended": {
        const { name, attempts: _, attemptResults, ...result } = event.result;
        const { startedAt } = result;
        const outputs = details.outputs(name);
        return recorder.add("step.ended", {
          step: name,
          ...result,
          startedAt: startedAt === null ? null : startedAt.toISOString(),
          attempts: attemptResults.map((attempt) => attemptOf(name, attempt)),
          ...outputs.length === 0 ? {} : { outputs },
          ...hasFailed(result) ? { tail: tailOf(details.tail(name)) } : {},
        });
      }
    }
  };
}

function tailOf(lines: readonly string[] = []): readonly string[] {
  return lines.slice(-TAIL_LINES).map((line) =>
    line.slice(0, MAX_LINE_LENGTH).toWellFormed()
  );
}
