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
 * The first signal cancels gracefully: it is forwarded to the programs, which
 * get their grace time, and cleanup runs. A second signal kills what is still
 * running.
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
   * Signal that is forwarded to programs. SIGTERM replaces SIGQUIT, which makes
   * most programs dump core, and a JVM only print its threads.
   */
  get programSignal(): Deno.Signal {
    const signal = this.#signal ?? "SIGTERM";
    return signal === "SIGQUIT" ? "SIGTERM" : signal;
  }

  /**
   * Cancels gracefully, or by force when it is called again.
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
