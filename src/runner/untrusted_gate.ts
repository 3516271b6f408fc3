/**
 * Keeps apart what the runner reads and writes in the workspace for trusted
 * steps, and untrusted steps that run: they could replace a directory by a link
 * between a check and a use.
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
   * Waits until the runner uses no files, and lets an untrusted step start.
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
   * Uses files. No untrusted step may be running, and none starts before the
   * end.
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
