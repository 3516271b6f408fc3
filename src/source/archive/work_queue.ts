/**
 * Does things side by side, a few at a time, while more of them come in.
 *
 * After a failure nothing new is begun.
 */
export class WorkQueue {
  readonly #limitCount: number;
  readonly #running = new Set<Promise<void>>();
  readonly #failures: unknown[] = [];

  /**
   * Makes a queue with nothing in it.
   *
   * @param limitCount How many things are done at a time.
   */
  constructor(limitCount: number) {
    this.#limitCount = limitCount;
  }

  /**
   * Begins something, once there is room for it.
   *
   * @param work What is done.
   * @throws {unknown} The first failure so far.
   */
  async add(work: () => Promise<void>): Promise<void> {
    while (this.#running.size >= this.#limitCount) {
      await Promise.race(this.#running);
    }
    this.#throwFailure();
    const running = work()
      .catch((error) => void this.#failures.push(error))
      .finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  /** Waits until nothing is being done any more, whatever came of it. */
  async settle(): Promise<void> {
    await Promise.all(this.#running);
  }

  /**
   * Waits until everything is done.
   *
   * @throws {unknown} The first failure.
   */
  async drain(): Promise<void> {
    await this.settle();
    this.#throwFailure();
  }

  #throwFailure(): void {
    if (this.#failures.length > 0) throw this.#failures[0];
  }
}
