import type { JobConfig } from "../config/job_config.ts";
import type { JobRun } from "./job_run.ts";

/**
 * Finds, and makes where need be, the directory in which a job's commands run.
 *
 * Only outside a container, when no job directory is set and no source
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
  if (runsInCurrentDirectory(run, config)) return host.cwd;
  const { makeDirectories } = await import("./make_directories.ts");
  return await makeDirectories(workspace, config);
}

/**
 * Checks whether a job's commands run in the current directory.
 *
 * @param run The run.
 * @param config Configuration of the job.
 * @returns Whether they do, and not in a directory of the job's own.
 */
export function runsInCurrentDirectory(
  { parts: { workspace }, sourcePath }: JobRun,
  { isCwdChosen, source }: JobConfig,
): boolean {
  return !workspace.inContainer && !isCwdChosen &&
    sourcePath === undefined && source.type === "none";
}
