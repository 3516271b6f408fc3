import { RunnerError } from "../../errors.ts";
import { osReason } from "../../os_reason.ts";
import { timeLimit } from "../../process/time_limit.ts";

/** Pause between two tries, in milliseconds. */
const PAUSE_MS = 50;

/** Longest time to wait for others, in milliseconds: they may fetch a large repository. */
const PATIENCE_MS = 10 * 60_000;

/**
 * Waits until no other run works on a mirror, and takes it.
 *
 * The lock ends with the process; its file stays.
 *
 * @param path Absolute path of the file that stands for the mirror.
 * @param asked Ends the waiting.
 * @returns The lock, which ends when disposed.
 * @throws {RunnerError} With code `source-failed`, if somebody keeps it, or the
 * file cannot be made.
 * @throws {unknown} The reason of the signal once it is aborted.
 */
export async function lockMirror(
  path: string,
  asked: AbortSignal,
): Promise<Disposable> {
  const file = await openFile(path);
  try {
    const start = performance.now();
    while (!await tryLock(file)) {
      asked.throwIfAborted();
      if (performance.now() - start > PATIENCE_MS) {
        throw failure(path, "another run holds it");
      }
      using pause = timeLimit(PAUSE_MS);
      await pause.reached;
    }
  } catch (error) {
    file.close();
    throw error;
  }
  return file;
}

async function openFile(path: string): Promise<Deno.FsFile> {
  try {
    return await Deno.open(path, { write: true, create: true });
  } catch (cause) {
    throw failure(path, osReason(cause));
  }
}

async function tryLock(file: Deno.FsFile): Promise<boolean> {
  try {
    return await file.tryLock(true);
  } catch {
    // Some network file systems know no locks; git itself keeps the worst off.
    return true;
  }
}

function failure(path: string, state: string): RunnerError {
  return new RunnerError(`Cannot lock "${path}": ${state}`, {
    code: "source-failed",
  });
}
