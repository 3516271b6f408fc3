import { Variable } from "../environment/variables.ts";

/** Variable by which descendants of a program are known, wherever they went. */
const TAG = Variable.processTag;

/** More process ids than that are not tried one by one. */
const MOST_TRIED = 1_000;

/** How often it is looked again; each look finds what the last ones started. */
const MOST_LOOKS = 10;

/** A family of processes that share a mark in their environment. */
export interface Family {
  /** Variables that mark a program and what it starts. */
  readonly env: Readonly<Record<string, string>>;
  /** Kills whoever carries the mark, in whatever session. */
  kill(): void;
}

/**
 * Marks a family of processes before its first one is started.
 *
 * A process that leaves its session and its group keeps its environment, which
 * Linux shows. Only process ids that were given away since are looked at. On
 * other systems, and without the permission to look, nobody is found.
 *
 * @returns The family.
 */
export function markFamily(): Family {
  const tag = crypto.randomUUID();
  const mark = new TextEncoder().encode(`${TAG}=${tag}`);
  const firstPid = lastPid();
  return {
    env: { [TAG]: tag },
    kill() {
      for (let look = 0; look < MOST_LOOKS; look++) {
        const pids = pidsSince(firstPid).filter((pid) => carries(pid, mark));
        if (pids.length === 0) return;
        for (const pid of pids) killProcess(pid);
      }
    },
  };
}

/** The process id that was given away last; `undefined` if the system does not tell. */
function lastPid(): number | undefined {
  if (Deno.build.os !== "linux") return undefined;
  try {
    return Number(Deno.readTextFileSync("/proc/loadavg").split(" ")[4]);
  } catch {
    // Without /proc, nobody is found.
    return undefined;
  }
}

function pidsSince(first: number | undefined): number[] {
  const last = lastPid();
  if (first === undefined || last === undefined) return [];
  // The counter may have started over, and some systems do not count at all.
  const isKnown = first > 0 && last >= first && last - first <= MOST_TRIED;
  if (isKnown) {
    return Array.from(
      { length: last - first },
      (_, index) => first + index + 1,
    );
  }
  return [...Deno.readDirSync("/proc")]
    .map(({ name }) => Number(name))
    .filter((pid) => pid > 0);
}

function carries(pid: number, mark: Uint8Array): boolean {
  try {
    const environ = Deno.readFileSync(`/proc/${pid}/environ`);
    return holds(environ, mark);
  } catch {
    // It is gone, or somebody else's.
    return false;
  }
}

function holds(bytes: Uint8Array, part: Uint8Array): boolean {
  for (let at = 0; (at = bytes.indexOf(part[0], at)) !== -1; at++) {
    if (part.every((byte, index) => bytes[at + index] === byte)) return true;
  }
  return false;
}

function killProcess(pid: number): void {
  try {
    Deno.kill(pid, "SIGKILL");
  } catch {
    // It went by itself, or became another user's, whom nothing reaches.
  }
}
