import type {
  StepEvent,
  StepResult,
  StepStatus,
} from "../../src/steps/step.ts";

/** Says that steps are part of the job. */
export function planned(...names: string[]): StepEvent {
  const steps = names.map((name) => ({ name, group: name, dependsOn: [] }));
  return { type: "planned", steps };
}

/** Says that an attempt begins. */
export function started(step: string, attempt: number = 1): StepEvent {
  return { type: "started", step, attempt, spanId: "0".repeat(16) };
}

/** Says that an attempt failed and another one follows. */
export function retrying(
  step: string,
  attempt: number,
  delayMs: number,
  reason: string,
): StepEvent {
  const last = {
    number: attempt - 1,
    startedAt: new Date(0),
    durationMs: 0,
    outcome: "failed",
    exitCode: 1,
    signal: null,
    reason,
  } as const;
  return { type: "retrying", step, attempt, delayMs, reason, last };
}

/** Says that a step is over. */
export function ended(
  name: string,
  outcome: StepStatus = "success",
  conclusion: StepStatus = outcome,
): StepEvent {
  const result: StepResult = {
    name,
    outcome,
    conclusion,
    exitCode: 0,
    signal: null,
    attempts: 1,
    attemptResults: [],
    startedAt: null,
    durationMs: 0,
  };
  return { type: "ended", result };
}
