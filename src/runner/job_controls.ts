import type { JobFileText } from "../config/job_file.ts";
import type { Job } from "../steps/job.ts";
import type { ContainerSetting } from "./nested_container.ts";
import type { RunJobOptions } from "./run_job_options.ts";

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
     * Returns the words of the command that runs a single step again.
     *
     * @default {unknown, because a program runs the job}
     */
    rerunCommand?: (step: string) => readonly string[];
    /** Setting of the nested container, if the command runs in one. */
    container?: ContainerSetting;
  };
