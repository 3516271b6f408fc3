import type { ConditionContext, NeedState, Step } from "../step.ts";

/** What a condition depends on, besides the steps that a step waits for. */
export interface JobState extends Omit<ConditionContext, "needs"> {
  /** Whether a step failed that this one depends on, directly or not. */
  readonly hasFailedAncestor: boolean;
  /** Why no step starts any more that runs only when all is well. */
  readonly stopReason: string | undefined;
}

/**
 * Judges whether a step runs, now that those it waits for are over.
 *
 * @param step The step.
 * @param needs How those ended, by name.
 * @param state Where the job is.
 * @returns Why it is skipped; `undefined`, if it runs.
 * @throws What a condition that is a function throws.
 */
export function skipReason(
  { condition = "all_success" }: Step,
  needs: Readonly<Record<string, NeedState>>,
  { stopReason, hasFailed, isCancelled, hasFailedAncestor }: JobState,
): string | undefined {
  if (typeof condition === "function") {
    return condition({ needs, hasFailed, isCancelled })
      ? undefined
      : "its condition does not hold";
  }
  if (condition === "always") return undefined;
  if (condition === "any_failed") {
    return hasFailedAncestor ? undefined : "no step that it depends on failed";
  }
  const missing = Object.entries(needs).find(([, { conclusion }]) =>
    conclusion !== "success"
  );
  if (missing !== undefined) {
    const [name, { conclusion }] = missing;
    return `"${name}" ${conclusionText(conclusion)}`;
  }
  return stopReason;
}

/**
 * Tells whether a conclusion counts as a failure, as the coordinator counts.
 *
 * @param conclusion Conclusion of a step.
 * @returns Whether it is one.
 */
export function isFailure(conclusion: NeedState["conclusion"]): boolean {
  return conclusion === "failed" || conclusion === "cancelled" ||
    conclusion === "timeout";
}

function conclusionText(conclusion: NeedState["conclusion"]): string {
  if (conclusion === "timeout") return "ran into its time limit";
  if (conclusion === "failed") return "failed";
  return `was ${conclusion}`;
}
