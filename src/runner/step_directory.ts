import { RunnerError } from "../errors.ts";
import type { PlannedStep } from "../steps/expand.ts";
import { guardPath } from "../workspace/guard.ts";
import type { Workspace } from "../workspace/layout.ts";

/**
 * Returns the absolute path of the directory in which a step runs. A missing
 * one below `/job` is created.
 *
 * Paths below `/job` are paths of the workspace as seen by the job; other paths
 * are relative to the job's directory. Links, which the source may contain, are
 * resolved before the path is checked.
 *
 * @param jobPath Absolute path of the directory in which the job runs.
 * @throws {RunnerError} `workspace` if the path leaves the workspace or the
 * job's directory, or is not a directory.
 */
export async function stepDirectory(
  workspace: Workspace,
  jobPath: string,
  { name, definition: { workingDir } }: PlannedStep,
): Promise<string> {
  if (workingDir === undefined || workingDir === "") return jobPath;
  const isKnownToJob = /^\/job(?:\/|$)/.test(workingDir);
  const path = isKnownToJob
    ? await guardPath(workspace.base, workspace.pathOf(workingDir))
    : await guardPath(jobPath, workingDir);
  if (isKnownToJob) await Deno.mkdir(path, { recursive: true });
  const info = await Deno.stat(path).catch(() => undefined);
  if (info?.isDirectory) return path;
  throw new RunnerError(
    `Cannot run step "${name}" in "${workingDir}": ${
      info === undefined ? "no such directory" : "not a directory"
    }`,
    { code: "workspace" },
  );
}
