import type { StepLog } from "../../output/job_log.ts";
import type { AttemptContext, StepEnd } from "../attempt.ts";
import type { AttemptFiles } from "../attempt_files.ts";

/** A step that is ready to run, and whose result may be in the cache. */
export interface CachedStep {
  /** Index of the step. */
  readonly index: number;
  readonly context: Omit<AttemptContext, "attempt" | keyof AttemptFiles>;
  /** Creates the directory for the files of an attempt. */
  readonly openAttempt: () => AttemptFiles & Disposable;
  /**
   * Runs the step.
   *
   * @param log Log that its output is written to.
   * @param spawn Function that starts its programs, instead of the default one.
   */
  readonly run: (
    log: StepLog,
    spawn?: AttemptContext["system"]["spawn"],
  ) => Promise<StepEnd>;
}

/** Tracks which steps of a job run, whether they are cached or not. */
export class StepActivity {
  #running = 0;
  #started = 0;
  #hasUntrusted = false;

  /** Whether an untrusted step has started, which may have changed any file. */
  get hasUntrusted(): boolean {
    return this.#hasUntrusted;
  }

  /**
   * Identifies a period in which no step runs; `undefined` while a step runs.
   */
  get pauseNumber(): number | undefined {
    return this.#running === 0 ? this.#started : undefined;
  }

  /** Records that an untrusted step may change files from now on. */
  markUntrusted(): void {
    this.#hasUntrusted = true;
  }

  /** Records that a step runs until the result is disposed. */
  enter(): Disposable {
    this.#running++;
    this.#started++;
    return {
      [Symbol.dispose]: () => {
        this.#running--;
      },
    };
  }
}
