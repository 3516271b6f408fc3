import type { JobConfig } from "../config/job_config.ts";
import { messageOf } from "../errors.ts";
import { lockWorkspace, type WorkspaceLock } from "../workspace/lock.ts";
import { restoreOwnedPaths } from "../workspace/owned_paths.ts";
import { beginRun } from "../workspace/run_files.ts";
import type { RunnerContext } from "./runner_context.ts";
import type { RunState } from "./run_state.ts";
import { outputPath } from "./workflow_output.ts";
import { workspacePath } from "./job_directories.ts";

/** How a job uses its workspace. */
export interface WorkspaceUse {
  /** Whether the job has steps, whose logs and outputs are in the workspace. */
  readonly hasSteps: boolean;
  /** Whether the workspace is mounted in a nested container. */
  readonly hasContainer: boolean;
}

/**
 * Locks the workspace if the job writes files there, and removes follow-up
 * jobs, variables and outputs that earlier runs left.
 *
 * A command in the user's own directory leaves nothing in the workspace, so any
 * number of them can run at the same time. A command that an outer job starts
 * does not replace files either.
 *
 * @param run The run, which holds the lock until it ends.
 * @param config Configuration of the job.
 * @param use How the job uses its workspace.
 * @throws {RunnerError} `workspace-busy`, if another job holds the lock;
 * `workspace` or `output-failed`, if files cannot be created or removed.
 * @throws {DOMException} An `AbortError` if the job is cancelled meanwhile.
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
    ...config.ciSource.type === "none" ? [] : ["/job/ci"],
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

/**
 * Releases the lock of a job that has ended.
 *
 * @param run The run.
 * @param lock Its lock.
 */
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
