import type { EndingSignal, Host } from "../../host.ts";

/** The wish that a run ends, heard once and told to many. */
export interface Ending extends Disposable {
  /** Aborted by the first signal. */
  readonly signal: AbortSignal;
  /** The first signal, `undefined` as long as there was none. */
  readonly name: EndingSignal | undefined;
  /** Tells a job of this and further signals. */
  readonly onSignal: Host["onSignal"];
}

/**
 * Listens for the signals that end a run on behalf of its jobs.
 *
 * @param host The process.
 * @returns The wish; it is not listened for any more once it is disposed.
 */
export function listenForEnding(host: Host): Ending {
  const controller = new AbortController();
  const listeners = new Set<(signal: EndingSignal) => void>();
  let first: EndingSignal | undefined;
  const listening = host.onSignal((name) => {
    first ??= name;
    controller.abort();
    for (const listener of listeners) listener(name);
  });
  return {
    signal: controller.signal,
    get name() {
      return first;
    },
    onSignal(listener) {
      listeners.add(listener);
      return { [Symbol.dispose]: () => void listeners.delete(listener) };
    },
    [Symbol.dispose]: () => listening[Symbol.dispose](),
  };
}
