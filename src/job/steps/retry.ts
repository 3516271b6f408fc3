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

/**
 * Tells how long to wait before another attempt.
 *
 * @param retry How the step is tried again.
 * @param attempt Number of the attempt that failed, from 1.
 * @param chance A number from 0 up to but not including 1.
 * @returns Time in milliseconds.
 */
export function retryDelay(
  retry: RetryConfig,
  attempt: number,
  chance: number,
): number {
  const { delayMs = 1_000, factor = 2, maxDelayMs = 60_000, jitter = 0.5 } =
    retry;
  const longest = Math.min(delayMs * factor ** (attempt - 1), maxDelayMs);
  return Math.round(longest * (1 - jitter * chance));
}
