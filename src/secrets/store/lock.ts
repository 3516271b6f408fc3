import { osReason, RunnerError } from "../../errors.ts";
import { lockFile } from "../../file_lock.ts";

/** Longest time to wait for others, in milliseconds; long enough for one to make a store. */
const TIMEOUT_MS = 15_000;

/**
 * Waits until no other writer has a store, and takes it.
 *
 * The lock stands on the directory, so it leaves no file behind.
 *
 * @param directory Directory of the store.
 * @returns The lock, which ends when disposed.
 * @throws {RunnerError} `output-failed` if somebody keeps it, or there is no
 * such directory.
 */
export async function lockStore(directory: string): Promise<Disposable> {
  return await lockFile(await openDirectory(directory), {
    timeoutMs: TIMEOUT_MS,
    busyError: () => lockError(directory, "another process holds it"),
  });
}

async function openDirectory(directory: string): Promise<Deno.FsFile> {
  try {
    return await Deno.open(directory);
  } catch (cause) {
    throw lockError(directory, osReason(cause));
  }
}

function lockError(directory: string, state: string): RunnerError {
  return new RunnerError(`Cannot lock "${directory}": ${state}`, {
    code: "output-failed",
  });
}
