import { checkTriggers } from "./check_triggers.ts";
import type { Trigger } from "./trigger.ts";

/**
 * Follow-up jobs that wait to be handed over.
 *
 * Triggers are checked and copied when they are added, so that a mistake is
 * told where it was made and later changes to the caller's objects do not
 * matter.
 */
export class TriggerQueue {
  readonly #triggers: Map<string, Trigger> = new Map();

  /** Number of triggers that wait. */
  get size(): number {
    return this.#triggers.size;
  }

  /** The triggers that wait, frozen, in the order in which they were added. */
  get pending(): readonly Trigger[] {
    return [...this.#triggers.values()];
  }

  /**
   * Adds a trigger.
   *
   * Dependencies are checked later, when all triggers are known.
   *
   * @param trigger Trigger.
   * @throws {RunnerError} `invalid-trigger` if it would not be accepted or a
   * trigger of that name waits already.
   */
  add(trigger: Trigger): void {
    this.addAll([trigger]);
  }

  /**
   * Adds several triggers, or none of them if one is not right.
   *
   * @param triggers Triggers.
   * @throws {RunnerError} `invalid-trigger`, with the problems of all of them.
   */
  addAll(triggers: readonly Trigger[]): void {
    const checked = checkTriggers(triggers, {
      nameProblem: (name) =>
        this.#triggers.has(name) ? "it is queued already" : undefined,
    });
    for (const trigger of checked) this.#triggers.set(trigger.name, trigger);
  }

  /** Forgets the triggers that wait, for instance once they are handed over. */
  clear(): void {
    this.#triggers.clear();
  }
}
