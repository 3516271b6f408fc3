import type { HeldFiles } from "./handed_on_files.ts";

/** Options for {@linkcode UntrustedGate}. */
export interface UntrustedGateOptions {
  /** Reads the files that no untrusted step may change. */
  readonly hold: () => Promise<HeldFiles>;
  /**
   * Called when changes to these files were undone.
   *
   * @param files Paths of the files.
   * @param steps Names of the untrusted steps that have run since.
   */
  readonly onUndone: (
    files: readonly string[],
    steps: readonly string[],
  ) => void;
}

/**
 * Prevents untrusted steps from running while the runner reads or writes files
 * of trusted steps in the workspace. A running untrusted step could replace a
 * directory with a link between the check and the use.
 *
 * While untrusted steps run, files that are handed on are held: changes to them
 * are undone when the last of these steps has ended.
 */
export class UntrustedGate {
  #hasStarted = false;
  #runningCount = 0;
  #transfers = new Set<Promise<void>>();
  readonly #options: UntrustedGateOptions;
  #held: Promise<HeldFiles> | undefined;
  #restored: Promise<void> = Promise.resolve();
  readonly #names = new Set<string>();

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
    this.#names.add(name);
    await Promise.all(this.#transfers);
    this.#held ??= this.#restored.then(() => this.#options.hold());
    await this.#held;
    return { [Symbol.asyncDispose]: () => this.#leave() };
  }

  async #leave(): Promise<void> {
    if (--this.#runningCount > 0 || this.#held === undefined) return;
    const held = this.#held;
    const steps = [...this.#names];
    this.#held = undefined;
    this.#names.clear();
    this.#restored = held.then((files) => files.restore()).then((files) => {
      if (files.length > 0) this.#options.onUndone(files, steps);
    });
    await this.#restored;
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
