import { RunnerError } from "../../errors.ts";
import { lockFile } from "../../file_lock.ts";
import { osReason } from "../../os_reason.ts";

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
  return await lockFile(await openFile(path), {
    patienceMs: PATIENCE_MS,
    busyError: () => failure(path, "another run holds it"),
    signal: asked,
  });
}

async function openFile(path: string): Promise<Deno.FsFile> {
  try {
    return await Deno.open(path, { write: true, create: true });
  } catch (cause) {
    throw failure(path, osReason(cause));
  }
}

function failure(path: string, state: string): RunnerError {
  return new RunnerError(`Cannot lock "${path}": ${state}`, {
    code: "source-failed",
  });
}
