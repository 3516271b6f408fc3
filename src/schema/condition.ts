import { oneOf } from "../suggest.ts";

/**
 * When a step or job runs after all of its dependencies have ended.
 *
 * | condition | runs if |
 * | --- | --- |
 * | `all_success` | all dependencies succeeded; a skipped one counts as not succeeded |
 * | `any_failed` | a dependency failed, was cancelled or timed out; for a step, indirect dependencies count as well |
 * | `always` | all dependencies have ended, with any result |
 *
 * With `any_failed`, a step or job without dependencies never runs.
 */
export type Condition = "all_success" | "any_failed" | "always";

/**
 * All spellings of conditions.
 *
 * The coordinator understands exactly these. It silently skips a job with any
 * other condition.
 */
export const CONDITIONS: Readonly<Record<string, Condition>> = {
  all_success: "all_success",
  any_failed: "any_failed",
  always: "always",
  "": "all_success",
  "all_success(needs)": "all_success",
  "any_failed(needs)": "any_failed",
  "always()": "always",
};

/** Source of a regular expression that matches all spellings. */
export const CONDITION_PATTERN: string = `^\\s*(${
  Object.keys(CONDITIONS)
    .map((spelling) => spelling.replace(/[()]/g, "\\$&"))
    .join("|")
})\\s*$`;

/** Usual spellings of conditions. */
export const CONDITION_NAMES: readonly Condition[] = [
  "all_success",
  "any_failed",
  "always",
];

/** Allowed conditions, for messages. */
export const CONDITION_WORDS: string = oneOf(CONDITION_NAMES);

/**
 * Parses a condition, ignoring white space around it.
 *
 * @returns The condition; `undefined` if the value is not one.
 */
export function parseCondition(value: unknown): Condition | undefined {
  if (typeof value !== "string") return undefined;
  const text = value.trim();
  return Object.hasOwn(CONDITIONS, text) ? CONDITIONS[text] : undefined;
}

/** Description of the key `condition` of a job or a step. */
export function conditionDescription(subject: "job" | "step"): string {
  return `Condition for running the ${subject}, checked when its dependencies have ended.`;
}
