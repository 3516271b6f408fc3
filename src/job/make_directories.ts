import type { JobConfig } from "../config/job_config.ts";
import { osReason, RunnerError } from "../errors.ts";
import { guardPath } from "../workspace/guard.ts";
import type { Workspace } from "../workspace/layout.ts";
import { claimPath } from "../workspace/owned_paths.ts";

/**
 * Makes the directories of a job that are missing: the one in which its
 * command runs, and the one of its artifacts.
 *
 * @param workspace Where the job's files are.
 * @param config Configuration of the job.
 * @returns Absolute path of the job directory, with every link followed.
 * @throws {RunnerError} `workspace`, if a directory cannot be made or a link
 * leads out.
 */
export async function makeDirectories(
  workspace: Workspace,
  config: JobConfig,
): Promise<string> {
  await makeArtifacts(workspace, config);
  return (await makeDirectory(workspace, config.cwd)).path;
}

/**
 * Makes the directory of a job's artifacts, if it is missing.
 *
 * @param workspace Where the job's files are.
 * @param config Configuration of the job.
 * @returns Absolute path of the directory, with every link followed.
 * @throws {RunnerError} `workspace`, if it cannot be made or a link leads out.
 */
export async function makeArtifacts(
  workspace: Workspace,
  config: JobConfig,
): Promise<string> {
  const { path, isNew } = await makeDirectory(workspace, config.artifactsDir);
  // What a run leaves there is cleaned up with it; what was there is not its own.
  if (isNew && !workspace.inContainer) await claimPath(workspace, path);
  return path;
}

/** A link that the source brought along may lead a path elsewhere: it is followed first. */
async function makeDirectory(
  workspace: Workspace,
  jobPath: string,
): Promise<{ path: string; isNew: boolean }> {
  const path = await guardPath(workspace.base, workspace.pathOf(jobPath));
  try {
    const isNew = await Deno.lstat(path).then(() => false, () => true);
    if (isNew) await Deno.mkdir(path, { recursive: true });
    else if (!(await Deno.stat(path)).isDirectory) {
      throw new Error("not a directory");
    }
    return { path, isNew };
  } catch (cause) {
    throw new RunnerError(`Cannot make "${path}": ${osReason(cause)}`, {
      code: "workspace",
      cause,
    });
  }
}
