/** Outcome of a step: `skipped` never ran, `neutral` had nothing to do. */
export type SummaryStatus =
  | "success"
  | "failed"
  | "cancelled"
  | "timeout"
  | "skipped"
  | "neutral";

/** State of a step that has not ended. */
export type StepState = "waiting" | "queued" | "running" | "retrying";

/** How a step ended. */
export interface StepOutcome {
  /** Outcome of the step itself. */
  readonly outcome: SummaryStatus;
  /** Effect on the job. */
  readonly conclusion: SummaryStatus;
  /** Exit code; `null` for a step that never ran. */
  readonly exitCode: number | null;
  /** Signal that ended the step. */
  readonly signal?: string | null;
  /** Its current state; missing if the step or its run has ended. */
  readonly state?: StepState;
  /** Whether it did not run, because its result was in the cache. */
  readonly cached?: boolean;
}

/**
 * Checks whether a step makes its job fail.
 *
 * @returns `false` for a step whose failure is allowed, or that was cancelled.
 */
export function hasFailed(step: StepOutcome): boolean {
  return isFailure(step) && step.conclusion !== "success";
}

/**
 * Checks whether a step failed without making its job fail.
 *
 * @returns `false` for a successful step.
 */
export function isAllowed(step: StepOutcome): boolean {
  return isFailure(step) && step.conclusion === "success";
}

/**
 * Checks whether a step succeeded only after a failed attempt.
 *
 * @param step Outcome and attempts, or their number.
 */
export function isFlaky(
  { outcome, attempts }: {
    readonly outcome: SummaryStatus;
    readonly attempts: number | readonly unknown[];
  },
): boolean {
  const count = typeof attempts === "number" ? attempts : attempts.length;
  return outcome === "success" && count > 1;
}

/**
 * Describes the outcome of a step.
 *
 * @returns Text such as `success`, `cached`, `exit code 3`, `timeout, allowed`
 * or `running`.
 */
export function outcomeText(step: StepOutcome): string {
  return isAllowed(step)
    ? `${describeOutcome(step)}, allowed`
    : describeOutcome(step);
}

function isFailure({ outcome }: StepOutcome): boolean {
  return outcome === "failed" || outcome === "timeout";
}

function describeOutcome(step: StepOutcome): string {
  const { outcome, exitCode, signal, state, cached } = step;
  if (state !== undefined) return state;
  if (cached) return "cached";
  if (outcome !== "failed") return outcome;
  if (signal) return signal;
  return exitCode ? `exit code ${exitCode}` : "failed";
}

/** Signs of results and states; others have a dash. */
const MARKS: Readonly<Record<string, string>> = {
  success: "✓",
  neutral: "○",
  failed: "✗",
  timeout: "✗",
  allowed: "!",
  waiting: "·",
  queued: "·",
  running: "▸",
  retrying: "↻",
};

/**
 * Returns the sign of a result or state, which shows it without colors.
 *
 * @returns One character.
 */
export function getResultMark(result: string): string {
  return MARKS[result] ?? "–";
}
