import { onAbort } from "../process/on_abort.ts";
import { settlesWithin } from "../process/time_limit.ts";

/** Pauses before a request is sent again, in milliseconds. */
const DELAYS_MS = [250, 500, 1_000, 2_000, 4_000, 8_000, 8_000];

/** Longest time in which attempts are begun, in milliseconds. */
const LONGEST_MS = 180_000;

/** Longest pause that a server can ask for, in milliseconds. */
const LONGEST_PAUSE_MS = 60_000;

/** Options for {@linkcode patience}. */
export interface PatienceOptions {
  /**
   * Pauses, in milliseconds.
   *
   * @default {from 250 to 8_000}
   */
  readonly delaysMs?: readonly number[];
  /** Hears why there is a pause, and how long it is. */
  readonly onRetry?: (reason: string, pauseMs: number) => void;
  /** Ends a pause. */
  readonly signal: AbortSignal;
}

/** The patience that one request gets. */
export interface Patience {
  /**
   * Waits until the next attempt.
   *
   * @param reason Why there is to be one.
   * @param askedMs How long the server wants to be left alone.
   * @returns Whether there may be another attempt.
   */
  forNext(reason: string, askedMs: number | undefined): Promise<boolean>;
}

/**
 * Makes the patience of one request: longer and longer pauses, and an end.
 *
 * @param options Pauses and who hears of them.
 * @returns The patience.
 */
export function patience(options: PatienceOptions): Patience {
  const { delaysMs = DELAYS_MS, onRetry = () => {}, signal } = options;
  const left = [...delaysMs];
  const start = performance.now();
  return {
    async forNext(reason, askedMs) {
      const delayMs = left.shift();
      if (delayMs === undefined) return false;
      // Those who failed together do not come back together.
      const pauseMs = askedMs === undefined
        ? Math.round(delayMs * (1 + Math.random()) / 2)
        : Math.min(askedMs, LONGEST_PAUSE_MS);
      if (performance.now() - start + pauseMs > LONGEST_MS) return false;
      onRetry(reason, pauseMs);
      await pause(pauseMs, signal);
      return true;
    },
  };
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  using _ = onAbort(signal, resolve);
  await settlesWithin(promise, ms);
  signal.throwIfAborted();
}
