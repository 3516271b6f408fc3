import type { TerminationSignal } from "../host.ts";
import { Cancellation } from "../process/cancellation.ts";

/** The running steps and their cancellations. */
export class RunningSteps {
  readonly #cancellations = new Map<number, Cancellation>();

  /**
   * Adds a step that is about to start.
   *
   * @param step Index of the step.
   * @returns Its cancellation.
   */
  add(step: number): Cancellation {
    const cancellation = new Cancellation();
    this.#cancellations.set(step, cancellation);
    return cancellation;
  }

  /** Removes a step that has ended. */
  remove(step: number): void {
    this.#cancellations.delete(step);
  }

  /**
   * Cancels selected steps that are not being cancelled yet.
   *
   * @param signal Signal for their processes.
   * @param isSelected Selects the steps to cancel.
   */
  requestEnd(
    signal: TerminationSignal,
    isSelected: (step: number) => boolean,
  ): void {
    for (const [step, cancellation] of [...this.#cancellations]) {
      if (cancellation.signal === null && isSelected(step)) {
        cancellation.cancel(signal);
      }
    }
  }

  /**
   * Cancels one step, unless it has ended or is being cancelled.
   *
   * @param step Index of the step.
   * @returns Whether it is cancelled by this call.
   */
  endStep(step: number): boolean {
    const cancellation = this.#cancellations.get(step);
    if (cancellation === undefined || cancellation.signal !== null) {
      return false;
    }
    cancellation.cancel("SIGTERM");
    return true;
  }

  /** Kills all steps. */
  kill(): void {
    for (const cancellation of [...this.#cancellations.values()]) {
      if (cancellation.signal === null) cancellation.cancel("SIGTERM");
      cancellation.cancel("SIGTERM");
    }
  }
}
