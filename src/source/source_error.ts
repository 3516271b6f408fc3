import { RunnerError } from "../errors.ts";

/**
 * Creates the error of a source that cannot be prepared or read.
 *
 * @param action What failed, and on what.
 * @param reason Why.
 * @param cause Error that led to it.
 * @returns The error, with code `source-failed`.
 */
export function sourceError(
  action: string,
  reason: string,
  cause?: unknown,
): RunnerError {
  return new RunnerError(`Cannot ${action}: ${reason}`, {
    code: "source-failed",
    cause,
  });
}
