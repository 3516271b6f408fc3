/** More process ids than that are not tried one by one. */
const MAX_TRIED = 1_000;

/** The parent of a process, 0 if it is gone. */
export function parentOf(pid: number): number {
  return Number(statOf(pid)?.[1] ?? 0);
}

/** What `RLIMIT_LOCKS` reads without a limit. */
const UNLIMITED = (1n << 64n) - 1n;

/** The hard limit that tags a process; `undefined` if it cannot be read. */
export function limitOf(pid: number | "self"): bigint | undefined {
  if (Deno.build.os !== "linux") return undefined;
  try {
    const text = Deno.readTextFileSync(`/proc/${pid}/limits`);
    const [, hard] = /^Max file locks +\S+ +(\S+)/m.exec(text) ?? [];
    if (hard === undefined) return undefined;
    return hard === "unlimited" ? UNLIMITED : BigInt(hard);
  } catch {
    // It is gone; or Deno, which shows /proc only to a process that has every
    // permission, refuses.
    return undefined;
  }
}

/** The process id that was given away last; `undefined` if the system does not say. */
export function lastPid(): number | undefined {
  if (Deno.build.os !== "linux") return undefined;
  try {
    return Number(Deno.readTextFileSync("/proc/loadavg").split(" ")[4]);
  } catch {
    // Without /proc, no process is found.
    return undefined;
  }
}

/** The process ids that were given away behind the first up to the last one. */
export function pidsBetween(
  first: number | undefined,
  last: number | undefined,
): number[] {
  if (first === undefined || last === undefined) return [];
  // The counter may have started over, and some systems do not count at all.
  const isKnown = first > 0 && last >= first && last - first <= MAX_TRIED;
  if (isKnown) {
    // The youngest first: one that forks and exits does not live long.
    return Array.from({ length: last - first }, (_, index) => last - index);
  }
  return [...Deno.readDirSync("/proc")]
    .map(({ name }) => Number(name))
    .filter((pid) => pid > 0);
}

/** Whether the environment with which a process was started holds some bytes. */
export function carries(pid: number, mark: Uint8Array): boolean {
  try {
    return holds(Deno.readFileSync(`/proc/${pid}/environ`), mark);
  } catch {
    // It is gone, or another user's.
    return false;
  }
}

function holds(bytes: Uint8Array, part: Uint8Array): boolean {
  for (let at = 0; (at = bytes.indexOf(part[0], at)) !== -1; at++) {
    if (part.every((byte, index) => bytes[at + index] === byte)) return true;
  }
  return false;
}

/** A dead process stays in the table until its parent asks how it ended. */
export function isDead(pid: number): boolean {
  const [state] = statOf(pid) ?? [];
  return state === undefined || state === "Z" || state === "X";
}

/** What `proc_pid_stat(5)` lists, from the state on: the name before may hold blanks. */
function statOf(pid: number): string[] | undefined {
  try {
    const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  } catch {
    // It is gone.
    return undefined;
  }
}
