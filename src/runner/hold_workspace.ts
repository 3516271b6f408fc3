import type { JobConfig } from "../config/job_config.ts";
import { messageOf } from "../errors.ts";
import { lockWorkspace, type WorkspaceLock } from "../workspace/lock.ts";
import { restoreOwnedPaths } from "../workspace/owned_paths.ts";
import { beginRun } from "../workspace/run_files.ts";
import type { RunnerParts } from "./runner_parts.ts";
import type { JobRun } from "./job_run.ts";
import { outputPath } from "./workflow_output.ts";
import { workspacePath } from "./job_directories.ts";

/** What a job does in its workspace. */
export interface WorkspaceUse {
  /** Whether the job is made of steps, which have logs and outputs there. */
  readonly hasSteps: boolean;
  /** Whether a container of its own gets the workspace. */
  readonly hasContainer: boolean;
}

/**
 * Locks the workspace for a job, if the job puts files there, and removes what
 * earlier runs left for those who started them.
 *
 * A command that runs in the user's own directory leaves nothing in the
 * workspace, so any number of them may run at once. One that a job around it
 * starts does not replace anything either.
 *
 * @param run The run, which keeps the lock until it is over.
 * @param config Configuration of the job.
 * @param use What the job does in its workspace.
 * @throws {RunnerError} `workspace-busy`, if another job holds the lock;
 * `workspace` or `output-failed`, if files cannot be created or removed.
 * @throws {DOMException} An `AbortError` if the job is cancelled meanwhile.
 */
export async function holdWorkspace(
  run: JobRun,
  config: JobConfig,
  use: WorkspaceUse,
): Promise<void> {
  const { parts, cancellation } = run;
  const { host: { env }, workspace, logger } = parts;
  if (run.lock !== undefined) return;
  const sourceDirs = [
    ...config.source.type === "none" ? [] : [config.sourceDir],
    ...config.ciSource.type === "none" ? [] : ["/job/ci"],
  ];
  const isInJobDir = config.isCwdChosen && !workspace.inContainer &&
    !parts.run.isInherited;
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
  await beginFiles(parts, config.triggers.file);
}

/**
 * Removes what earlier runs left for those who started them.
 *
 * @param parts The context of the runner.
 * @param triggersFile Where follow-up jobs are written, as the job knows it.
 * @throws {RunnerError} `output-failed`, if a file cannot be removed.
 */
export async function beginFiles(
  parts: RunnerParts,
  triggersFile: string,
): Promise<void> {
  const files = [workspacePath(parts, triggersFile), outputPath(parts)];
  await beginRun(parts.workspace, files, parts.run);
}

/**
 * Ends the lock of a job that is over.
 *
 * @param run The run.
 * @param lock Its lock.
 */
export async function releaseWorkspace(
  { parts: { workspace, logger } }: JobRun,
  lock: WorkspaceLock,
): Promise<void> {
  try {
    if (!workspace.inContainer) await restoreOwnedPaths(workspace);
  } catch (error) {
    logger.warn("workspace", messageOf(error));
  }
  await lock[Symbol.asyncDispose]();
}
