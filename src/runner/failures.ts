import { RunnerError } from "../errors.ts";
import type { EndingSignal } from "../host.ts";
import type { Cancellation } from "../process/cancellation.ts";
import { signalExitCode } from "../process/spawn.ts";
import type { JobStatus } from "../steps/step.ts";
import type { RunState } from "./run_state.ts";

/**
 * Records a failure. The first one is the error of the job.
 *
 * @param run The run.
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
export function cancelledError(signal: EndingSignal): RunnerError {
  return new RunnerError(`The job was cancelled by ${signal}`, {
    code: "cancelled",
    exitCode: signalExitCode(signal),
  });
}

/** Masks secrets in the errors of a run before they leave the runner. */
export async function maskErrors(run: RunState): Promise<void> {
  const { error, laterErrors, runner: { masker } } = run;
  if (error === undefined && laterErrors.length === 0) return;
  const { maskedError } = await import("./masked_error.ts");
  if (error) run.error = maskedError(error, masker);
  for (const [index, later] of laterErrors.entries()) {
    laterErrors[index] = maskedError(later, masker);
  }
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
