import { fromProc } from "../host.ts";
import { type Environment, Variable } from "../environment/variables.ts";

/** Run to which a runner belongs. */
export interface RunIdentity {
  /** Id of the run. */
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
    ? own ??= { id: makeId(), isInherited: false, begunIn: new Set() }
    : { id: inherited, isInherited: true, begunIn: new Set() };
}

/**
 * Checks whether the process that started a run is alive.
 *
 * @param id Id of the run.
 * @returns Whether the process is known to be alive; always `false` on a system
 * without `/proc`, or for a process in another PID namespace.
 */
export function isProcessAlive(id: string): boolean {
  const [namespace, pid, startTime] = id.split(".");
  return startTime !== undefined && /^\d+$/.test(pid) &&
    namespace === pidNamespace() && startTime === startTimeOf(pid);
}

/**
 * Creates an id with the start time of the process, because a process id can be
 * reused.
 */
function makeId(): string {
  const namespace = pidNamespace();
  const startTime = startTimeOf(`${Deno.pid}`);
  return [
    ...namespace && startTime ? [namespace, Deno.pid, startTime] : [],
    crypto.randomUUID(),
  ].join(".");
}

function pidNamespace(): string | undefined {
  const link = "/proc/self/ns/pid";
  return readable(link, () => /\d+/.exec(Deno.readLinkSync(link))?.[0]);
}

/**
 * Returns the start time of a process, in ticks since the system started;
 * `undefined` if the process has ended.
 */
function startTimeOf(pid: string): string | undefined {
  const path = `/proc/${pid}/stat`;
  return readable(path, () => {
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
function readable<T>(path: string, read: () => T): T | undefined {
  const { state } = Deno.permissions.querySync({ name: "read", path });
  return state === "granted" ? fromProc(read) : undefined;
}
