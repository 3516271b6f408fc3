import { type Environment, Variable } from "../environment/variables.ts";
import { booleanVariable } from "../boolean.ts";
import { isInside, normalizeJobPath } from "../job_path.ts";
import { isDirectorySync } from "../fs/files.ts";

/** Location of the files of jobs. */
export interface Workspace {
  /** Absolute path of the directory that jobs see as `/job`. */
  readonly base: string;
  /** Whether the runner is in a container that a worker created for the job. */
  readonly inContainer: boolean;
  /**
   * Resolves a path as seen by the job.
   *
   * @param jobPath `/job` or a path below it.
   * @returns Absolute path; in a container, the same path.
   * @throws {RunnerError} With code `workspace`, if the path leaves `/job`.
   */
  pathOf(jobPath: string): string;
}

/** Options for {@linkcode openWorkspace}. */
export interface OpenWorkspaceOptions {
  /** Absolute path of the runner's current directory. */
  cwd: string;
  /**
   * Environment with `REACTORCIDE_IN_CONTAINER` and `REACTORCIDE_WORKSPACE`.
   */
  env: Environment;
  /**
   * Absolute path of the workspace in a container.
   *
   * @default {"/job"}
   */
  root?: string;
}

/**
 * Determines the location of the workspace, without creating a directory.
 *
 * In a container, it is `/job`. Elsewhere, it is the directory in
 * `REACTORCIDE_WORKSPACE`, or `job` in the current directory. Jobs of a local
 * workflow get the variable, so that a runner in such a job finds the files of
 * the job.
 *
 * `REACTORCIDE_IN_CONTAINER` says whether the runner is in a container: `true`,
 * `1`, `yes`, `false`, `0` or `no`, in any letter case. Without it, the runner
 * is in a container if `/job` exists and is writable or contains the current
 * directory.
 *
 * @param options Directory and environment of the runner.
 */
export function openWorkspace(options: OpenWorkspaceOptions): Workspace {
  const { cwd, env, root = "/job" } = options;
  const inContainer = booleanVariable(env, Variable.inContainer, {
    acceptsWorkerWords: true,
  }) ?? looksLikeContainer(root, cwd);
  const given = env[Variable.workspace] ?? "";
  const base = inContainer
    ? root
    : given.startsWith("/")
    ? given
    : `${cwd}/job`;
  return {
    base,
    inContainer,
    pathOf: (jobPath) => base + normalizeJobPath(jobPath).slice("/job".length),
  };
}

function looksLikeContainer(root: string, cwd: string): boolean {
  return isDirectorySync(root) && (isInside(root, cwd) || isWritable(root));
}

/**
 * Tests by creating a file, since mode bits do not reflect read-only mounts,
 * ACLs and user namespaces.
 */
function isWritable(directory: string): boolean {
  try {
    Deno.removeSync(
      Deno.makeTempFileSync({ dir: directory, prefix: ".writable-" }),
    );
    return true;
  } catch {
    // Creating or removing the file failed.
    return false;
  }
}
