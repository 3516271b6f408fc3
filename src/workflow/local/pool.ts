/** Lets a few tasks run at the same time, and the others wait their turn. */
export class Pool {
  readonly #limitCount: number;
  #runningCount = 0;
  #waiting: (() => void)[] = [];
  #next = 0;

  /**
   * Makes a pool without tasks.
   *
   * @param limitCount Most tasks that run at once.
   */
  constructor(limitCount: number) {
    this.#limitCount = limitCount;
  }

  /**
   * Runs a task as soon as there is room for it.
   *
   * @param task The task.
   * @returns What the task gives.
   */
  async run<T>(task: () => Promise<T>): Promise<T> {
    if (this.#runningCount < this.#limitCount) this.#runningCount++;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await task();
    } finally {
      this.#handOver();
    }
  }

  /** The room goes to the next one without being free in between. */
  #handOver(): void {
    const next = this.#waiting[this.#next++];
    if (next !== undefined) return next();
    this.#runningCount--;
    this.#waiting = [];
    this.#next = 0;
  }
}
