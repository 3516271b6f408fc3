import { osReason, RunnerError } from "../../errors.ts";
import { lockFile } from "../../fs/lock.ts";

/** Longest time to wait for others, in milliseconds: they may fetch a large repository. */
const TIMEOUT_MS = 10 * 60_000;

/**
 * Waits until no other run works on a mirror, and takes it.
 *
 * The lock ends with the process; its file stays.
 *
 * @param path Absolute path of the file that stands for the mirror.
 * @param asked Ends the waiting.
 * @returns The lock, which ends when disposed.
 * @throws {RunnerError} With code `source-failed`, if another run keeps it, or the
 * file cannot be opened.
 * @throws {unknown} The reason of the signal once it is aborted.
 */
export async function lockMirror(
  path: string,
  asked: AbortSignal,
): Promise<Disposable> {
  return await lockFile(await openFile(path), {
    timeoutMs: TIMEOUT_MS,
    busyError: () => failure(path, "another run holds it"),
    signal: asked,
  });
}

async function openFile(path: string): Promise<Deno.FsFile> {
  try {
    const info = await Deno.lstat(path).catch(() => undefined);
    // A link would create a file elsewhere, and a pipe would block.
    if (info !== undefined && !info.isFile) {
      throw failure(path, "not a regular file");
    }
    return await Deno.open(path, { write: true, create: true });
  } catch (cause) {
    if (cause instanceof RunnerError) throw cause;
    throw failure(path, osReason(cause));
  }
}

function failure(path: string, state: string): RunnerError {
  return new RunnerError(`Cannot lock "${path}": ${state}`, {
    code: "source-failed",
  });
}
