import type { JobConfig } from "../config/job_config.ts";
import { Variable } from "../environment/variables.ts";
import { messageOf, osReason, RunnerError } from "../errors.ts";
import { pathExists } from "../fs/files.ts";
import { absolutePath, CI_DIRECTORY, normalizePath } from "../job_path.ts";
import type { Logger } from "../output/logger.ts";
import { guardPath } from "../workspace/guard.ts";
import type { Workspace } from "../workspace/layout.ts";
import { lockWorkspace, type WorkspaceLock } from "../workspace/lock.ts";
import { claimPath, restoreOwnedPaths } from "../workspace/owned_paths.ts";
import { beginRun } from "../workspace/run_files.ts";
import type { RunState } from "./run_state.ts";
import type { RunnerContext } from "./runner_context.ts";

/** Workflow outputs of a job: the only file that workers read. */
export const OUTPUT_FILE = "/job/workflow-output.json";

/** How a job uses its workspace. */
export interface WorkspaceUse {
  /** Whether the job has steps, whose logs and outputs are in the workspace. */
  readonly hasSteps: boolean;
  /** Whether the workspace is mounted in a nested container. */
  readonly hasContainer: boolean;
}

/**
 * Locks the workspace if the job writes files there, and removes follow-up
 * jobs, variables and outputs of earlier runs.
 *
 * A command in the user's own directory leaves nothing in the workspace, so any
 * number of them can run at the same time. A command that an outer job starts
 * does not replace files either.
 *
 * @param run The run, which holds the lock until it ends.
 * @param use How the job uses its workspace.
 * @throws {RunnerError} `workspace-busy`, if another job holds the lock;
 * `workspace` or `output-failed`, if files cannot be created or removed.
 * @throws {DOMException} An `AbortError` if the job is cancelled.
 */
export async function acquireWorkspace(
  run: RunState,
  config: JobConfig,
  use: WorkspaceUse,
): Promise<void> {
  const { runner, cancellation } = run;
  const { host: { env }, workspace, logger } = runner;
  if (run.lock !== undefined) return;
  const sourceDirs = [
    ...config.source.type === "none" ? [] : [config.sourceDir],
    ...config.ciSource.type === "none" ? [] : [CI_DIRECTORY],
  ];
  const isInJobDir = config.isCwdChosen && !workspace.inContainer &&
    !runner.run.isInherited;
  if (sourceDirs.length > 0 || use.hasSteps || use.hasContainer || isInJobDir) {
    run.lock = await lockWorkspace(workspace, {
      command: "run",
      env,
      sourceDirs,
      wait: config.wait,
      signal: cancellation.graceful,
      onWait: (reason) => logger.info("workspace", reason),
    });
  }
  await beginFiles(runner, config.triggers.file);
}

/**
 * Removes follow-up jobs, variables and outputs that earlier runs left.
 *
 * @param triggersFile Path of the triggers file, as seen by the job.
 * @throws {RunnerError} `output-failed`, if a file cannot be removed.
 */
export async function beginFiles(
  runner: RunnerContext,
  triggersFile: string,
): Promise<void> {
  const files = [workspacePath(runner, triggersFile), outputPath(runner)];
  await beginRun(runner.workspace, files, runner.run);
}

/** Releases the lock of a job that has ended. */
export async function closeWorkspace(
  { runner: { workspace, logger } }: RunState,
  lock: WorkspaceLock,
): Promise<void> {
  try {
    if (!workspace.inContainer) await restoreOwnedPaths(workspace);
  } catch (error) {
    logger.warn("workspace", messageOf(error));
  }
  await lock[Symbol.asyncDispose]();
}

/** Returns the absolute path of the file that a worker reads after the job. */
export function outputPath(runner: RunnerContext): string {
  const path = runner.host.env[Variable.workflowOutputFile] || OUTPUT_FILE;
  return workspacePath(runner, path);
}

/** Returns the absolute path of the file with the variables of the workflow. */
export function variablesPath(runner: RunnerContext): string {
  return workspacePath(
    runner,
    runner.host.env[Variable.workflowVarsFile] || "/job/workflow-vars.json",
  );
}

/**
 * Creates missing directories of a job: its working directory, and the
 * directory of its artifacts.
 *
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
 * Returns the absolute path for a path from a variable.
 *
 * @param path Absolute path, or one relative to the current directory; `/job`
 * is the workspace.
 */
export function workspacePath(
  { workspace, host }: RunnerContext,
  path: string,
): string {
  const absolute = absolutePath(path, host.cwd);
  return /^\/job(\/|$)/.test(normalizePath(absolute))
    ? workspace.pathOf(absolute)
    : absolute;
}
