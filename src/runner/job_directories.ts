import type { JobConfig } from "../config/job_config.ts";
import { osReason, RunnerError } from "../errors.ts";
import { normalizePath } from "../job_path.ts";
import type { Logger } from "../output/logger.ts";
import { guardPath } from "../workspace/guard.ts";
import type { Workspace } from "../workspace/layout.ts";
import { claimPath } from "../workspace/owned_paths.ts";
import type { RunnerContext } from "./runner_context.ts";
import { pathExists } from "../fs/files.ts";

/**
 * Creates missing directories of a job: its working directory, and the
 * directory of its artifacts.
 *
 * @param workspace The workspace.
 * @param config Configuration of the job.
 * @returns Absolute path of the working directory, without links.
 * @throws {RunnerError} `workspace` if a directory cannot be created, or a link
 * leads out of the workspace.
 */
export async function makeDirectories(
  workspace: Workspace,
  config: JobConfig,
): Promise<string> {
  await makeArtifacts(workspace, config);
  return (await makeDirectory(workspace, config.cwd)).path;
}

/**
 * Creates the directory of a job's artifacts if it is missing.
 *
 * @param workspace The workspace.
 * @param config Configuration of the job.
 * @returns Absolute path of the directory, without links.
 * @throws {RunnerError} `workspace` if it cannot be created, or a link leads
 * out of the workspace.
 */
export async function makeArtifacts(
  workspace: Workspace,
  config: JobConfig,
): Promise<string> {
  const { path, isNew } = await makeDirectory(workspace, config.artifactsDir);
  // The cleanup removes only a directory that the runner created.
  if (isNew && !workspace.inContainer) await claimPath(workspace, path);
  return path;
}

/**
 * Resolves links first, since the source may contain a link that leads
 * elsewhere.
 */
async function makeDirectory(
  workspace: Workspace,
  jobPath: string,
): Promise<{ path: string; isNew: boolean }> {
  const path = await guardPath(workspace.base, workspace.pathOf(jobPath));
  try {
    const isNew = !await pathExists(path);
    if (isNew) await Deno.mkdir(path, { recursive: true });
    else if (!(await Deno.stat(path)).isDirectory) {
      throw new Error("not a directory");
    }
    return { path, isNew };
  } catch (cause) {
    throw new RunnerError(`Cannot create "${path}": ${osReason(cause)}`, {
      code: "workspace",
      cause,
    });
  }
}

/**
 * Checks the directories of a configuration. Outside a container they can be
 * missing, since a run creates them.
 *
 * @param config Configuration of the job.
 * @param workspace The workspace.
 * @param logger Logger for warnings.
 * @throws {RunnerError} `workspace` if a run would fail because of a directory.
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

/**
 * Resolves a path from a variable.
 *
 * @param path Absolute path, or one relative to the current directory; `/job`
 * stands for the workspace.
 * @returns Absolute path.
 */
export function workspacePath(
  { workspace, host }: RunnerContext,
  path: string,
): string {
  const absolute = path.startsWith("/") ? path : `${host.cwd}/${path}`;
  return /^\/job(\/|$)/.test(normalizePath(absolute))
    ? workspace.pathOf(absolute)
    : absolute;
}
