/** Limits the number of concurrent tasks; other tasks are queued. */
export class JobPool {
  readonly #limitCount: number;
  #runningCount = 0;
  #waiting: (() => void)[] = [];
  #next = 0;

  /**
   * Creates an empty pool.
   *
   * @param limitCount Maximum number of concurrent tasks.
   */
  constructor(limitCount: number) {
    this.#limitCount = limitCount;
  }

  /** Runs a task as soon as a slot is free. */
  async run<T>(task: () => Promise<T>): Promise<T> {
    if (this.#runningCount < this.#limitCount) this.#runningCount++;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await task();
    } finally {
      this.#release();
    }
  }

  /** Passes the slot directly to the next task. */
  #release(): void {
    const next = this.#waiting[this.#next++];
    if (next !== undefined) return next();
    this.#runningCount--;
    this.#waiting = [];
    this.#next = 0;
  }
}
