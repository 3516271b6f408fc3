import type { JobConfig } from "../config/job_config.ts";
import { imageProblem } from "../container/container_arguments.ts";
import { RunnerError } from "../errors.ts";
import type { JobRun } from "./job_run.ts";

/** How the command of a job is to be run in a container that the runner starts. */
export interface ContainerSetting {
  /**
   * Program that runs containers, with the command line of Docker.
   *
   * @default {what `DOCKER` names, or else `docker`, or `podman`}
   */
  readonly engine?: string;
  /**
   * Image for a job that names none.
   *
   * @default {none: the job must name one}
   */
  readonly defaultImage?: string;
}

/**
 * Checks whether a job can run in a container that the runner starts, and
 * says what is to come instead of that.
 *
 * @param run The run.
 * @param config Configuration of the job.
 * @throws {RunnerError} `invalid-config`, if it cannot.
 */
export function checkContainer(run: JobRun, config: JobConfig): void {
  const { runnerImage: image = "", command, steps } = config;
  if (command === undefined || steps !== undefined || run.ownSteps) {
    throw unusable(image, "a job with steps does not run in it");
  }
  const problem = image === ""
    ? "runner_image names no image"
    : imageProblem(image);
  if (problem !== undefined) throw unusable(image, problem);
  run.parts.logger.warn(
    "container",
    `Running in "${image}": this mode is transitional; a worker should start the container, and runnerlib in it`,
  );
}

function unusable(image: string, reason: string): RunnerError {
  return new RunnerError(
    `Cannot use a nested container of "${image}": ${reason}`,
    { code: "invalid-config" },
  );
}
