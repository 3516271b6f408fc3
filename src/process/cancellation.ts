import type { EndingSignal } from "../host.ts";

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

/**
 * Cancellation of a job, which can be uttered twice.
 *
 * The first wish asks: programs get the signal and their grace time, clean-up
 * runs. The second one insists: what still runs is killed at once.
 */
export class Cancellation {
  readonly #asked = new AbortController();
  readonly #insisted = new AbortController();
  #signal: EndingSignal | null = null;

  /** Aborted by the first wish. */
  get asked(): AbortSignal {
    return this.#asked.signal;
  }

  /** Aborted by the second wish. */
  get insisted(): AbortSignal {
    return this.#insisted.signal;
  }

  /** Signal of the first wish, `null` as long as nobody wished. */
  get signal(): EndingSignal | null {
    return this.#signal;
  }

  /**
   * Signal that asks programs to end. SIGQUIT would make them dump core, and a
   * Java machine would only print its threads: SIGTERM stands for it.
   */
  get programSignal(): Deno.Signal {
    const signal = this.#signal ?? "SIGTERM";
    return signal === "SIGQUIT" ? "SIGTERM" : signal;
  }

  /**
   * Asks the job to end; the second time, insists.
   *
   * @param signal Signal that was received.
   */
  cancel(signal: EndingSignal): void {
    if (this.#signal === null) {
      this.#signal = signal;
      this.#asked.abort(
        new DOMException(`Cancelled by ${signal}`, "AbortError"),
      );
    } else {
      this.#insisted.abort();
    }
  }
}
