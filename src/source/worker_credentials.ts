import { dirname } from "@std/path/posix/dirname";
import { isAbsolute } from "@std/path/posix/is-absolute";
import { resolve } from "@std/path/posix/resolve";
import { parseBoolean } from "../boolean.ts";
import { type Environment, Variable } from "../environment/variables.ts";
import { messageOf, RunnerError } from "../errors.ts";
import { isInside, jobPathProblem } from "../job_path.ts";
import type { Logger } from "../output/logger.ts";
import { guardPath, realPath } from "../workspace/guard.ts";
import type { Workspace } from "../workspace/layout.ts";
import { emptyDirectory, removeIfEmpty } from "../workspace/remove.ts";
import { withConfigEntries } from "./git/git_config.ts";

/** Parts of a run that the functions for credentials need. */
export interface CredentialsContext {
  /**
   * Environment with `REACTORCIDE_VCS_AUTH_DIR` and
   * `REACTORCIDE_VCS_AUTH_CLEANUP`.
   */
  env: Environment;
  /** Workspace that must contain the directory of the credentials. */
  workspace: Workspace;
  /** Log for warnings. */
  log: Logger;
}

/**
 * Warns if the worker's credentials cannot be read: a worker may keep them in a
 * directory that only root can enter.
 */
export async function checkCredentials(
  { env, workspace, log }: CredentialsContext,
): Promise<void> {
  const configured = env[Variable.vcsAuthDir] || undefined;
  if (configured === undefined) return;
  const unreadable = await findUnreadableDirectory(
    toWorkspacePath(configured, workspace),
  );
  if (unreadable === undefined) return;
  const { path, owner } = unreadable;
  log.warn(
    "source",
    `Cannot read the git credentials in "${configured}": permission denied. Private repositories will not be readable: run the job as user ${owner}, who owns "${path}", or have the worker give that directory to the job's user`,
  );
}

/**
 * Finds the directory that this user cannot read: the given one or one above it.
 */
async function findUnreadableDirectory(
  directory: string,
): Promise<{ path: string; owner: number | null } | undefined> {
  try {
    await Array.fromAsync(Deno.readDir(directory));
    return undefined;
  } catch (error) {
    if (!(error instanceof Deno.errors.PermissionDenied)) return undefined;
  }
  for (let path = directory;; path = dirname(path)) {
    try {
      return { path, owner: (await Deno.stat(path)).uid };
    } catch (error) {
      // The path is in a directory that this user cannot enter.
      if (!(error instanceof Deno.errors.PermissionDenied)) return undefined;
    }
  }
}

/**
 * Removes the credentials that the worker provided for cloning the source, so
 * that the job cannot read them. Calling it again has no effect.
 *
 * The values `0`, `false` and `no` of `REACTORCIDE_VCS_AUTH_CLEANUP` keep them.
 * A directory outside the workspace is left alone. If something cannot be
 * removed, a warning is logged. The directory itself may remain, for example if
 * it is a mount point.
 */
export async function removeCredentials(
  context: CredentialsContext,
): Promise<void> {
  const { env, workspace, log } = context;
  const configured = findRemovableDirectory(env);
  if (configured === undefined) return;
  try {
    const directory = await guardDirectory(configured, workspace);
    await emptyDirectory(directory);
    await removeIfEmpty(directory);
  } catch (error) {
    // If this user cannot read them, neither can the job.
    if (await findUnreadableDirectory(toWorkspacePath(configured, workspace))) {
      return;
    }
    const causes = error instanceof AggregateError ? error.errors : [error];
    log.warn("source", "Cannot remove the credentials of the source", {
      path: configured,
      reason: causes.map(messageOf).join("; "),
    });
  }
}

/**
 * Creates the environment of a job after its credentials were removed.
 *
 * A `GIT_CONFIG_GLOBAL` that was removed with them is dropped. Its other
 * setting, that git trusts directories of all owners, is appended to the
 * existing `GIT_CONFIG_*` entries.
 */
export function withoutCredentials(env: Environment): Record<string, string> {
  const { GIT_CONFIG_GLOBAL: file, ...rest } = env;
  const directory = findRemovableDirectory(env);
  if (
    !file || directory === undefined ||
    !isInside(resolve("/", directory), resolve("/", file))
  ) {
    return { ...env };
  }
  return withConfigEntries(rest, [["safe.directory", "*"]]);
}

/**
 * Finds the directory to empty; `undefined` if there is none or it is kept.
 */
function findRemovableDirectory(env: Environment): string | undefined {
  const isRemoved = parseBoolean(env[Variable.vcsAuthCleanup] ?? "", {
    acceptsWorkerWords: true,
  });
  if (isRemoved === false) return undefined;
  return env[Variable.vcsAuthDir] || undefined;
}

async function guardDirectory(
  directory: string,
  workspace: Workspace,
): Promise<string> {
  if (!isAbsolute(directory)) throw refusal(directory, "it is not absolute");
  const real = await guardPath(
    workspace.base,
    toWorkspacePath(directory, workspace),
  );
  if (real === await realPath(workspace.base)) {
    throw refusal(directory, "it is the workspace itself");
  }
  return real;
}

function toWorkspacePath(directory: string, workspace: Workspace): string {
  return jobPathProblem(directory) === undefined
    ? workspace.pathOf(directory)
    : directory;
}

function refusal(directory: string, reason: string): RunnerError {
  return new RunnerError(`Cannot empty "${directory}": ${reason}`, {
    code: "workspace",
  });
}
