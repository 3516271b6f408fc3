import { RunnerError } from "../../../errors.ts";

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
