import { onAbort } from "./cancellation.ts";
import { settlesWithin } from "./time_limit.ts";

/** Maximum length of a pause that a server can ask for, in milliseconds. */
const MAX_RETRY_AFTER_MS = 60_000;

/** How often a failed action is retried, and after which pauses. */
export interface RetryPolicy {
  /** Maximum number of attempts, the first one included. */
  readonly attempts: number;
  /**
   * Pause before the second attempt, in milliseconds.
   *
   * @default {1_000}
   */
  readonly delayMs?: number;
  /**
   * Factor by which the pause grows from attempt to attempt.
   *
   * @default {2}
   */
  readonly factor?: number;
  /**
   * Maximum length of a pause, in milliseconds.
   *
   * @default {60_000}
   */
  readonly maxDelayMs?: number;
  /**
   * Random share of the pause that is left out, from 0 to 1, so that runners
   * that failed together do not retry together.
   *
   * @default {0.5}
   */
  readonly jitter?: number;
  /**
   * Maximum time after which no attempt is started, in milliseconds.
   *
   * @default {unlimited}
   */
  readonly maxElapsedMs?: number;
}

/** Options for {@linkcode createBackoff}. */
export interface BackoffOptions {
  /**
   * Called before each pause.
   *
   * @default {none}
   */
  readonly onRetry?: (reason: string, pauseMs: number) => void;
  /** Aborts a pause. */
  readonly signal: AbortSignal;
}

/** Attempts and pauses of one action. */
export interface Backoff {
  /**
   * Waits until the next attempt.
   *
   * @param reason Why the last attempt failed.
   * @param retryAfterMs Pause that the server asks for, see
   * {@linkcode parseRetryAfter}; at most one minute of it is kept.
   * @returns Whether there is another attempt.
   * @throws {unknown} The reason of the signal once it is aborted.
   */
  next(reason: string, retryAfterMs?: number): Promise<boolean>;
}

/**
 * Creates the backoff of one action.
 *
 * @param policy Number of attempts and their pauses.
 * @param options Signal and listener.
 * @returns The pauses.
 */
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
      // The server's pause is never shortened, but gets jitter like the others.
      const askedMs = retryAfterMs === 0 ? 0 : Math.min(
        retryAfterMs,
        MAX_RETRY_AFTER_MS,
      ) + retryDelay(policy, 1, 0) - retryDelay(policy, 1, chance);
      const pauseMs = Math.max(retryDelay(policy, attempt, chance), askedMs);
      if (performance.now() - start + pauseMs > maxElapsedMs) return false;
      onRetry(reason, pauseMs);
      if (await isAbortedWithin(pauseMs, signal)) throw signal.reason;
      return true;
    },
  };
}

/**
 * Returns the pause before another attempt.
 *
 * @param policy How the pauses grow.
 * @param attempt Number of the attempt that failed, from 1.
 * @param chance A number from 0 up to but not including 1.
 * @returns Time in milliseconds.
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

/**
 * Waits until a signal is aborted, or the time has passed.
 *
 * @param ms Time in milliseconds.
 * @param signal Ends the wait.
 * @returns Whether the signal is aborted.
 */
export async function isAbortedWithin(
  ms: number,
  signal: AbortSignal,
): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<void>();
  using _ = onAbort(signal, resolve);
  await settlesWithin(promise, ms);
  return signal.aborted;
}

/** The three forms of a date in RFC 9110, section 5.6.7; the last one says no zone. */
const HTTP_DATES = [
  /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/,
  /^[A-Z][a-z]+day, \d{2}-[A-Z][a-z]{2}-\d{2} \d{2}:\d{2}:\d{2} GMT$/,
  /^[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d{2}:\d{2}:\d{2} \d{4}$/,
];

/**
 * Parses the header `Retry-After` of RFC 9110, section 10.2.3: seconds, or a
 * date.
 *
 * A date is compared with the `Date` of the same response, because the clock
 * of the server may differ.
 *
 * @param headers Headers of the answer.
 * @returns Time in milliseconds; `undefined` without a valid header.
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
