import { until } from "./soon.ts";

/** Entry of a process in the process table. */
export interface ProcessEntry {
  /** State as shown by `ps`: `R`, `S`, `Z`, … */
  state: string;
  /** ID of its process group. */
  group: number;
  /** ID of its session. */
  session: number;
}

/** Reads the entry of a process; `undefined` if there is none. */
export function readProcessEntry(pid: number): ProcessEntry | undefined {
  let text: string;
  try {
    text = Deno.readTextFileSync(`/proc/${pid}/stat`);
  } catch {
    // The process ended, perhaps between opening and reading.
    return undefined;
  }
  // The name in parentheses may contain anything, so read from the end.
  const [state, , group, session] = text.slice(text.lastIndexOf(")") + 2)
    .split(" ");
  return { state, group: Number(group), session: Number(session) };
}

/** Checks whether a process is running; a zombie is not. */
export function isRunning(pid: number): boolean {
  const entry = readProcessEntry(pid);
  return entry !== undefined && entry.state !== "Z" && entry.state !== "X";
}

/** Returns the IDs of running processes whose command line contains a text. */
export function findProcesses(text: string): number[] {
  return [...Deno.readDirSync("/proc")].map(({ name }) => Number(name))
    .filter((pid) => {
      if (!(pid > 0) || !isRunning(pid)) return false;
      try {
        return Deno.readTextFileSync(`/proc/${pid}/cmdline`).includes(text);
      } catch {
        // It has just exited.
        return false;
      }
    });
}

/** Waits until a process has ended. */
export async function waitForExit(pid: number): Promise<void> {
  await until(() => !isRunning(pid), `the end of process ${pid}`);
}

/** Waits until no process of a group is running. */
export async function waitForGroupExit(group: number): Promise<void> {
  await until(
    () =>
      Deno.readDirSync("/proc").every(({ name }) =>
        !/^\d+$/.test(name) ||
        readProcessEntry(Number(name))?.group !== group ||
        !isRunning(Number(name))
      ),
    `the end of process group ${group}`,
  );
}

/** Ends a process that a test left running on purpose. */
export function endProcess(pid: number): void {
  try {
    Deno.kill(pid, "SIGKILL");
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
