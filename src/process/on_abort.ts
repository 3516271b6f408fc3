/**
 * Calls a function when a signal is aborted, at once if it already is.
 *
 * @param signal Signal.
 * @param listener Function.
 * @returns Handle that calls it off.
 */
export function onAbort(signal: AbortSignal, listener: () => void): Disposable {
  if (signal.aborted) listener();
  else signal.addEventListener("abort", listener, { once: true });
  return {
    [Symbol.dispose]: () => signal.removeEventListener("abort", listener),
  };
}
