import type { StepResult, StepStatus } from "../job_result.ts";
import type { PlannedStep } from "./planned_step.ts";
import type { StepEnd } from "./run_attempts.ts";

/**
 * Makes the result of a step that never ran.
 *
 * @param name Name of the step.
 * @param reason Why it did not run.
 * @param conclusion What the job makes of it.
 * @returns The result.
 */
export function notRun(
  name: string,
  reason: string,
  conclusion: StepStatus = "skipped",
): StepResult {
  return {
    name,
    outcome: "skipped",
    conclusion,
    exitCode: null,
    signal: null,
    attempts: 0,
    startedAt: null,
    durationMs: 0,
    reason,
  };
}

/**
 * Makes the result of a step that ran.
 *
 * @param step The step.
 * @param end How it ended.
 * @param startedAt When it was started first.
 * @param durationMs How long it took, in milliseconds.
 * @returns The result.
 */
export function resultOf(
  { name, definition }: PlannedStep,
  end: StepEnd,
  startedAt: Date,
  durationMs: number,
): StepResult {
  const { outcome, exitCode, signal, attempts, error, endJob } = end;
  // Its exit code tells all that there is to say of a command that failed.
  const reason = error?.code === "command-failed"
    ? undefined
    : error?.message ?? endJob;
  return {
    name,
    outcome,
    conclusion: conclusionOf(outcome, definition.continueOnError ?? false),
    exitCode,
    signal,
    attempts,
    startedAt,
    durationMs,
    ...reason === undefined ? {} : { reason },
  };
}

function conclusionOf(
  outcome: StepStatus,
  continueOnError: boolean,
): StepStatus {
  if (outcome === "neutral") return "success";
  const isForgiven = outcome === "failed" || outcome === "timeout";
  return isForgiven && continueOnError ? "success" : outcome;
}
