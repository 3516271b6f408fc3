/** A moment in the future that can be called off. */
export interface TimeLimit extends Disposable {
  /** Resolves with `true` when the time is over; never when disposed before. */
  readonly reached: Promise<true>;
}

/**
 * Starts a time limit.
 *
 * It stands on `AbortSignal.timeout` because the first `setTimeout` of a
 * process costs 4 to 8 ms, which a job without waiting need not pay.
 *
 * @param ms Milliseconds from now.
 * @returns The limit; dispose of it when it no longer matters.
 */
export function timeLimit(ms: number): TimeLimit {
  const { promise, resolve } = Promise.withResolvers<true>();
  const signal = AbortSignal.timeout(ms);
  const onAbort = () => resolve(true);
  signal.addEventListener("abort", onAbort, { once: true });
  return {
    reached: promise,
    [Symbol.dispose]() {
      // Without a listener the timer does not keep the process alive.
      signal.removeEventListener("abort", onAbort);
    },
  };
}

/**
 * Waits for something, but not for ever.
 *
 * @param promise What is waited for.
 * @param ms Longest time to wait, in milliseconds.
 * @returns Whether the promise settled in time.
 */
export async function settlesWithin(
  promise: Promise<unknown>,
  ms: number,
): Promise<boolean> {
  using limit = timeLimit(ms);
  const settled = promise.then(() => false, () => false);
  return !(await Promise.race([settled, limit.reached]));
}
