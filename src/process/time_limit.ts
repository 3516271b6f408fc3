import { onAbort } from "./cancellation.ts";

/**
 * Number of microtasks before a timer is created. What has settled by now, or
 * does so at once, then needs none.
 */
const TURNS_BEFORE_TIMER = 8;

/** A timer that can be cancelled. */
export interface TimeLimit extends Disposable {
  /** Resolves with `true` when the time has passed; never if disposed before. */
  readonly reached: Promise<true>;
}

/**
 * Maximum time of one timer, in milliseconds. A timer longer than 2³¹−1 would
 * fire immediately.
 */
const MAX_TIMER_MS = 2 ** 30;

/** Options for {@linkcode timeLimit}. */
export interface TimeLimitOptions {
  /**
   * Maximum time of one timer, in milliseconds; a longer limit takes several,
   * one after the other.
   *
   * @default {about 12 days}
   */
  maxTimerMs?: number;
}

/**
 * Starts a time limit of any length.
 *
 * It uses `AbortSignal.timeout`, because the first `setTimeout` of a process
 * takes 4 to 8 ms.
 *
 * @param ms Milliseconds from now.
 * @returns The limit; dispose of it when it is no longer needed.
 */
export function timeLimit(
  ms: number,
  options: TimeLimitOptions = {},
): TimeLimit {
  const { maxTimerMs = MAX_TIMER_MS } = options;
  const { promise, resolve } = Promise.withResolvers<true>();
  let remainingMs = ms;
  let signal: AbortSignal | undefined;
  let isDisposed = false;

  function startTimer(): void {
    const timerMs = Math.min(remainingMs, maxTimerMs);
    remainingMs -= timerMs;
    signal = AbortSignal.timeout(timerMs);
    signal.addEventListener("abort", onTimer, { once: true });
  }

  function onTimer(): void {
    if (remainingMs > 0) startTimer();
    else resolve(true);
  }

  async function startFirstTimer(): Promise<void> {
    for (let turn = 0; turn < TURNS_BEFORE_TIMER; turn++) await null;
    if (!isDisposed) startTimer();
  }

  void startFirstTimer();
  return {
    reached: promise,
    [Symbol.dispose]() {
      isDisposed = true;
      // Without a listener, the timer does not keep the process alive.
      signal?.removeEventListener("abort", onTimer);
    },
  };
}

/** A signal that is aborted once the time has passed, unless disposed before. */
export interface TimeSignal extends Disposable {
  readonly signal: AbortSignal;
}

/**
 * Creates a signal that is aborted after a time.
 *
 * @param ms Milliseconds from now.
 */
export function abortAfter(ms: number): TimeSignal {
  const controller = new AbortController();
  const limit = timeLimit(ms);
  void limit.reached.then(() => controller.abort());
  return {
    signal: controller.signal,
    [Symbol.dispose]: () => limit[Symbol.dispose](),
  };
}

/**
 * Waits for a promise for a limited time.
 *
 * @param promise Promise to wait for.
 * @param ms Maximum time to wait, in milliseconds.
 * @param startLimit Starts the time limit.
 * @returns Whether the promise settled in time.
 */
export async function settlesWithin(
  promise: Promise<unknown>,
  ms: number,
  startLimit: (ms: number) => TimeLimit = timeLimit,
): Promise<boolean> {
  using limit = startLimit(ms);
  const settled = promise.then(() => false, () => false);
  return !(await Promise.race([settled, limit.reached]));
}

/**
 * Waits for the given time.
 *
 * @param ms Milliseconds.
 * @param signal Ends the pause early.
 * @returns A promise that resolves after the pause, and never rejects.
 */
export async function pause(ms: number, signal?: AbortSignal): Promise<void> {
  using limit = timeLimit(ms);
  if (signal === undefined) return void await limit.reached;
  const { promise, resolve } = Promise.withResolvers<void>();
  using _ = onAbort(signal, resolve);
  await Promise.race([limit.reached, promise]);
}

/** Source of time. */
export interface Clock {
  /** Returns the time of a monotonic clock, in milliseconds. */
  now(): number;
  /** Returns the date and the time of day. */
  date(): Date;
  /**
   * Starts a time limit.
   *
   * @param ms Milliseconds from now.
   */
  limit(ms: number): TimeLimit;
  /**
   * Waits for the given time.
   *
   * @param ms Milliseconds.
   * @param signal Ends the pause early; the promise never rejects.
   */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /**
   * Marks work of the runner itself until the result is disposed. A simulated
   * clock is paused meanwhile.
   */
  work(): Disposable;
}

const NOTHING: Disposable = { [Symbol.dispose]() {} };

/** The clock of the system. */
export const SYSTEM_CLOCK: Clock = {
  now: () => performance.now(),
  date: () => new Date(),
  limit: (ms) => timeLimit(ms),
  sleep: pause,
  work: () => NOTHING,
};
