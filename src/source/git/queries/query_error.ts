import { RunnerError } from "../../../errors.ts";

/** What was asked cannot be known from the history that was fetched. */
export class MissingHistoryError extends RunnerError {}

/**
 * Creates the error of a question that has no answer.
 *
 * @param action What could not be done, and to what.
 * @param reason Why.
 * @param cause What it comes from.
 * @returns The error, with code `source-failed`.
 */
export function queryError(
  action: string,
  reason: string,
  cause?: unknown,
): RunnerError {
  return new RunnerError(`Cannot ${action}: ${reason}`, {
    code: "source-failed",
    cause,
  });
}

/**
 * Creates the error of a question for which more of the history is needed.
 *
 * @param action What could not be done, and to what.
 * @param reason Why.
 * @returns The error, with code `source-failed`.
 */
export function missingHistory(
  action: string,
  reason: string,
): MissingHistoryError {
  return new MissingHistoryError(`Cannot ${action}: ${reason}`, {
    code: "source-failed",
  });
}
