import { Cancellation } from "../../process/cancellation.ts";
import type { EndingSignal } from "../../host.ts";

/** The steps that run now, so that they can be ended. */
export class RunningSteps {
  readonly #cancellations = new Map<number, Cancellation>();

  /**
   * Adds a step that begins.
   *
   * @param step Index of the step.
   * @returns The wish that it ends.
   */
  add(step: number): Cancellation {
    const cancellation = new Cancellation();
    this.#cancellations.set(step, cancellation);
    return cancellation;
  }

  /** Removes a step that is over. */
  remove(step: number): void {
    this.#cancellations.delete(step);
  }

  /**
   * Asks steps to end that were not asked before.
   *
   * @param signal Signal that their programs get.
   * @param isMeant Tells which steps are asked.
   */
  ask(signal: EndingSignal, isMeant: (step: number) => boolean): void {
    for (const [step, cancellation] of [...this.#cancellations]) {
      if (cancellation.signal === null && isMeant(step)) {
        cancellation.cancel(signal);
      }
    }
  }

  /** Ends all steps at once. */
  kill(): void {
    for (const cancellation of [...this.#cancellations.values()]) {
      if (cancellation.signal === null) cancellation.cancel("SIGTERM");
      cancellation.cancel("SIGTERM");
    }
  }
}
