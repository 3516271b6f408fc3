/** How a step ended: `skipped` never ran, `neutral` found nothing to do. */
export type SummaryStatus =
  | "success"
  | "failed"
  | "cancelled"
  | "timeout"
  | "skipped"
  | "neutral";

/** What a summary tells of a step. */
export interface SummaryStep {
  /** Name of the step. */
  readonly name: string;
  /** What the step did by itself. */
  readonly outcome: SummaryStatus;
  /** What the job makes of it. */
  readonly conclusion: SummaryStatus;
  /** Exit code, `null` for a step that never ran. */
  readonly exitCode: number | null;
  /** Signal that ended the step. */
  readonly signal?: string | null;
  /** How often the step was started. */
  readonly attempts: number;
  /** When the step was started first, `null` for a step that never ran. */
  readonly startedAt: Date | null;
  /** How long it took, in milliseconds. */
  readonly durationMs: number;
  /** Why it ended as it did, if there is more to say than its exit code. */
  readonly reason?: string;
  /** The last lines that it printed, masked. */
  readonly tail: readonly string[];
}

/**
 * Tells whether a step is one of those for which a job fails.
 *
 * @param step The step.
 * @returns `false` for a step that was let fail, or ended by others.
 */
export function hasFailed(step: SummaryStep): boolean {
  return didFail(step) && step.conclusion !== "success";
}

/**
 * Tells whether a step failed, and the job makes nothing of it.
 *
 * @param step The step.
 * @returns `false` for a step that did well.
 */
export function isAllowed(step: SummaryStep): boolean {
  return didFail(step) && step.conclusion === "success";
}

/**
 * Says in a few words how a step ended.
 *
 * @param step The step.
 * @returns `success`, `exit code 3` or `timeout, allowed`, say.
 */
export function endingOf(step: SummaryStep): string {
  return isAllowed(step) ? `${outcomeOf(step)}, allowed` : outcomeOf(step);
}

function didFail({ outcome }: SummaryStep): boolean {
  return outcome === "failed" || outcome === "timeout";
}

function outcomeOf({ outcome, exitCode, signal }: SummaryStep): string {
  if (outcome !== "failed") return outcome;
  if (signal) return signal;
  return exitCode ? `exit code ${exitCode}` : "failed";
}
