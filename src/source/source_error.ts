import { RunnerError } from "../errors.ts";

/**
 * Creates the error of a source that cannot be prepared or read.
 *
 * @param action Failed action with its object, such as `read "file"`.
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
