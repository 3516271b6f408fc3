import type { JobOptions } from "../config/job_options.ts";
import type { StepEvent } from "../steps/step.ts";

/** When the queued follow-up jobs are submitted. */
export type FlushTriggers = "success" | "always" | "never";

/** Options for {@linkcode Runner.runJob}. */
export interface RunJobOptions extends JobOptions {
  /** Path of a job file; variables and options override its values. */
  jobFile?: string;
  /** Cancels the job when aborted, as SIGTERM does. */
  signal?: AbortSignal;
  /**
   * Whether SIGTERM, SIGINT, SIGQUIT and SIGHUP cancel the job instead of
   * ending the process immediately. SIGHUP stays ignored if the process was
   * started with it ignored, as under `nohup`.
   *
   * @default {true}
   */
  handleSignals?: boolean;
  /**
   * When the queued follow-up jobs are submitted.
   *
   * @default {"success"}
   */
  flushTriggers?: FlushTriggers;
  /**
   * Validates the configuration and prints the plan without running it.
   *
   * @default {false}
   */
  dryRun?: boolean;
  /**
   * Called with each event of a step when it happens.
   *
   * @param event The event, with masked texts.
   */
  onStepEvent?: (event: StepEvent) => void;
}
