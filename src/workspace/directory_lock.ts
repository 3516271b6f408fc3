import { RunnerError } from "../errors.ts";
import { lockFile } from "../file_lock.ts";

/** Longest time to wait for others, in milliseconds. */
const TIMEOUT_MS = 5_000;

/**
 * Waits until no other writer has locked a directory, and locks it for a moment.
 *
 * The lock is on the directory itself, so it leaves no file behind.
 *
 * @param directory Path of the directory.
 * @returns The lock, which ends when disposed.
 * @throws {RunnerError} `output-failed` if another process keeps it for 5 seconds.
 */
export async function lockDirectory(directory: string): Promise<Disposable> {
  const file = await openOrNull(directory);
  if (file === null) return { [Symbol.dispose]() {} };
  return await lockFile(file, {
    timeoutMs: TIMEOUT_MS,
    busyError: () =>
      new RunnerError(
        `Cannot lock "${directory}": another process holds it`,
        { code: "output-failed" },
      ),
  });
}

/** If it cannot be opened, writing to it fails too, and that error says why. */
async function openOrNull(directory: string): Promise<Deno.FsFile | null> {
  try {
    // With the dot, a pipe in its place is an error, and is not waited for.
    return await Deno.open(`${directory}/.`);
  } catch {
    return null;
  }
}
