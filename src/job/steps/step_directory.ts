import { RunnerError } from "../../errors.ts";
import { guardPath } from "../../workspace/guard.ts";
import type { Workspace } from "../../workspace/layout.ts";
import type { PlannedStep } from "./planned_step.ts";

/**
 * Finds the directory in which a step runs, and makes it where it is missing.
 *
 * A path that begins with `/job` is one that the job knows; another one is
 * relative to where the job runs. Links that the source brought along are
 * followed before the path is judged.
 *
 * @param workspace Where the job's files are.
 * @param jobPath Absolute path of the directory in which the job runs.
 * @param step The step.
 * @returns Absolute path.
 * @throws {RunnerError} `workspace`, if the path leaves both the workspace and
 * the job's directory, or is no directory.
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
