import { onAbort } from "../process/on_abort.ts";
import { settlesWithin, timeLimit } from "../process/time_limit.ts";

/** How long a hook may take to end once the job is cancelled, in milliseconds. */
export const CANCEL_GRACE_MS = 5_000;

/** Options for {@linkcode runHook}. */
export interface RunHookOptions {
  /** Longest time the hook may take, in milliseconds. */
  timeoutMs: number;
  /**
   * Wish that the hook ends early.
   *
   * @default {nobody wishes that}
   */
  cancelled?: AbortSignal;
}

/**
 * Waits for code of a plugin, but not for ever.
 *
 * What does not end in time is asked to, by its signal, and left to itself:
 * JavaScript cannot end it.
 *
 * @param hook The code; its signal is aborted when it should end.
 * @param options Limits.
 * @throws {unknown} What the hook throws.
 * @throws {DOMException} A `TimeoutError` or an `AbortError` if it was given up.
 */
export async function runHook(
  hook: (signal: AbortSignal) => Promise<void>,
  options: RunHookOptions,
): Promise<void> {
  const { timeoutMs, cancelled } = options;
  const over = new AbortController();
  const signal = cancelled === undefined
    ? over.signal
    : AbortSignal.any([cancelled, over.signal]);
  const running = hook(signal);
  using limit = timeLimit(timeoutMs);
  using wish = whenAborted(cancelled);
  // From here on the race sees to it that a late failure is not an unhandled one.
  const reason = await Promise.race([
    running.then(() => undefined),
    limit.reached.then(() => timeoutError(timeoutMs)),
    wish.aborted.then(() => giveUp(running)),
  ]);
  if (reason === undefined) return;
  over.abort(reason);
  throw reason;
}

async function giveUp(running: Promise<void>): Promise<DOMException> {
  // If it ends in time, the race was decided by then.
  await settlesWithin(running, CANCEL_GRACE_MS);
  return new DOMException(
    `it did not end within ${CANCEL_GRACE_MS} ms after the job was cancelled`,
    "AbortError",
  );
}

function timeoutError(timeoutMs: number): DOMException {
  return new DOMException(
    `it did not end within ${timeoutMs} ms`,
    "TimeoutError",
  );
}

function whenAborted(
  signal: AbortSignal | undefined,
): Disposable & { readonly aborted: Promise<void> } {
  const { promise, resolve } = Promise.withResolvers<void>();
  const listener = signal && onAbort(signal, resolve);
  return {
    aborted: promise,
    [Symbol.dispose]: () => listener?.[Symbol.dispose](),
  };
}
