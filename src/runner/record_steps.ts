import type { JobLog, RenamedLogs } from "../output/job_log.ts";
import type { CacheUseRecord } from "../config/step_cache_config.ts";
import type { LogExporter } from "../report/export_logs.ts";
import type { AttemptRecord, RunRecorder } from "../report/run_event.ts";
import { recordedTail } from "../report/record_writer.ts";
import { hasFailed, isFlaky } from "../report/step_outcome.ts";
import type { AttemptResult, StepEvent } from "../steps/step.ts";

/** Details of ended steps other than their results, by name. */
export type StepDetails = Map<string, {
  /** Last lines of the output, masked. */
  readonly tail: readonly string[];
  /** Names of the outputs. */
  readonly outputs: readonly string[];
  /** Path of the log, relative to the current directory if it is below. */
  readonly log?: string;
  /** Size of the log, in bytes. */
  readonly logBytes?: number;
  /** Directories that it restored from the cache and saved. */
  readonly caches?: readonly CacheUseRecord[];
}>;

/** Options for {@linkcode recordSteps}. */
export interface RecordStepsOptions {
  /** Details of each step, set before its end is recorded. */
  details: StepDetails;
  /**
   * Returns the command that runs only a step again, masked.
   *
   * @default {unknown}
   */
  rerunOf?: (name: string) => string;
}

/**
 * Records the events of a job's steps.
 *
 * @param recorder Recorder of the run.
 * @param options Details of the steps.
 * @returns Receiver of unmasked events.
 */
export function recordSteps(
  recorder: RunRecorder,
  { details, rerunOf }: RecordStepsOptions,
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
          steps: event.steps.map(({ name, group, ...step }) => ({
            ...step,
            name,
            ...group === name ? {} : { group },
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
      case "ready": {
        const { step, durationMs } = event;
        return recorder.add("service.ready", { step, durationMs });
      }
      case "retrying": {
        const { step, last, delayMs } = event;
        const attempt = attemptOf(step, last);
        return recorder.add("step.retrying", { step, attempt, delayMs });
      }
      case "ended": {
        const { name, attempts: _, attemptResults, ...result } = event.result;
        const { startedAt } = result;
        const { outputs = [], log, logBytes, tail, caches } =
          details.get(name) ?? {};
        return recorder.add("step.ended", {
          step: name,
          ...result,
          startedAt: startedAt === null ? null : startedAt.toISOString(),
          attempts: attemptResults.map((attempt) => attemptOf(name, attempt)),
          ...isFlaky(event.result) ? { flaky: true } : {},
          ...outputs.length === 0 ? {} : { outputs },
          ...log === undefined ? {} : { log },
          ...logBytes === undefined ? {} : { logBytes },
          ...caches === undefined ? {} : { caches },
          ...recordedTail(result, tail),
          ...hasFailed(result) && rerunOf !== undefined
            ? { rerun: rerunOf(name) }
            : {},
        });
      }
    }
  };
}

/**
 * Forwards a step event to the exporter of the step's output.
 *
 * @param exporter The exporter.
 * @param event The event, unmasked.
 */
export function exportStepEvent(exporter: LogExporter, event: StepEvent): void {
  switch (event.type) {
    case "started":
      return exporter.startAttempt(event.step, event);
    case "retrying": {
      const { step, last, reason } = event;
      const text = `attempt ${last.number} failed: ${reason}`;
      return exporter.addFailure(step, "WARN", text);
    }
    case "ended": {
      const { name, outcome, exitCode, reason } = event.result;
      if (outcome !== "failed" && outcome !== "timeout") return;
      const why = reason ?? `exit code ${exitCode}`;
      return exporter.addFailure(name, "ERROR", `${outcome}: ${why}`);
    }
  }
}

/**
 * Masks the log of a job again. Its record follows files that are renamed.
 *
 * @returns Names of renamed files, by their names before.
 */
export async function remaskJobLog(
  { log, recorder }: {
    readonly log: JobLog | undefined;
    readonly recorder: RunRecorder;
  },
): Promise<RenamedLogs> {
  const renamed = await log?.remaskLogs() ?? new Map();
  recorder.renameLogs(renamed);
  return renamed;
}
