/**
 * Finds every process that a command started, wherever it went.
 *
 * A process can leave its group and its session, clear its environment, and
 * outlive its parents. It keeps its resource limits. Linux has one limit that
 * nothing uses any more (`RLIMIT_LOCKS`): a number in it, set by the shell that
 * starts a command, is inherited by everything that the command starts, can be
 * read by everybody in `/proc`, and can only be lowered, except with
 * CAP_SYS_RESOURCE.
 *
 * 1. Each command gets an interval of numbers: its tag, the highest of them,
 *    and those below, from which a runner inside the command tags its own.
 * 2. Trusted commands have higher numbers than untrusted ones, so that an
 *    untrusted process cannot pass for one of a trusted command.
 * 3. In a container, a process with a number of no running command has lowered
 *    it on purpose, and is a survivor too, unless it descends from another
 *    runner. Elsewhere it could be a stranger's.
 * 4. A variable in the environment marks the processes where a system or a
 *    shell has no such limit.
 *
 * @module
 */
import { pause } from "./time_limit.ts";
import { Variable } from "../environment/variables.ts";
import {
  carries,
  isDead,
  lastPid,
  limitOf,
  parentOf,
  pidsBetween,
} from "./process_table.ts";

/** Variable by which processes are known whose limits tell nothing. */
const TAG = Variable.processTag;

/** How many numbers belong to a command; runners inside it use them up. */
const INTERVAL = 1n << 28n;

/** Tags of untrusted commands start here, those of trusted ones twice as high. */
const LOWEST_TAG = 1n << 61n;

/** Maximum time without a pause for the rest of the runner, in milliseconds. */
const BURST_MS = 20;

/** Maximum time to kill processes that go on starting others, in milliseconds. */
const MAX_KILL_MS = 5_000;

/** Commands that run now, by the highest number of their intervals. */
const runningTags = new Set<bigint>();

/** The limit of this process, which nothing here changes. */
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
}

/** A command and everything that it starts. */
export interface ProcessTree {
  /** Variables for the environment of the command. */
  readonly env: Readonly<Record<string, string>>;
  /** Text that tags a shell and what it starts; it prints nothing. */
  readonly shellText: string;
  /**
   * Whether a process can leave the tree only with the rights of root.
   * Without it, only those are found that keep their environment.
   */
  readonly isTagged: boolean;
  /** Kills every process of the tree that is found at a glance. */
  kill(): void;
  /**
   * Kills until no process is left. The tree is over then.
   *
   * @returns Whether none is left.
   */
  end(): Promise<boolean>;
}

/**
 * Makes what tags a command, before it is started.
 *
 * @param options Additional options.
 * @returns The tree.
 */
export function tagProcessTree(
  options: TagProcessTreeOptions = {},
): ProcessTree {
  const { isUntrusted = false, isInContainer = false } = options;
  const own = ownLimit ??= limitOf("self");
  const interval = own === undefined
    ? undefined
    : newInterval(own, isUntrusted);
  const uuid = crypto.randomUUID();
  const mark = new TextEncoder().encode(`${TAG}=${uuid}`);
  const firstPid = lastPid();
  const dead = new Set<number>();
  let hasFound = false;
  if (interval) runningTags.add(interval.tag);

  /** Whether a process is ours; `undefined` if it is gone. */
  function belongs(pid: number): boolean | undefined {
    const limit = limitOf(pid);
    if (limit === undefined) return undefined;
    if (interval === undefined || limit === own) return carries(pid, mark);
    if (limit > interval.floor && limit <= interval.tag) return true;
    return isInContainer && limit > interval.outerFloor && limit < own! &&
      !isOfRunningCommand(limit) && !hasOtherRunner(pid, own!);
  }

  /** Kills those among some processes that are ours. */
  function killAmong(pids: readonly number[]): Look {
    const look = { found: 0, gone: 0 };
    for (const pid of pids) {
      if (dead.has(pid)) continue;
      const isOurs = belongs(pid);
      if (isOurs === undefined) look.gone++;
      if (!isOurs) continue;
      if (isDead(pid)) {
        dead.add(pid);
        continue;
      }
      look.found++;
      killProcess(pid);
    }
    return look;
  }

  /**
   * Kills until none is found, or until it is time for something else.
   *
   * A process that only forks and exits is gone when a look at all processes
   * comes to it. What is started meanwhile is therefore looked at as soon as
   * its number is given away, for as long as the look at all took: what lives
   * longer is seen by the one, what lives shorter by the other.
   */
  function killInBurst(): boolean {
    const end = performance.now() + BURST_MS;
    while (true) {
      const start = performance.now();
      let last = lastPid();
      const { found } = killAmong(pidsBetween(firstPid, last));
      let quietSince = performance.now();
      const quietMs = quietSince - start;
      let isQuiet = found === 0;
      // Only code that wants to survive does that, and it costs time.
      if (isQuiet && !isUntrusted && !hasFound) return true;
      hasFound = true;
      while (performance.now() < quietSince + quietMs) {
        if (performance.now() > end) return false;
        const before = last;
        last = lastPid();
        if (last === before) continue;
        const look = killAmong(pidsBetween(before && before - 2, last));
        if (look.found > 0) isQuiet = false;
        if (look.found + look.gone > 0) quietSince = performance.now();
      }
      if (isQuiet) return true;
      if (performance.now() > end) return false;
    }
  }

  return {
    env: { [TAG]: uuid },
    shellText: interval
      ? `ulimit -w ${interval.tag} 2>/dev/null||ulimit -x ${interval.tag} 2>/dev/null;`
      : "",
    isTagged: interval !== undefined,
    kill: () => void killInBurst(),
    async end() {
      const end = performance.now() + MAX_KILL_MS;
      let isOver = killInBurst();
      while (!isOver && performance.now() < end) {
        await pause(1);
        isOver = killInBurst();
      }
      if (interval) runningTags.delete(interval.tag);
      return isOver;
    },
  };
}

/** What a look at some processes found. */
interface Look {
  /** How many were ours, and alive. */
  found: number;
  /** How many were gone before they were looked at. */
  gone: number;
}

interface Interval {
  /** Number that the command gets: the highest one. */
  readonly tag: bigint;
  /** Number below the lowest one. */
  readonly floor: bigint;
  /** Number below those of every command of this runner. */
  readonly outerFloor: bigint;
}

/**
 * Chooses numbers that no other command has: of 2³³ intervals, or, inside a
 * command of another runner, a single one of that command's 2²⁸ numbers.
 *
 * @returns `undefined`, where all numbers are used up or the limit has another
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

/** Whether the youngest ancestor without a tag is another runner, and not ours or init. */
function hasOtherRunner(pid: number, own: bigint): boolean {
  for (let ancestor = parentOf(pid); ancestor > 1;) {
    if (limitOf(ancestor) === own) return ancestor !== Deno.pid;
    ancestor = parentOf(ancestor);
  }
  return false;
}

function killProcess(pid: number): void {
  try {
    Deno.kill(pid, "SIGKILL");
  } catch {
    // It went by itself, or became another user's, which no signal reaches.
  }
}
