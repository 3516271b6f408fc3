import type { JobArtifacts } from "../artifacts/job_artifacts.ts";
import type { JobFileText } from "../config/job_file.ts";
import type { JobOptions } from "../config/job_options.ts";
import type { Job } from "../steps/job.ts";
import type { StepEvent } from "../steps/step.ts";
import type { ContainerSetting } from "./nested_container.ts";

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

/** Options of a job that are not configuration. */
export type JobControls =
  & Pick<
    RunJobOptions,
    | "signal"
    | "handleSignals"
    | "flushTriggers"
    | "dryRun"
    | "onStepEvent"
  >
  & {
    /** Path or text of a job file. */
    jobFile?: string | JobFileText;
    /** The job, if a pipeline script defines one with steps. */
    job?: Pick<Job, "steps">;
    /**
     * Returns the arguments of the command that reruns a single step.
     *
     * @default {unknown, because a program runs the job}
     */
    rerunCommand?: (step: string) => readonly string[];
    /** Setting of the nested container, if the command runs in one. */
    container?: ContainerSetting;
    /**
     * Artifacts that the job gets from other jobs of its workflow, and those it
     * saves.
     */
    artifacts?: JobArtifacts;
  };
