import type {
  StepEvent,
  StepResult,
  StepStatus,
} from "../../src/steps/step.ts";

/** Creates the event of the planned steps. */
export function planned(...names: string[]): StepEvent {
  const steps = names.map((name) => ({ name, group: name, dependsOn: [] }));
  return { type: "planned", steps };
}

/** Creates the event of an attempt that starts. */
export function started(step: string, attempt: number = 1): StepEvent {
  return { type: "started", step, attempt, spanId: "0".repeat(16) };
}

/** Creates the event of a failed attempt that is followed by another one. */
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

/** Creates the event of a step that has ended. */
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
