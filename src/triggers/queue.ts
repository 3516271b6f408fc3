import { type CheckedTrigger, checkTriggers } from "./check_triggers.ts";
import type { Trigger } from "./trigger_options.ts";

/**
 * Queue of follow-up jobs to submit.
 *
 * Triggers are checked and copied when they are added, so that errors are
 * reported at the call that causes them, and later changes to the caller's
 * objects have no effect.
 */
export class TriggerQueue {
  readonly #triggers: Map<string, CheckedTrigger> = new Map();
  #operationId: string | undefined;
  #sentId: string | undefined;

  /** Number of queued triggers. */
  get size(): number {
    return this.#triggers.size;
  }

  /** The queued triggers, frozen, in the order in which they were added. */
  get pending(): readonly CheckedTrigger[] {
    return [...this.#triggers.values()];
  }

  /**
   * ID of the queued triggers. It stays the same until a trigger is added or
   * removed, so that the coordinator recognizes a repeated submission.
   */
  get operationId(): string {
    return this.#operationId ??= crypto.randomUUID();
  }

  /**
   * Whether the queued triggers were sent before without a response, so that the
   * coordinator may know them.
   */
  get wasSent(): boolean {
    return this.#sentId !== undefined && this.#sentId === this.#operationId;
  }

  /** Records that the queued triggers are about to be sent. */
  markSent(): void {
    this.#sentId = this.operationId;
  }

  /**
   * Adds a trigger.
   *
   * Dependencies are checked when all triggers are known.
   *
   * @throws {RunnerError} `invalid-trigger` if the trigger is invalid, or one
   * of that name is queued.
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
        this.#triggers.has(name) ? "it is already queued" : undefined,
    });
    if (checked.length > 0) this.#operationId = undefined;
    for (const trigger of checked) this.#triggers.set(trigger.name, trigger);
  }

  /**
   * Removes triggers that were submitted or refused. Triggers that were added
   * since stay in the queue.
   */
  remove(triggers: readonly Trigger[]): void {
    for (const { name } of triggers) this.#triggers.delete(name);
    this.#operationId = undefined;
  }

  /** Removes all triggers. */
  clear(): void {
    this.remove(this.pending);
  }
}
