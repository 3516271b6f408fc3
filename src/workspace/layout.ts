import { readBoolean } from "../boolean.ts";
import { type Environment, Variable } from "../environment/variables.ts";
import { isDirectorySync } from "../fs/files.ts";
import { fromProc } from "../host.ts";
import { isInside, normalizeJobPath } from "../job_path.ts";

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
  const inContainer = readBoolean(env, Variable.inContainer, {
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

/** Run to which a runner belongs. */
export interface RunIdentity {
  /** ID of the run. */
  readonly id: string;
  /** Whether an outer runner started the run. */
  readonly isInherited: boolean;
  /** Directories of workspaces in which jobs of this process have started. */
  readonly begunIn: Set<string>;
}

let own: RunIdentity | undefined;

/**
 * Returns the run to which a runner belongs: the run of the runner that started
 * it, or the one that all runners of this process share.
 */
export function runIdentity(
  env: Environment,
): RunIdentity {
  const inherited = env[Variable.runId] ?? "";
  return inherited === ""
    ? own ??= { id: createRunId(), isInherited: false, begunIn: new Set() }
    : { id: inherited, isInherited: true, begunIn: new Set() };
}

/**
 * Checks whether the process that started a run is alive.
 *
 * @param id ID of the run.
 * @returns Whether the process is known to be alive; always `false` on a system
 * without `/proc`, or for a process in another PID namespace.
 */
export function isProcessAlive(id: string): boolean {
  const [namespace, pid, startTime] = id.split(".");
  return startTime !== undefined && /^\d+$/.test(pid) &&
    namespace === readPidNamespace() && startTime === readStartTime(pid);
}

/**
 * Creates an ID with the start time of the process, because a process ID can be
 * reused.
 */
function createRunId(): string {
  const namespace = readPidNamespace();
  const startTime = readStartTime(`${Deno.pid}`);
  return [
    ...namespace && startTime ? [namespace, Deno.pid, startTime] : [],
    crypto.randomUUID(),
  ].join(".");
}

function readPidNamespace(): string | undefined {
  const link = "/proc/self/ns/pid";
  return readIfAllowed(link, () => /\d+/.exec(Deno.readLinkSync(link))?.[0]);
}

/**
 * Returns the start time of a process, in ticks since the system started;
 * `undefined` if the process has ended.
 */
function readStartTime(pid: string): string | undefined {
  const path = `/proc/${pid}/stat`;
  return readIfAllowed(path, () => {
    const text = Deno.readTextFileSync(path);
    // The program name, in parentheses, can contain any character.
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return /[ZX]/.test(fields[0]) ? undefined : fields[19];
  });
}

/**
 * Reads only if the permission is granted, so that Deno does not prompt the
 * user.
 */
function readIfAllowed<T>(path: string, read: () => T): T | undefined {
  const { state } = Deno.permissions.querySync({ name: "read", path });
  return state === "granted" ? fromProc(read) : undefined;
}
