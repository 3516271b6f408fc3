import type { TerminationSignal } from "../host.ts";

/**
 * Time in which code of plugins and of source handlers must return after the job
 * is cancelled, in milliseconds.
 */
export const CANCEL_GRACE_MS = 5_000;

/**
 * Calls a listener when a signal is aborted, or immediately if it already is.
 *
 * @returns Handle that removes the listener.
 */
export function onAbort(signal: AbortSignal, listener: () => void): Disposable {
  if (signal.aborted) listener();
  else signal.addEventListener("abort", listener, { once: true });
  return {
    [Symbol.dispose]: () => signal.removeEventListener("abort", listener),
  };
}

/** Returns a promise that resolves once a signal is aborted. */
export function whenAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    onAbort(signal, resolve);
  });
}

/**
 * Two-stage cancellation: graceful, then forced.
 *
 * The first signal cancels gracefully: programs get it and their grace time,
 * and clean-up runs. A second signal kills what still runs.
 */
export class Cancellation {
  readonly #graceful = new AbortController();
  readonly #forced = new AbortController();
  #signal: TerminationSignal | null = null;

  /** Aborted by the first signal. */
  get graceful(): AbortSignal {
    return this.#graceful.signal;
  }

  /** Aborted by the second signal. */
  get forced(): AbortSignal {
    return this.#forced.signal;
  }

  /** The first signal; `null` until there is one. */
  get signal(): TerminationSignal | null {
    return this.#signal;
  }

  /**
   * Signal that is forwarded to programs. SIGQUIT would make them dump core, and
   * a Java machine would only print its threads: SIGTERM replaces it.
   */
  get programSignal(): Deno.Signal {
    const signal = this.#signal ?? "SIGTERM";
    return signal === "SIGQUIT" ? "SIGTERM" : signal;
  }

  /**
   * Cancels gracefully; the second call forces it.
   *
   * @param signal Signal that was received.
   */
  cancel(signal: TerminationSignal): void {
    if (this.#signal === null) {
      this.#signal = signal;
      this.#graceful.abort(
        new DOMException(`Cancelled by ${signal}`, "AbortError"),
      );
    } else {
      this.#forced.abort();
    }
  }
}
