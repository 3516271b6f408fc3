import { Variable } from "../environment/variables.ts";
import { booleanVariable } from "../boolean.ts";
import { isInside, normalizeJobPath } from "../job_path.ts";
import { isDirectorySync } from "../fs/files.ts";

/** Where a job's files are. */
export interface Workspace {
  /** Absolute path of the directory that jobs know as `/job`. */
  readonly base: string;
  /** Whether the job runs in a container of its own, made by a worker. */
  readonly inContainer: boolean;
  /**
   * Finds the real place of a path that a job is given.
   *
   * @param jobPath `/job` or a path below it.
   * @returns Absolute path, equal to the given one in a container.
   * @throws {RunnerError} With code `workspace`, if the path leaves `/job`.
   */
  pathOf(jobPath: string): string;
}

/** Options for {@linkcode openWorkspace}. */
export interface OpenWorkspaceOptions {
  /** Absolute path of the directory in which the runner was started. */
  cwd: string;
  /**
   * Environment; `REACTORCIDE_IN_CONTAINER` and `REACTORCIDE_WORKSPACE` are
   * read from it.
   */
  env: Readonly<Record<string, string>>;
  /**
   * Absolute path of the workspace that a container has.
   *
   * @default {"/job"}
   */
  root?: string;
}

/**
 * Determines where a job's files are; makes no directory.
 *
 * In a container that is `/job`, elsewhere `job` in the current directory, or
 * the directory that `REACTORCIDE_WORKSPACE` names: jobs of a local workflow
 * are given it, so that a runner in one of them finds the job's own files.
 * `REACTORCIDE_IN_CONTAINER` decides with `true`, `1`, `yes`, `false`, `0` or
 * `no`, in any case. Otherwise a `/job` in which the runner was started, or may
 * write, means a container.
 *
 * @param options Directory and environment of the runner.
 * @returns The layout.
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

/** Mode bits do not show read-only mounts, ACLs and user namespaces. */
function isWritable(directory: string): boolean {
  try {
    Deno.removeSync(
      Deno.makeTempFileSync({ dir: directory, prefix: ".writable-" }),
    );
    return true;
  } catch {
    // That is the answer.
    return false;
  }
}
