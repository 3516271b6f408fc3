import { type CheckedTrigger, checkTriggers } from "./check_triggers.ts";
import type { Trigger } from "./trigger.ts";

/**
 * Follow-up jobs that wait to be submitted.
 *
 * Triggers are checked and copied when they are added, so that a mistake is
 * reported where it is made and later changes to the caller's objects have no
 * effect.
 */
export class TriggerQueue {
  readonly #triggers: Map<string, CheckedTrigger> = new Map();
  #operationId: string | undefined;
  #sentId: string | undefined;

  /** Number of triggers that wait. */
  get size(): number {
    return this.#triggers.size;
  }

  /** The triggers that wait, frozen, in the order in which they were added. */
  get pending(): readonly CheckedTrigger[] {
    return [...this.#triggers.values()];
  }

  /**
   * Identity of what waits: the same until another trigger is added or removed,
   * so that the coordinator recognizes a submission that is repeated.
   */
  get operationId(): string {
    return this.#operationId ??= crypto.randomUUID();
  }

  /**
   * Whether what waits was sent before, and the answer may have been lost: the
   * coordinator may know it.
   */
  get wasSent(): boolean {
    return this.#sentId !== undefined && this.#sentId === this.#operationId;
  }

  /** Records that what waits is about to be sent. */
  markSent(): void {
    this.#sentId = this.operationId;
  }

  /**
   * Adds a trigger.
   *
   * Dependencies are checked later, when all triggers are known.
   *
   * @throws {RunnerError} `invalid-trigger` if it would not be accepted, or a
   * trigger of that name is queued.
   */
  add(trigger: Trigger): void {
    this.addAll([trigger]);
  }

  /**
   * Adds several triggers, or none of them if one is invalid.
   *
   * @throws {RunnerError} `invalid-trigger`, with the problems of all of them.
   */
  addAll(triggers: readonly Trigger[]): void {
    this.#add(triggers, false);
  }

  /**
   * Adds jobs with the keys of trigger documents, or none of them if one is
   * invalid.
   *
   * @param jobs Jobs from another process.
   * @throws {RunnerError} `invalid-trigger`, with the problems of all of them.
   */
  addWire(jobs: readonly unknown[]): void {
    this.#add(jobs, true);
  }

  #add(values: readonly unknown[], isWire: boolean): void {
    const checked = checkTriggers(values, {
      isWire,
      nameProblem: (name) =>
        this.#triggers.has(name) ? "it is queued already" : undefined,
    });
    if (checked.length > 0) this.#operationId = undefined;
    for (const trigger of checked) this.#triggers.set(trigger.name, trigger);
  }

  /**
   * Removes triggers that were submitted, or refused; those added meanwhile stay.
   *
   * @param triggers What was pending.
   */
  remove(triggers: readonly Trigger[]): void {
    for (const { name } of triggers) this.#triggers.delete(name);
    this.#operationId = undefined;
  }

  /** Removes the triggers that wait. */
  clear(): void {
    this.remove(this.pending);
  }
}
