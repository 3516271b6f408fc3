import type { JobConfig } from "../config/job_config.ts";
import type { JobRun } from "./job_run.ts";

/**
 * Finds, and makes where need be, the directory in which a job's commands run.
 *
 * Only outside a container, when nobody chose a job directory and no source
 * was prepared, that is the current directory: it is the user's own project
 * then, in which nothing is made.
 *
 * @param run The run.
 * @param config Configuration of the job.
 * @returns Absolute path.
 * @throws {RunnerError} `workspace`, if the directory cannot be made.
 */
export async function workingDirectory(
  run: JobRun,
  config: JobConfig,
): Promise<string> {
  const { host, workspace } = run.parts;
  const isOwn = workspace.inContainer || config.isJobDirChosen ||
    run.sourcePath !== undefined;
  if (!isOwn) return host.cwd;
  const { makeDirectories } = await import("./make_directories.ts");
  return await makeDirectories(workspace, config);
}
