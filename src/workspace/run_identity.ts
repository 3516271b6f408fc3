import { Variable } from "../environment/variables.ts";

/** Which run a runner belongs to. */
export interface RunIdentity {
  /** Id of the run. */
  readonly id: string;
  /** Whether a runner around this one began the run. */
  readonly isInherited: boolean;
  /** Directories of the workspaces in which jobs of this process began. */
  readonly begunIn: Set<string>;
}

let own: RunIdentity | undefined;

/**
 * Returns which run a runner belongs to: that of the runner which started it, or
 * else one that all runners of this process share.
 *
 * @param env Environment of the runner.
 * @returns The run.
 */
export function runIdentity(
  env: Readonly<Record<string, string>>,
): RunIdentity {
  const inherited = env[Variable.runId] ?? "";
  return inherited === ""
    ? own ??= { id: makeId(), isInherited: false, begunIn: new Set() }
    : { id: inherited, isInherited: true, begunIn: new Set() };
}

/**
 * Checks whether the process that began a run is alive.
 *
 * @param id Id of the run.
 * @returns Whether it is known to be; never on a system without `/proc`, or for
 * a process in another PID namespace.
 */
export function isProcessAlive(id: string): boolean {
  const [namespace, pid, startTime] = id.split(".");
  return startTime !== undefined && /^\d+$/.test(pid) &&
    namespace === pidNamespace() && startTime === startTimeOf(pid);
}

/** A number of a process alone may be given to another process later. */
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

/** Ticks between the start of the system and that of a process, unless it has ended. */
function startTimeOf(pid: string): string | undefined {
  const path = `/proc/${pid}/stat`;
  return readable(path, () => {
    const text = Deno.readTextFileSync(path);
    // The name of the program, in parentheses, may hold anything.
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return /[ZX]/.test(fields[0]) ? undefined : fields[19];
  });
}

/** Deno must not ask the user for permission, and gives it for `/proc` only with all others. */
function readable<T>(path: string, read: () => T): T | undefined {
  const { state } = Deno.permissions.querySync({ name: "read", path });
  if (state !== "granted") return undefined;
  try {
    return read();
  } catch {
    // The process has ended, /proc is not mounted, or access is denied.
    return undefined;
  }
}
