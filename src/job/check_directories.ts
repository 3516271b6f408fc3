import type { JobConfig } from "../config/job_config.ts";
import { osReason, RunnerError } from "../errors.ts";
import type { Logger } from "../output/logger.ts";
import type { Workspace } from "../workspace/layout.ts";

/**
 * Checks the directories that a configuration names.
 *
 * Outside a container they may be missing: a run makes them.
 *
 * @param config Configuration of the job.
 * @param workspace Where the job's files are.
 * @param logger Logger for what is unusual.
 * @throws {RunnerError} `workspace`, if a run would fail because of them.
 */
export function checkDirectories(
  config: JobConfig,
  workspace: Workspace,
  logger: Logger,
): void {
  const isThere = checkDirectory(workspace.base);
  if (!isThere) {
    if (workspace.inContainer) {
      throw unusable(workspace.base, "no such directory");
    }
    logger.warn("workspace", `"${workspace.base}" does not exist yet`);
  }
  for (const path of [config.sourceDir, config.cwd]) {
    checkDirectory(workspace.pathOf(path));
  }
}

function checkDirectory(path: string): boolean {
  try {
    if (!Deno.statSync(path).isDirectory) {
      throw unusable(path, "not a directory");
    }
    for (const _ of Deno.readDirSync(path)) break;
    return true;
  } catch (cause) {
    if (cause instanceof RunnerError) throw cause;
    if (cause instanceof Deno.errors.NotFound) return false;
    throw unusable(path, osReason(cause), cause);
  }
}

function unusable(path: string, reason: string, cause?: unknown): RunnerError {
  return new RunnerError(`Cannot use "${path}": ${reason}`, {
    code: "workspace",
    cause,
  });
}
