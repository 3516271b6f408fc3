import type { FileSnapshot } from "./protected_files.ts";

/** Steps that ran while protected files changed. */
export interface ConcurrentSteps {
  /** Names of the untrusted steps. */
  readonly untrusted: readonly string[];
  /** Names of the trusted steps, which may have made the changes. */
  readonly trusted: readonly string[];
}

/** Options for {@linkcode UntrustedGate}. */
export interface UntrustedGateOptions {
  /** Takes a snapshot of the files that no untrusted step may change. */
  readonly snapshot: () => Promise<FileSnapshot>;
  /**
   * Called when changes to these files were undone.
   *
   * @param files Paths of the files.
   * @param steps Steps that have run since the snapshot was taken.
   */
  readonly onUndone: (files: readonly string[], steps: ConcurrentSteps) => void;
  /** Called if changes could not be undone; the job must fail then. */
  readonly onFailure: (error: unknown) => void;
}

/**
 * Prevents untrusted steps from running while the runner reads or writes files
 * of trusted steps in the workspace. A running untrusted step could replace a
 * directory with a link between the check and the use.
 *
 * Changes to protected files are undone when the last of the running untrusted
 * steps has ended.
 */
export class UntrustedGate {
  #hasStarted = false;
  #runningCount = 0;
  #transfers = new Set<Promise<void>>();
  readonly #options: UntrustedGateOptions;
  #snapshot: Promise<FileSnapshot> | undefined;
  #restored: Promise<void> = Promise.resolve();
  /** Untrusted steps that have run since no such step was running. */
  readonly #untrusted = new Set<string>();
  /** Trusted steps that have run since then. */
  readonly #trusted = new Set<string>();
  readonly #runningTrusted = new Set<string>();

  /** Creates a gate. */
  constructor(options: UntrustedGateOptions) {
    this.#options = options;
  }

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
   * @param name Name of the step.
   * @returns Handle that ends the step when disposed.
   */
  async enter(name: string): Promise<AsyncDisposable> {
    this.#hasStarted = true;
    this.#runningCount++;
    this.#untrusted.add(name);
    this.#runningTrusted.forEach((trusted) => this.#trusted.add(trusted));
    await Promise.all(this.#transfers);
    this.#snapshot ??= this.#restored.then(() => this.#options.snapshot());
    await this.#snapshot;
    return { [Symbol.asyncDispose]: () => this.#leave() };
  }

  /**
   * Notes that a trusted step is running.
   *
   * @param name Name of the step.
   * @returns Handle that ends the step when disposed.
   */
  enterTrusted(name: string): Disposable {
    this.#runningTrusted.add(name);
    if (this.isOccupied) this.#trusted.add(name);
    return { [Symbol.dispose]: () => void this.#runningTrusted.delete(name) };
  }

  async #leave(): Promise<void> {
    if (--this.#runningCount > 0 || this.#snapshot === undefined) return;
    const snapshot = this.#snapshot;
    const steps = {
      untrusted: [...this.#untrusted],
      trusted: [...this.#trusted],
    };
    this.#snapshot = undefined;
    this.#untrusted.clear();
    this.#trusted.clear();
    this.#restored = this.#restore(snapshot, steps);
    await this.#restored;
  }

  async #restore(
    snapshot: Promise<FileSnapshot>,
    steps: ConcurrentSteps,
  ): Promise<void> {
    try {
      const files = await (await snapshot).restore();
      if (files.length > 0) this.#options.onUndone(files, steps);
    } catch (error) {
      this.#options.onFailure(error);
      // No other untrusted step starts, since the next snapshot would keep the
      // changes.
      throw error;
    }
  }

  /**
   * Runs an action that uses files of the workspace. No untrusted step starts until
   * it ends.
   *
   * @returns `undefined` if an untrusted step is running: the action is not run.
   */
  transfer<T>(action: () => Promise<T>): Promise<T> | undefined {
    return this.isOccupied ? undefined : this.#transfer(action);
  }

  async #transfer<T>(action: () => Promise<T>): Promise<T> {
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
