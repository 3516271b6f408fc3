/**
 * Measures the memory and the CPU time of running programs.
 *
 * Deno does not return the resource usage of a program that has exited.
 * Therefore, `/proc` is scanned periodically for the processes of all running
 * programs:
 *
 * 1. The processes of a program are its descendants and those of its session.
 * 2. Its memory is the sum of the resident memory of its processes. The system
 *    keeps the peak of each process, so the peak of a single process between
 *    two scans is not missed.
 * 3. Its CPU time is that of its processes and of their children that have
 *    ended. The time since the last scan is missing.
 * 4. A program that ends before the first scan has no measurements.
 * 5. Scans take less than 1 % of the time, regardless of the number of
 *    processes.
 *
 * @module
 */

import { readProc } from "./process_tree.ts";

/** Time before the first scan and between two scans, in milliseconds. */
const INTERVAL_MS = 250;

/** Minimum ratio of the pause after a scan to the duration of the scan. */
const PAUSE_FACTOR = 100;

/** Unit of CPU time in `/proc`, in milliseconds: the same on all platforms of Deno. */
const TICK_MS = 10;

/** Measurements; empty on systems without `/proc`. */
export interface Usage {
  /** Maximum resident memory of all processes together, in bytes. */
  readonly peakMemoryBytes?: number;
  /** CPU time, in milliseconds. */
  readonly cpuMs?: number;
}

/** Measurements of a group of programs. */
export interface UsageGroup extends Disposable {
  /** Measurements so far. */
  readonly usage: Usage;
  /**
   * Adds a program.
   *
   * @param pid Process ID of the program, which is also that of its session.
   * @returns Handle to dispose when the program has ended.
   */
  add(pid: number): Disposable;
}

/** Options for {@linkcode UsageMeter}. */
export interface UsageMeterOptions {
  /**
   * Directory with the processes.
   *
   * @default {"/proc"}
   */
  proc?: string;
}

/** Measures programs while there are any. */
export class UsageMeter {
  readonly #proc: string;
  readonly #groups = new Set<Group>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** Creates a meter, which does nothing without programs. */
  constructor({ proc = "/proc" }: UsageMeterOptions = {}) {
    this.#proc = proc;
  }

  /** Opens a group of programs. */
  open(): UsageGroup {
    const group = new Group(() => this.#updateTimer());
    this.#groups.add(group);
    return {
      get usage() {
        return group.usage;
      },
      add: (pid) => group.add(pid),
      [Symbol.dispose]: () => {
        this.#groups.delete(group);
        this.#updateTimer();
      },
    };
  }

  /** Scans only while a program runs. */
  #updateTimer(): void {
    const isBusy = [...this.#groups].some(({ pids }) => pids.size > 0);
    if (isBusy) this.#timer ??= this.#scanIn(INTERVAL_MS);
    else {
      clearTimeout(this.#timer);
      this.#timer = undefined;
    }
  }

  #scanIn(delayMs: number): ReturnType<typeof setTimeout> {
    return setTimeout(() => {
      const start = performance.now();
      this.#timer = undefined;
      if (!this.#scan()) return;
      const pauseMs = (performance.now() - start) * PAUSE_FACTOR;
      this.#timer = this.#scanIn(Math.max(INTERVAL_MS, pauseMs));
    }, delayMs);
  }

  /** Returns whether the processes can be read. */
  #scan(): boolean {
    const running = [...this.#groups].filter(({ pids }) => pids.size > 0);
    const roots = new Set(running.flatMap(({ pids }) => [...pids]));
    if (roots.size === 0) return false;
    const trees = readTrees(this.#proc, roots);
    if (trees === undefined) return false;
    for (const group of running) group.record(trees);
    return true;
  }
}

/** Resource usage of the processes of one program. */
interface TreeUsage {
  memoryBytes: number;
  peakBytes: number;
  cpuMs: number;
}

class Group {
  readonly pids = new Set<number>();
  readonly #cpu = new Map<number, number>();
  readonly #onChange: () => void;
  #peakBytes = 0;

  constructor(onChange: () => void) {
    this.#onChange = onChange;
  }

  get usage(): Usage {
    if (this.#cpu.size === 0) return {};
    const cpuMs = this.#cpu.values().reduce((sum, ms) => sum + ms, 0);
    return { peakMemoryBytes: this.#peakBytes, cpuMs };
  }

  add(pid: number): Disposable {
    this.pids.add(pid);
    this.#onChange();
    return {
      [Symbol.dispose]: () => {
        this.pids.delete(pid);
        this.#onChange();
      },
    };
  }

  record(trees: ReadonlyMap<number, TreeUsage>): void {
    let memoryBytes = 0;
    for (const pid of this.pids) {
      const tree = trees.get(pid);
      if (tree === undefined) continue;
      memoryBytes += tree.memoryBytes;
      this.#peakBytes = Math.max(this.#peakBytes, tree.peakBytes);
      // The CPU time of a process is lost if its parent has not waited for it.
      this.#cpu.set(pid, Math.max(this.#cpu.get(pid) ?? 0, tree.cpuMs));
    }
    this.#peakBytes = Math.max(this.#peakBytes, memoryBytes);
  }
}

/** A line of `/proc/PID/stat`. */
interface ProcessStat {
  readonly pid: number;
  readonly parent: number;
  readonly session: number;
  readonly cpuMs: number;
}

function readTrees(
  proc: string,
  roots: ReadonlySet<number>,
): Map<number, TreeUsage> | undefined {
  const processes = readProcesses(proc);
  if (processes === undefined) return undefined;
  const trees = new Map<number, TreeUsage>();
  for (const process of processes.values()) {
    const root = findRoot(process, processes, roots);
    if (root === undefined) continue;
    const tree = trees.get(root) ?? { memoryBytes: 0, peakBytes: 0, cpuMs: 0 };
    trees.set(root, tree);
    const { memoryBytes, peakBytes } = readMemory(proc, process.pid);
    tree.memoryBytes += memoryBytes;
    tree.peakBytes = Math.max(tree.peakBytes, peakBytes);
    tree.cpuMs += process.cpuMs;
  }
  return trees;
}

/**
 * Returns the nearest program among the ancestors: a program can run another
 * runner.
 */
function findRoot(
  process: ProcessStat,
  processes: ReadonlyMap<number, ProcessStat>,
  roots: ReadonlySet<number>,
): number | undefined {
  const seen = new Set<number>();
  let at: ProcessStat | undefined = process;
  while (at !== undefined && !seen.has(at.pid)) {
    if (roots.has(at.pid)) return at.pid;
    if (roots.has(at.session)) return at.session;
    seen.add(at.pid);
    at = processes.get(at.parent);
  }
  return undefined;
}

function readProcesses(proc: string): Map<number, ProcessStat> | undefined {
  const processes = new Map<number, ProcessStat>();
  try {
    for (const { name } of Deno.readDirSync(proc)) {
      const pid = Number(name);
      if (!(pid > 0)) continue;
      const process = readStat(proc, pid);
      if (process !== undefined) processes.set(pid, process);
    }
  } catch {
    // The directory does not exist, or Deno denies access to it.
    return undefined;
  }
  return processes;
}

function readStat(proc: string, pid: number): ProcessStat | undefined {
  const text = readText(`${proc}/${pid}/stat`);
  // The name is in parentheses, and may contain any character.
  const fields = text?.slice(text.lastIndexOf(")") + 2).split(" ");
  if (fields === undefined || fields.length < 15) return undefined;
  // User and system time, then those of children that have ended.
  const ticks = fields.slice(11, 15).reduce((sum, one) => sum + Number(one), 0);
  return {
    pid,
    parent: Number(fields[1]),
    session: Number(fields[3]),
    cpuMs: ticks * TICK_MS,
  };
}

function readMemory(
  proc: string,
  pid: number,
): Pick<TreeUsage, "memoryBytes" | "peakBytes"> {
  const text = readText(`${proc}/${pid}/status`) ?? "";
  const [, peak = 0] = /^VmHWM:\s+(\d+) kB/m.exec(text) ?? [];
  const [, now = 0] = /^VmRSS:\s+(\d+) kB/m.exec(text) ?? [];
  return { memoryBytes: Number(now) * 1024, peakBytes: Number(peak) * 1024 };
}

function readText(path: string): string | undefined {
  try {
    return new TextDecoder().decode(readProc(path));
  } catch {
    // The process has ended.
    return undefined;
  }
}
