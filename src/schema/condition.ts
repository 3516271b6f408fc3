/**
 * When a step or a job runs, once everything that it depends on is over.
 *
 * | condition | runs if |
 * | --- | --- |
 * | `all_success` | all dependencies succeeded; a skipped one did not |
 * | `any_failed` | one of them failed, was cancelled or timed out; for a step, also one that they depend on |
 * | `always` | they are over, however they ended |
 *
 * With `any_failed`, a step or job without dependencies never runs.
 */
export type Condition = "all_success" | "any_failed" | "always";

/**
 * Spellings of conditions.
 *
 * These are the ones that the coordinator understands. It skips a job that has
 * any other condition without an error.
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

/** Source of a regular expression that matches every spelling. */
export const CONDITION_PATTERN: string = `^\\s*(${
  Object.keys(CONDITIONS)
    .map((spelling) => spelling.replace(/[()]/g, "\\$&"))
    .join("|")
})\\s*$`;

/** What a condition may be, for messages that say what is allowed. */
export const CONDITION_WORDS = '"all_success", "any_failed" or "always"';

/**
 * Reads a condition. White space around it does not count.
 *
 * @param value Value from any document or caller.
 * @returns The condition; `undefined`, if it is none.
 */
export function parseCondition(value: unknown): Condition | undefined {
  if (typeof value !== "string") return undefined;
  const text = value.trim();
  return Object.hasOwn(CONDITIONS, text) ? CONDITIONS[text] : undefined;
}
