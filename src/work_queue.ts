/**
 * Number of concurrent file system calls that keeps the threads of the runtime
 * busy.
 */
export const PARALLEL_CALLS = 32;

/**
 * Runs tasks with limited concurrency while more are added.
 *
 * After a failure, no more tasks start.
 */
export class WorkQueue {
  readonly #limitCount: number;
  readonly #failures: unknown[] = [];
  #runningCount = 0;
  #onEnd = Promise.withResolvers<void>();

  /** @param limitCount Maximum number of concurrent tasks. */
  constructor(limitCount: number) {
    this.#limitCount = limitCount;
  }

  /**
   * Starts a task as soon as fewer than the maximum are running.
   *
   * @throws {unknown} The first failure so far.
   */
  async add(work: () => Promise<void>): Promise<void> {
    while (this.#runningCount >= this.#limitCount) await this.#onEnd.promise;
    this.#throwFailure();
    this.#runningCount++;
    this.#run(work);
  }

  /** Waits until no task is running. Ignores failures. */
  async settle(): Promise<void> {
    while (this.#runningCount > 0) await this.#onEnd.promise;
  }

  /**
   * Waits until all tasks are done.
   *
   * @throws {unknown} The first failure.
   */
  async drain(): Promise<void> {
    await this.settle();
    this.#throwFailure();
  }

  async #run(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#failures.push(error);
    }
    this.#runningCount--;
    this.#onEnd.resolve();
    this.#onEnd = Promise.withResolvers();
  }

  #throwFailure(): void {
    if (this.#failures.length > 0) throw this.#failures[0];
  }
}

/**
 * Runs an action for each item, with limited concurrency.
 *
 * After a failure, it starts no more actions and waits for those that are
 * running, so that nothing continues in the background.
 *
 * @param limitCount Maximum number of concurrent actions.
 * @throws {unknown} The first failure.
 */
export async function forEachLimited<T>(
  items: readonly T[],
  limitCount: number,
  action: (item: T) => Promise<void>,
): Promise<void> {
  const queue = new WorkQueue(limitCount);
  try {
    for (const item of items) await queue.add(() => action(item));
  } finally {
    await queue.settle();
  }
  await queue.drain();
}
