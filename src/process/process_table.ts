/** Maximum number of process IDs that are probed one by one. */
const MAX_TRIED = 1_000;

/** Returns the parent of a process; 0 if the process has exited. */
export function parentOf(pid: number): number {
  return Number(statOf(pid)?.[1] ?? 0);
}

/** `RLIMIT_LOCKS` without a limit. */
const UNLIMITED = (1n << 64n) - 1n;

/** Returns the hard limit that tags a process; `undefined` if it cannot be read. */
export function limitOf(pid: number | "self"): bigint | undefined {
  if (Deno.build.os !== "linux") return undefined;
  try {
    const text = Deno.readTextFileSync(`/proc/${pid}/limits`);
    const [, hard] = /^Max file locks +\S+ +(\S+)/m.exec(text) ?? [];
    if (hard === undefined) return undefined;
    return hard === "unlimited" ? UNLIMITED : BigInt(hard);
  } catch {
    // The process has exited, or Deno denies access, which needs all
    // permissions for /proc.
    return undefined;
  }
}

/**
 * Returns the last process ID that was assigned; `undefined` if it is unknown.
 */
export function lastPid(): number | undefined {
  if (Deno.build.os !== "linux") return undefined;
  try {
    return Number(Deno.readTextFileSync("/proc/loadavg").split(" ")[4]);
  } catch {
    // Without /proc, no process is found.
    return undefined;
  }
}

/**
 * Returns the process IDs that were assigned after the first, up to the last
 * one.
 */
export function pidsBetween(
  first: number | undefined,
  last: number | undefined,
): number[] {
  if (first === undefined || last === undefined) return [];
  // The counter may have wrapped, and some systems assign IDs at random.
  const isKnown = first > 0 && last >= first && last - first <= MAX_TRIED;
  if (isKnown) {
    // The newest come first: a process that forks and exits does not live long.
    return Array.from({ length: last - first }, (_, index) => last - index);
  }
  return [...Deno.readDirSync("/proc")]
    .map(({ name }) => Number(name))
    .filter((pid) => pid > 0);
}

/** Checks whether the initial environment of a process contains some bytes. */
export function environmentContains(pid: number, mark: Uint8Array): boolean {
  try {
    return holds(Deno.readFileSync(`/proc/${pid}/environ`), mark);
  } catch {
    // The process has exited, or belongs to another user.
    return false;
  }
}

function holds(bytes: Uint8Array, part: Uint8Array): boolean {
  for (let at = 0; (at = bytes.indexOf(part[0], at)) !== -1; at++) {
    if (part.every((byte, index) => bytes[at + index] === byte)) return true;
  }
  return false;
}

/** Checks whether a process is a zombie: dead, but not reaped by its parent. */
export function isZombie(pid: number): boolean {
  const [state] = statOf(pid) ?? [];
  return state === undefined || state === "Z" || state === "X";
}

/** Returns the fields of `proc_pid_stat(5)` from the state on: the name before it may contain spaces. */
function statOf(pid: number): string[] | undefined {
  try {
    const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  } catch {
    // The process has exited.
    return undefined;
  }
}
