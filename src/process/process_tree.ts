/**
 * Finds every process that a command started, in any group or session.
 *
 * A process can leave its group and its session, clear its environment, and
 * outlive its parents. But it keeps its resource limits. Linux has one limit
 * that is no longer used (`RLIMIT_LOCKS`). The shell that starts a command sets
 * it to a number, which everything that the command starts inherits. Every user
 * can read it in `/proc`, and it can only be lowered, except with
 * CAP_SYS_RESOURCE.
 *
 * 1. Each command gets an interval of numbers. Its tag is the highest of them.
 *    A runner inside the command uses those below for its own tags.
 * 2. Trusted commands have higher numbers than untrusted ones, so that an
 *    untrusted process cannot pass for one of a trusted command.
 * 3. In a container, a process whose number belongs to no running command has
 *    lowered it on purpose, so it is a survivor too, unless it descends from
 *    another runner. Elsewhere it could belong to another user.
 * 4. An environment variable marks the processes on systems and in shells that
 *    do not support the limit.
 *
 * @module
 */
import { Variable } from "../environment/variables.ts";
import { fromProc } from "../host.ts";
import { pause } from "./time_limit.ts";

/** Variable that marks processes where limits cannot be used. */
const TAG = Variable.processTag;

/** Size of the interval of a command, which nested runners divide. */
const INTERVAL = 1n << 28n;

/**
 * Lowest tag of untrusted commands; those of trusted commands start at twice
 * this number.
 */
const LOWEST_TAG = 1n << 61n;

/**
 * Maximum time before other tasks of the runner get a turn, in milliseconds.
 */
const BURST_MS = 20;

/**
 * Maximum time to kill processes that keep starting others, in milliseconds.
 */
const MAX_KILL_MS = 5_000;

/** Tags of the running commands. */
const runningTags = new Set<bigint>();

/** Process IDs of running commands, each of which starts a tree. */
const runningRoots = new Set<number>();

/** The limit of this process, which never changes. */
let ownLimit: bigint | undefined;

/** Options for {@linkcode tagProcessTree}. */
export interface TagProcessTreeOptions {
  /**
   * Whether the command runs code that is not trusted.
   *
   * @default {false}
   */
  isUntrusted?: boolean;
  /**
   * Whether the runner is in a container for this job.
   *
   * @default {false}
   */
  isInContainer?: boolean;
  /**
   * Whether the command runs in a PID namespace. The kernel kills everything in
   * it, and nothing in it can start a process once that has begun.
   *
   * @default {false}
   */
  hasNamespace?: boolean;
}

/** The process tree of a command. */
export interface ProcessTree {
  /** Variables for the environment of the command. */
  readonly env: Readonly<Record<string, string>>;
  /** Shell text that tags the shell and what it starts; it prints nothing. */
  readonly shellText: string;
  /**
   * Whether a process needs root to leave the tree. Otherwise, only processes
   * that keep their environment are found.
   */
  readonly isTagged: boolean;
  /**
   * Records that the command was started. Until then, the tree is empty.
   *
   * @param pid Process ID of the command.
   */
  setRoot(pid: number): void;
  /**
   * Checks whether it is certain that no process of the tree is left, once the
   * command has ended: since its start, no process was started but other commands
   * of this runner.
   */
  isEmpty(): boolean;
  /** Kills every process of the tree that one scan finds. */
  kill(): void;
  /**
   * Kills until no process is left, and releases the tag.
   *
   * @returns Whether no process is left.
   */
  end(): Promise<boolean>;
  /** Releases the tag of a tree that has no processes left. */
  release(): void;
}

/**
 * Creates the tag of a command, before the command is started.
 *
 * @returns The tree.
 */
export function tagProcessTree(
  options: TagProcessTreeOptions = {},
): ProcessTree {
  const { isUntrusted = false, isInContainer = false } = options;
  const mayHide = isUntrusted && !options.hasNamespace;
  const own = ownLimit ??= readLimit("self");
  const interval = own === undefined
    ? undefined
    : newInterval(own, isUntrusted);
  const uuid = crypto.randomUUID();
  const mark = new TextEncoder().encode(`${TAG}=${uuid}`);
  let root: number | undefined;
  const dead = new Set<number>();
  let hasFound = false;
  if (interval) runningTags.add(interval.tag);

  /** Checks whether a process belongs to the tree; `undefined` if it has exited. */
  function belongs(pid: number): boolean | undefined {
    const limit = readLimit(pid);
    if (limit === undefined) return undefined;
    if (interval === undefined || limit === own) {
      return environmentContains(pid, mark);
    }
    if (limit > interval.floor && limit <= interval.tag) return true;
    return isInContainer && limit > interval.outerFloor && limit < own! &&
      !isOfRunningCommand(limit) && !hasOtherRunner(pid, own!);
  }

  /** Checks whether a process is another command, which only started its own tree. */
  function isOtherRoot(pid: number): boolean {
    // Code that tries to survive could get the ID of a command that has just ended.
    return !mayHide && pid !== root && runningRoots.has(pid);
  }

  /** Returns the process IDs that the tree can have. */
  function possiblePids(last: number | undefined): number[] {
    return root === undefined ? [] : pidsBetween(root - 1, last);
  }

  /** Kills the given processes that belong to the tree. */
  function killAmong(pids: readonly number[]): ScanResult {
    const scan = { found: 0, gone: 0 };
    for (const pid of pids) {
      if (dead.has(pid) || isOtherRoot(pid)) continue;
      const isOurs = belongs(pid);
      if (isOurs === undefined) scan.gone++;
      if (!isOurs) continue;
      if (isZombie(pid)) {
        dead.add(pid);
        continue;
      }
      scan.found++;
      killProcess(pid);
    }
    return scan;
  }

  /**
   * Kills until no process is found, or the time slice ends.
   *
   * A process that only forks and exits is gone before a scan of all processes
   * reaches it. Therefore, new processes are checked as soon as their IDs are
   * assigned, for as long as the full scan took: the scan finds long-lived
   * processes, and this check finds short-lived ones.
   */
  function killInBurst(): boolean {
    const end = performance.now() + BURST_MS;
    while (true) {
      const start = performance.now();
      let last = lastPid();
      const { found } = killAmong(possiblePids(last));
      let quietSince = performance.now();
      const quietMs = quietSince - start;
      let isQuiet = found === 0;
      // Only code that tries to survive does this, and the check costs time.
      if (isQuiet && !mayHide && !hasFound) return true;
      hasFound = true;
      while (performance.now() < quietSince + quietMs) {
        if (performance.now() > end) return false;
        const before = last;
        last = lastPid();
        if (last === before) continue;
        const scan = killAmong(pidsBetween(before && before - 2, last));
        if (scan.found > 0) isQuiet = false;
        if (scan.found + scan.gone > 0) quietSince = performance.now();
      }
      if (isQuiet) return true;
      if (performance.now() > end) return false;
    }
  }

  function release(): void {
    if (interval) runningTags.delete(interval.tag);
    if (root !== undefined) runningRoots.delete(root);
  }

  return {
    env: { [TAG]: uuid },
    shellText: interval
      ? `ulimit -w ${interval.tag} 2>/dev/null||ulimit -x ${interval.tag} 2>/dev/null;`
      : "",
    isTagged: interval !== undefined,
    setRoot(pid) {
      root = pid;
      runningRoots.add(pid);
    },
    isEmpty() {
      const last = root === undefined ? undefined : lastPid();
      return last !== undefined && !mayHide && isNear(root!, last) &&
        pidsAfter(root!, last).every(isOtherRoot);
    },
    kill: () => void killInBurst(),
    async end() {
      const end = performance.now() + MAX_KILL_MS;
      let isOver = killInBurst();
      while (!isOver && performance.now() < end) {
        await pause(1);
        isOver = killInBurst();
      }
      release();
      return isOver;
    },
    release,
  };
}

/** Result of a scan. */
interface ScanResult {
  /** Number of live processes of the tree. */
  found: number;
  /** Number of processes that had exited before they were checked. */
  gone: number;
}

interface Interval {
  /** Tag of the command: the highest number. */
  readonly tag: bigint;
  /** One less than the lowest number. */
  readonly floor: bigint;
  /** One less than the lowest number of all commands of this runner. */
  readonly outerFloor: bigint;
}

/**
 * Chooses an interval that no other command has: one of 2³³ intervals or,
 * inside a command of another runner, a single one of that command's 2²⁸
 * numbers.
 *
 * @returns `undefined`, if all numbers are used up or the limit has another
 * purpose.
 */
function newInterval(own: bigint, isUntrusted: boolean): Interval | undefined {
  const isInside = own < LOWEST_TAG * 4n;
  if (isInside && (own + 1n) % INTERVAL !== 0n) return undefined;
  const width = isInside ? 1n : INTERVAL;
  const [from, to] = isInside
    ? [own - INTERVAL + 1n, own]
    : [LOWEST_TAG, LOWEST_TAG * 4n];
  const third = (to - from) / 3n;
  const lowest = isUntrusted ? from : from + third;
  const highest = isUntrusted ? from + third : to;
  const [random] = crypto.getRandomValues(new BigUint64Array(1));
  const count = (highest - lowest) / width;
  const tag = (lowest / width + random % count + 1n) * width - 1n;
  if (runningTags.has(tag)) return newInterval(own, isUntrusted);
  const outerFloor = isInside ? from - 1n : -1n;
  return { tag, floor: tag - width, outerFloor };
}

function isOfRunningCommand(limit: bigint): boolean {
  for (const tag of runningTags) {
    const width = (tag + 1n) % INTERVAL === 0n ? INTERVAL : 1n;
    if (limit > tag - width && limit <= tag) return true;
  }
  return false;
}

/** Checks whether the nearest ancestor without a tag is another runner, neither this one nor init. */
function hasOtherRunner(pid: number, own: bigint): boolean {
  for (let ancestor = readParent(pid); ancestor > 1;) {
    if (readLimit(ancestor) === own) return ancestor !== Deno.pid;
    ancestor = readParent(ancestor);
  }
  return false;
}

function killProcess(pid: number): void {
  try {
    Deno.kill(pid, "SIGKILL");
  } catch {
    // It has exited, or changed its user so that signals cannot reach it.
  }
}

/**
 * Maximum number of process IDs that are checked one by one, instead of listing
 * all processes.
 */
const MAX_PROBED_PIDS = 1_000;

/** Returns the parent of a process; 0 if the process has exited. */
function readParent(pid: number): number {
  return Number(readStat(pid)?.[1] ?? 0);
}

/** `RLIMIT_LOCKS` without a limit. */
const UNLIMITED = (1n << 64n) - 1n;

/** Returns the hard limit that tags a process; `undefined` if it cannot be read. */
function readLimit(pid: number | "self"): bigint | undefined {
  if (Deno.build.os !== "linux") return undefined;
  return fromProc(() => {
    const text = decoder.decode(readProc(`/proc/${pid}/limits`));
    const [, hard] = /^Max file locks +\S+ +(\S+)/m.exec(text) ?? [];
    if (hard === undefined) return undefined;
    return hard === "unlimited" ? UNLIMITED : BigInt(hard);
  });
}

/**
 * Returns the last process ID that was assigned; `undefined` if it is unknown.
 */
function lastPid(): number | undefined {
  if (Deno.build.os !== "linux") return undefined;
  // Without /proc, no process is found.
  return fromProc(() =>
    Number(decoder.decode(readProc("/proc/loadavg")).split(" ")[4])
  );
}

/**
 * Returns the process IDs that were assigned after the first, up to the last
 * one.
 */
function pidsBetween(
  first: number | undefined,
  last: number | undefined,
): number[] {
  if (first === undefined || last === undefined) return [];
  if (isNear(first, last)) return pidsAfter(first, last);
  return [...Deno.readDirSync("/proc")]
    .map(({ name }) => Number(name))
    .filter((pid) => pid > 0);
}

/**
 * Checks whether all process IDs that were assigned between two others are
 * between them, and few. The counter may have wrapped, and some systems assign
 * IDs at random.
 */
function isNear(first: number, last: number): boolean {
  return first > 0 && last >= first && last - first <= MAX_PROBED_PIDS;
}

/**
 * Returns the process IDs after the first, up to the last one. The newest come
 * first: a process that forks and exits does not live long.
 */
function pidsAfter(first: number, last: number): number[] {
  return Array.from({ length: last - first }, (_, index) => last - index);
}

/** Checks whether the initial environment of a process contains some bytes. */
function environmentContains(pid: number, mark: Uint8Array): boolean {
  try {
    return includesBytes(readProc(`/proc/${pid}/environ`), mark);
  } catch {
    // The process has exited, or belongs to another user.
    return false;
  }
}

function includesBytes(bytes: Uint8Array, part: Uint8Array): boolean {
  for (let at = 0; (at = bytes.indexOf(part[0], at)) !== -1; at++) {
    if (part.every((byte, index) => bytes[at + index] === byte)) return true;
  }
  return false;
}

/** Checks whether a process is a zombie: dead, but not reaped by its parent. */
function isZombie(pid: number): boolean {
  const [state] = readStat(pid) ?? [];
  return state === undefined || state === "Z" || state === "X";
}

/** Returns the fields of `proc_pid_stat(5)` from the state on: the name before it may contain spaces. */
function readStat(pid: number): string[] | undefined {
  try {
    const stat = decoder.decode(readProc(`/proc/${pid}/stat`));
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  } catch {
    // The process has exited.
    return undefined;
  }
}

const decoder = new TextDecoder();

/** Buffer of {@linkcode readProc}, which most files fit into. */
let procBuffer = new Uint8Array(4096);

/**
 * Reads a file in `/proc`, which has no known size. Deno would start with 32
 * bytes, and the system generates the content again for each read.
 *
 * @returns The content, valid until the next call.
 * @throws The error of the system.
 */
export function readProc(path: string): Uint8Array {
  using file = Deno.openSync(path);
  let size = 0;
  while (true) {
    const count = file.readSync(procBuffer.subarray(size));
    if (count === null) return procBuffer.subarray(0, size);
    size += count;
    if (size < procBuffer.length) continue;
    const larger = new Uint8Array(2 * procBuffer.length);
    larger.set(procBuffer);
    procBuffer = larger;
  }
}
