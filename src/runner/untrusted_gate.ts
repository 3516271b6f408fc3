/**
 * Prevents untrusted steps from running while the runner reads or writes files
 * of trusted steps in the workspace. A running untrusted step could replace a
 * directory with a link between the check and the use.
 */
export class UntrustedGate {
  #hasStarted = false;
  #runningCount = 0;
  #transfers = new Set<Promise<void>>();

  /** Whether an untrusted step has started in this job. */
  get hasStarted(): boolean {
    return this.#hasStarted;
  }

  /** Whether an untrusted step is running. */
  get isOccupied(): boolean {
    return this.#runningCount > 0;
  }

  /**
   * Waits until the runner uses no files, then lets an untrusted step start.
   *
   * @returns Handle that ends the step when disposed.
   */
  async enter(): Promise<Disposable> {
    this.#hasStarted = true;
    this.#runningCount++;
    await Promise.all(this.#transfers);
    return { [Symbol.dispose]: () => void this.#runningCount-- };
  }

  /**
   * Runs an action that uses files. No untrusted step may be running, and none
   * starts until it ends.
   */
  async transfer<T>(action: () => Promise<T>): Promise<T> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#transfers.add(promise);
    try {
      return await action();
    } finally {
      this.#transfers.delete(promise);
      resolve();
    }
  }
}
