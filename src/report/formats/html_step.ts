import type { StepRecord } from "../run_record.ts";
import { isAllowed } from "../step_outcome.ts";
import { type Html, raw } from "./html_text.ts";

/** Signs of results; other results have a dash. */
const MARKS: Readonly<Record<string, string>> = {
  success: "✓",
  neutral: "○",
  failed: "✗",
  timeout: "✗",
  allowed: "!",
  running: "▸",
  retrying: "↻",
};

/**
 * Returns the result of a step, as a class of the page's style.
 *
 * @returns Its outcome or state, or `allowed` if its failure is allowed.
 */
export function resultClass(step: StepRecord): string {
  return step.state ?? (isAllowed(step) ? "allowed" : step.outcome);
}

/**
 * Returns the sign of a result, which shows it without colors.
 *
 * @returns One character.
 */
export function markOf(result: string): string {
  return MARKS[result] ?? "–";
}

/**
 * Writes the sign of a result in its color.
 *
 * @param result A result; another text gets a dash.
 * @returns HTML that screen readers skip.
 */
export function markHtml(result: string): Html {
  return raw(`<span class="mark" aria-hidden="true">${markOf(result)}</span>`);
}
