import { messageOf } from "../errors.ts";

/** Component of a message, and its text. */
type Warn = (component: string, message: string) => void;

/**
 * Exports of the jobs of a workflow. They continue while other jobs run, so
 * that a slow collector delays only the end of the workflow, and only once.
 */
export class ExportQueue {
  readonly #warn: Warn;
  readonly #warnings = new Set<string>();
  readonly #pending = new Set<Promise<void>>();

  /** @param warn Prints a warning. */
  constructor(warn: Warn) {
    this.#warn = warn;
  }

  /**
   * Waits for an export when the workflow ends.
   *
   * @param sending The export, which has its own time limit.
   */
  add(sending: Promise<unknown>): void {
    const pending = sending
      .catch((error) =>
        this.warn("report", `Cannot export: ${messageOf(error)}`)
      )
      .then(() => void this.#pending.delete(pending));
    this.#pending.add(pending);
  }

  /** Prints a warning, unless an earlier job had the same one. */
  warn(component: string, message: string): void {
    if (this.#warnings.has(message)) return;
    this.#warnings.add(message);
    this.#warn(component, message);
  }

  /** Waits for all exports. */
  async finish(): Promise<void> {
    await Promise.all(this.#pending);
  }
}
