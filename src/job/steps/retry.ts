import type { RetryConfig } from "../../config/step_config.ts";

/**
 * Tells whether a step that failed is tried again.
 *
 * @param retry How the step is tried again.
 * @param attempt Number of the attempt that failed, from 1.
 * @param exitCode Its exit code.
 * @returns Whether there is another attempt.
 */
export function isTriedAgain(
  retry: RetryConfig | undefined,
  attempt: number,
  exitCode: number | null,
): boolean {
  if (retry === undefined || attempt >= retry.attempts) return false;
  const { exitCodes } = retry;
  return exitCodes === undefined ||
    (exitCode !== null && exitCodes.includes(exitCode));
}
