import { RunnerError } from "../errors.ts";
import type { JobStatus, StepResult } from "../steps/step.ts";
import type { PluginMetric, PluginTiming } from "../plugins/run_phase.ts";
import type { Trigger } from "../triggers/trigger_options.ts";
import type { RunState } from "./run_state.ts";
import type { TerminationSignal } from "../host.ts";
import type { Cancellation } from "../process/cancellation.ts";
import { signalExitCode } from "../process/spawn.ts";

/** Result of a job. */
export interface JobResult {
  /** How the job ended. */
  readonly status: JobStatus;
  /**
   * Exit code of the job: the exit code of its command, 128+N if signal N ended
   * the command, 124 after a timeout, and 1 if something other than the command
   * failed. A job that is cancelled by a signal has 143 for SIGTERM, 130 for
   * SIGINT, 131 for SIGQUIT, and 129 for SIGHUP.
   */
  readonly exitCode: number;
  /** Results of the steps, in the order of their definitions. */
  readonly steps: readonly StepResult[];
  /** Follow-up jobs that were submitted or written to a file. */
  readonly triggers: readonly Trigger[];
  /** ID of the trace that contains the job: 32 hexadecimal digits. */
  readonly traceId: string;
  /** Duration of the whole job, in milliseconds. */
  readonly durationMs: number;
  /** First error; `undefined` if there was none. */
  readonly error: Error | undefined;
  /** Errors after the first one, while the job was ending. */
  readonly laterErrors: readonly Error[];
  /** Duration of each plugin in each phase. */
  readonly hooks: readonly PluginTiming[];
  /** Metrics that plugins recorded. */
  readonly metrics: readonly PluginMetric[];
}

/** Creates the result of a job that has ended. */
export function createJobResult(run: RunState): JobResult {
  const { runner: { masker }, error, laterErrors, hooks, metrics } = run;
  return {
    status: statusOf(error),
    exitCode: exitCodeOf(error),
    steps: run.results.map((step) =>
      maskedResult(step, (text) => masker.maskText(text))
    ),
    triggers: run.submitted,
    traceId: run.trace.traceId,
    durationMs: run.system.clock.now() - run.startedAtMs,
    error,
    laterErrors,
    hooks,
    metrics,
  };
}

/** Returns the status of a job with this first error. */
export function statusOf(error: Error | undefined): JobStatus {
  if (error === undefined) return "success";
  if (!(error instanceof RunnerError)) return "failed";
  if (error.code === "cancelled") return "cancelled";
  return error.code === "command-timeout" ? "timeout" : "failed";
}

/** Returns the exit code of a job with this first error. */
export function exitCodeOf(error: Error | undefined): number {
  if (error === undefined) return 0;
  return error instanceof RunnerError ? error.exitCode : 1;
}

/**
 * Masks the reasons in the result of a step.
 *
 * @returns The masked result; the same object if it contains no reason.
 */
export function maskedResult(
  result: StepResult,
  mask: (text: string) => string,
): StepResult {
  const { reason, attemptResults } = result;
  if (reason === undefined && attemptResults.length < 2) return result;
  return {
    ...result,
    ...reason === undefined ? {} : { reason: mask(reason) },
    attemptResults: attemptResults.map((attempt) =>
      attempt.reason === undefined
        ? attempt
        : { ...attempt, reason: mask(attempt.reason) }
    ),
  };
}

/**
 * Records a failure. The first one is the error of the job.
 *
 * @param thrown Thrown value.
 */
export function recordFailure(run: RunState, thrown: unknown): void {
  const { cancellation, runner } = run;
  const { signal } = cancellation;
  if (run.error === undefined && signal !== null && isPluginError(thrown)) {
    // The job was cancelled first; the failure of the plugin is a consequence.
    run.error = cancelledError(signal);
    runner.logger.error("plugins", thrown.message);
  }
  const error = isCancellation(thrown, cancellation)
    ? cancelledError(signal!)
    : thrown instanceof Error
    ? thrown
    : new Error(String(thrown));
  if (run.error === undefined) run.error = error;
  else run.laterErrors.push(error);
}

/** Checks whether an error only means that the job was cancelled. */
function isCancellation(thrown: unknown, { signal }: Cancellation): boolean {
  return signal !== null && thrown instanceof DOMException &&
    thrown.name === "AbortError";
}

function isPluginError(thrown: unknown): thrown is RunnerError {
  return thrown instanceof RunnerError && thrown.code === "plugin-failed";
}

/**
 * Creates the error of a job that was cancelled.
 *
 * @param signal Signal that cancelled the job.
 * @returns The error, with the exit code of a program that the signal
 * terminates.
 */
export function cancelledError(signal: TerminationSignal): RunnerError {
  return new RunnerError(`The job was cancelled by ${signal}`, {
    code: "cancelled",
    exitCode: signalExitCode(signal),
  });
}

/** Masks secrets in the errors of a run before they leave the runner. */
export async function maskErrors(run: RunState): Promise<void> {
  const { error, laterErrors, runner: { masker } } = run;
  if (error === undefined && laterErrors.length === 0) return;
  const { maskError } = await import("../secrets/masked_error.ts");
  if (error) run.error = maskError(error, masker);
  for (const [index, later] of laterErrors.entries()) {
    laterErrors[index] = maskError(later, masker);
  }
}
