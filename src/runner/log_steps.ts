import type { LogFields, Logger } from "../output/logger.ts";
import type { StepLog } from "../output/job_log.ts";
import { pause } from "../process/time_limit.ts";
import { formatDuration } from "../report/record_text.ts";
import { outcomeText } from "../report/step_outcome.ts";
import type { StepEvent } from "../steps/step.ts";

/**
 * Time without output after which a step is logged as still running, in
 * milliseconds.
 */
const STILL_MS = 60_000;

/** Options for {@linkcode logSteps}. */
export interface LogStepsOptions {
  /** Logger for the lines. */
  logger: Logger;
  /** ID of the trace that contains the job. */
  traceId: string;
  /** Whether lines are JSON objects with fields. */
  isJson: boolean;
  /**
   * Time without output after which a step is logged as still running, in
   * milliseconds.
   *
   * @default {60_000}
   */
  stillMs?: number;
}

/** State of a running step. */
interface RunningStep {
  /** Span of its last attempt. */
  readonly spanId: string;
  readonly startMs: number;
  /** Time of the last line about the step. */
  lastLineMs: number;
  /** Log of the step, with the time of its last output. */
  log?: StepLog;
}

/** Log lines about the steps of a job, where no live view shows them. */
export interface StepLines extends AsyncDisposable {
  /** Logs an event of a step. */
  onEvent(event: StepEvent): void;
  /** Resolves when all lines are written; never rejects. */
  written(): Promise<void>;
  /** Watches the output of a running step. */
  watch(step: string, log: StepLog): void;
}

/**
 * Logs the start, retries and end of each step, and that a silent step is still
 * running.
 *
 * @param options Logger and style.
 * @returns Receiver of events; dispose of it when all steps have ended.
 */
export function logSteps(options: LogStepsOptions): StepLines {
  const { logger, traceId, isJson, stillMs = STILL_MS } = options;
  const running = new Map<string, RunningStep>();
  const over = new AbortController();

  function logLine(step: string, text: string, fields: LogFields): void {
    const { spanId } = running.get(step) ?? {};
    const span = {
      ...spanId === undefined ? {} : { span_id: spanId },
      trace_id: traceId,
    };
    logger.info(
      "steps",
      `${step}: ${text}`,
      isJson ? { step, ...fields, ...span } : {},
    );
  }

  function onEvent(event: StepEvent): void {
    const now = performance.now();
    switch (event.type) {
      case "started": {
        const { step, attempt, spanId } = event;
        const { startMs = now } = running.get(step) ?? {};
        running.set(step, { spanId, startMs, lastLineMs: now });
        if (attempt > 1) return;
        logLine(step, "started", { event: "started", attempt });
        return;
      }
      case "ready": {
        const { step, durationMs } = event;
        // A service may stay silent for as long as it runs.
        const state = running.get(step);
        if (state !== undefined) state.lastLineMs = Infinity;
        logLine(step, `ready after ${formatDuration(durationMs)}`, {
          event: "ready",
          duration_ms: Math.round(durationMs),
        });
        return;
      }
      case "retrying": {
        const { step, attempt, delayMs, last } = event;
        logLine(
          step,
          `attempt ${attempt - 1} failed (${
            outcomeText({
              ...last,
              conclusion: last.outcome,
            })
          }), the next one starts in ${formatDuration(delayMs)}`,
          {
            event: "retrying",
            attempt: attempt - 1,
            exit_code: last.exitCode,
            delay_ms: Math.round(delayMs),
          },
        );
        return;
      }
      case "ended": {
        const { name, startedAt, durationMs, reason } = event.result;
        const { outcome, conclusion, exitCode, attempts } = event.result;
        const time = startedAt === null
          ? ""
          : ` in ${formatDuration(durationMs)}`;
        logLine(
          name,
          `${outcomeText(event.result)}${time}${
            reason === undefined ? "" : ` (${reason.replace(/\s+/g, " ")})`
          }`,
          {
            event: "ended",
            outcome,
            conclusion,
            attempts,
            duration_ms: Math.round(durationMs),
            ...exitCode === null ? {} : { exit_code: exitCode },
            ...reason === undefined ? {} : { reason },
          },
        );
        running.delete(name);
        return;
      }
    }
  }

  function logSilentSteps(): void {
    const now = performance.now();
    for (const [step, state] of running) {
      const lastActivityMs = Math.max(
        state.lastLineMs,
        state.log?.lastOutputMs ?? 0,
      );
      if (now - lastActivityMs < stillMs) continue;
      state.lastLineMs = now;
      const durationMs = now - state.startMs;
      logLine(step, `still running after ${formatDuration(durationMs)}`, {
        event: "running",
        duration_ms: Math.round(durationMs),
      });
    }
  }

  async function watchSilence(): Promise<void> {
    // Checking twice per period limits the delay of a notice to half of it.
    while (!over.signal.aborted) {
      await pause(stillMs / 2, over.signal);
      if (!over.signal.aborted) logSilentSteps();
    }
  }

  const watching = watchSilence();
  return {
    onEvent,
    // A job does not fail because messages of the runner are lost.
    written: () => logger.flush().catch(() => {}),
    watch(step, log) {
      const state = running.get(step);
      if (state !== undefined) state.log = log;
    },
    async [Symbol.asyncDispose]() {
      over.abort();
      await watching;
    },
  };
}
