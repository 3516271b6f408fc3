import { pause } from "./time_limit.ts";

/** Status codes of HTTP that are transient, in addition to 5xx. */
const TRANSIENT_STATUS = [408, 425, 429];

/** Maximum delay that a server can request, in milliseconds. */
const MAX_RETRY_AFTER_MS = 60_000;

/** Number of attempts of a failing action, and the delays between them. */
export interface RetryPolicy {
  /** Maximum number of attempts, including the first. */
  readonly attempts: number;
  /**
   * Delay before the second attempt, in milliseconds.
   *
   * @default {1_000}
   */
  readonly delayMs?: number;
  /**
   * Factor by which the delay grows with each attempt.
   *
   * @default {2}
   */
  readonly factor?: number;
  /**
   * Maximum delay, in milliseconds.
   *
   * @default {60_000}
   */
  readonly maxDelayMs?: number;
  /**
   * Maximum share of the delay that is subtracted at random, from 0 to 1, so
   * that runners that failed together do not retry together.
   *
   * @default {0.5}
   */
  readonly jitter?: number;
  /**
   * Time after which no new attempt starts, in milliseconds.
   *
   * @default {unlimited}
   */
  readonly maxElapsedMs?: number;
}

/** Options for {@linkcode createBackoff}. */
export interface BackoffOptions {
  /**
   * Called before each delay.
   *
   * @default {none}
   */
  readonly onRetry?: (reason: string, delayMs: number) => void;
  /** Aborts a delay. */
  readonly signal: AbortSignal;
}

/** Attempts and delays of one action. */
export interface Backoff {
  /**
   * Waits before the next attempt.
   *
   * @param reason Why the last attempt failed.
   * @param retryAfterMs Delay that the server requests, see {@linkcode
   * parseRetryAfter}; limited to one minute.
   * @returns Whether there is another attempt.
   * @throws {unknown} The reason of the signal once it is aborted.
   */
  next(reason: string, retryAfterMs?: number): Promise<boolean>;
}

/** Creates the backoff of one action. */
export function createBackoff(
  policy: RetryPolicy,
  options: BackoffOptions,
): Backoff {
  const { maxElapsedMs = Infinity } = policy;
  const { onRetry = () => {}, signal } = options;
  const start = performance.now();
  let attempt = 0;
  return {
    async next(reason, retryAfterMs = 0) {
      if (++attempt >= policy.attempts) return false;
      const chance = Math.random();
      // The delay that the server requests is never shortened, but jitter is
      // added.
      const requestedMs = retryAfterMs === 0 ? 0 : Math.min(
        retryAfterMs,
        MAX_RETRY_AFTER_MS,
      ) + retryDelay(policy, 1, 0) - retryDelay(policy, 1, chance);
      const waitMs = Math.max(retryDelay(policy, attempt, chance), requestedMs);
      if (performance.now() - start + waitMs > maxElapsedMs) return false;
      onRetry(reason, waitMs);
      await pause(waitMs, signal);
      signal.throwIfAborted();
      return true;
    },
  };
}

/**
 * Returns the delay before another attempt.
 *
 * @param attempt Number of the failed attempt, starting at 1.
 * @param chance Random number from 0 (included) to 1 (excluded).
 * @returns Delay in milliseconds.
 */
export function retryDelay(
  policy: RetryPolicy,
  attempt: number,
  chance: number,
): number {
  const { delayMs = 1_000, factor = 2, maxDelayMs = 60_000, jitter = 0.5 } =
    policy;
  const longest = Math.min(delayMs * factor ** (attempt - 1), maxDelayMs);
  return Math.round(longest * (1 - jitter * chance));
}

/** Checks whether a failed HTTP request may succeed when it is retried. */
export function isTransientStatus(status: number): boolean {
  return status >= 500 || TRANSIENT_STATUS.includes(status);
}

/**
 * The three date formats of RFC 9110, section 5.6.7; the last one has no time
 * zone.
 */
const HTTP_DATES = [
  /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/,
  /^[A-Z][a-z]+day, \d{2}-[A-Z][a-z]{2}-\d{2} \d{2}:\d{2}:\d{2} GMT$/,
  /^[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d{2}:\d{2}:\d{2} \d{4}$/,
];

/**
 * Parses a `Retry-After` header (RFC 9110, section 10.2.3): seconds, or a date.
 *
 * A date is compared with the `Date` header of the same response, because the
 * clock of the server may differ.
 *
 * @returns Delay in milliseconds; `undefined` without a valid header.
 */
export function parseRetryAfter(headers: Headers): number | undefined {
  const value = headers.get("retry-after")?.trim() ?? "";
  if (/^\d+$/.test(value)) return Number(value) * 1_000;
  const until = parseHttpDate(value);
  if (until === undefined) return undefined;
  const now = parseHttpDate(headers.get("date")?.trim() ?? "") ?? Date.now();
  return Math.max(0, until - now);
}

function parseHttpDate(text: string): number | undefined {
  const form = HTTP_DATES.findIndex((pattern) => pattern.test(text));
  if (form === -1) return undefined;
  const time = Date.parse(form === 2 ? `${text} GMT` : text);
  return Number.isNaN(time) ? undefined : time;
}
