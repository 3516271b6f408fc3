import { RunnerError } from "../../errors.ts";
import { osReason } from "../../os_reason.ts";

/** Pause between two tries, in milliseconds. */
const PAUSE_MS = 20;

/** Longest time to wait for others, in milliseconds; long enough for one to make a store. */
const PATIENCE_MS = 15_000;

/**
 * Waits until no other writer has a store, and takes it.
 *
 * The lock stands on the directory, so it leaves no file behind and ends with
 * the process. Where the system does not lock directories, the work goes on
 * without.
 *
 * @param directory Directory of the store.
 * @returns The lock, which ends when disposed.
 * @throws {RunnerError} `output-failed` if somebody keeps it, or there is no
 * such directory.
 */
export async function lockStore(directory: string): Promise<Disposable> {
  const file = await openDirectory(directory);
  const start = performance.now();
  try {
    while (!await tryLock(file)) {
      if (performance.now() - start > PATIENCE_MS) {
        throw lockError(directory, "another process holds it");
      }
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  } catch (error) {
    file.close();
    throw error;
  }
  return file;
}

async function openDirectory(directory: string): Promise<Deno.FsFile> {
  try {
    return await Deno.open(directory);
  } catch (cause) {
    throw lockError(directory, osReason(cause));
  }
}

async function tryLock(file: Deno.FsFile): Promise<boolean> {
  try {
    return await file.tryLock(true);
  } catch {
    // Some network file systems know no locks; to refuse to work there would be worse.
    return true;
  }
}

function lockError(directory: string, state: string): RunnerError {
  return new RunnerError(`Cannot lock "${directory}": ${state}`, {
    code: "output-failed",
  });
}
