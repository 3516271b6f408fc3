import type { Sink } from "./sink.ts";

/** Where the output of one step goes, masked already. */
export interface StepLog {
  /** Standard output, with standard error when the two are merged. */
  readonly stdout: Sink;
  /** Standard error, when it is kept apart. */
  readonly stderr: Sink;
  /** The last lines, for those who want to know why the step failed. */
  tail(): readonly string[];
  /** Writes what waits for the end of its line, and finishes the file. */
  close(): Promise<void>;
}

/** Where the output of all steps of a job goes. */
export interface JobLog {
  /**
   * Opens the log of a step; one step has one, whatever its attempts.
   *
   * @param name Name of the step.
   */
  openStep(name: string): Promise<StepLog>;
}
