import { timeLimit } from "../process/time_limit.ts";
import { RunnerError } from "../errors.ts";

/** Pause between two tries, in milliseconds. */
const PAUSE_MS = 20;

/** Longest time to wait for others, in milliseconds. */
const PATIENCE_MS = 5_000;

/**
 * Waits until nobody else who asks has the directory, and takes it.
 *
 * The lock stands on the directory itself, so it leaves no file behind and
 * ends with the process. Where the system does not lock directories, the work
 * goes on without: losing a race there is less likely than having to give up.
 *
 * @param directory Path of the directory.
 * @returns The lock, which ends when disposed.
 * @throws {RunnerError} `output-failed` if somebody keeps it for 5 seconds.
 */
export async function lockDirectory(directory: string): Promise<Disposable> {
  const file = await openOrNull(directory);
  if (file === null) return { [Symbol.dispose]() {} };
  try {
    for (let waitedMs = 0; !await tryLock(file); waitedMs += PAUSE_MS) {
      if (waitedMs >= PATIENCE_MS) throw busyError(directory);
      using pause = timeLimit(PAUSE_MS);
      await pause.reached;
    }
  } catch (error) {
    file.close();
    throw error;
  }
  return file;
}

/** A directory that cannot be opened cannot be written either; writing tells why. */
async function openOrNull(directory: string): Promise<Deno.FsFile | null> {
  try {
    return await Deno.open(directory);
  } catch {
    return null;
  }
}

async function tryLock(file: Deno.FsFile): Promise<boolean> {
  try {
    return await file.tryLock(true);
  } catch {
    // Some network file systems know no locks.
    return true;
  }
}

function busyError(directory: string): RunnerError {
  return new RunnerError(
    `Cannot lock "${directory}": another process holds it`,
    { code: "output-failed" },
  );
}
