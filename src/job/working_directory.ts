import type { JobConfig } from "../config/job_config.ts";
import { RunnerError } from "../errors.ts";
import { osReason } from "../workspace/os_reason.ts";
import type { JobRun } from "./job_run.ts";

/**
 * Finds the directory in which a job's command runs, and makes it if needed.
 *
 * That is the job directory. Only outside a container, when nobody chose one
 * and no source was prepared, the command runs in the current directory: it is
 * the user's own project then.
 *
 * @param run The run.
 * @param config Configuration of the job.
 * @returns Absolute path, with every symbolic link followed.
 * @throws {RunnerError} `workspace`, if it cannot be made or a link leads out.
 */
export async function workingDirectory(
  run: JobRun,
  config: JobConfig,
): Promise<string> {
  const { host, workspace } = run.parts;
  const isOwn = workspace.inContainer || config.isJobDirChosen ||
    run.sourcePath !== undefined;
  if (!isOwn) return host.cwd;
  const { guardPath } = await import("../workspace/guard.ts");
  const path = await guardPath(workspace.base, workspace.pathOf(config.jobDir));
  try {
    await Deno.mkdir(path, { recursive: true });
    return path;
  } catch (cause) {
    throw new RunnerError(
      `Cannot use the job directory "${path}": ${osReason(cause)}`,
      { code: "workspace", cause },
    );
  }
}
