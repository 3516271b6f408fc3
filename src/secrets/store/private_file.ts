import { osReason, RunnerError } from "../../errors.ts";
import { writeAtomic } from "../../fs/write_atomic.ts";

/** Maximum size of a file, in bytes; far larger than any real store. */
const MAX_BYTES = 16 * 1024 * 1024;

/**
 * Creates a directory that only its owner can access, and missing parents.
 *
 * @param path Path of the directory.
 * @throws {RunnerError} `output-failed` if it cannot be created.
 */
export async function makePrivateDirectory(path: string): Promise<void> {
  try {
    await Deno.mkdir(path, { recursive: true, mode: 0o700 });
    // An existing directory, or one created with another umask, may be
    // accessible.
    await Deno.chmod(path, 0o700);
  } catch (cause) {
    throw new RunnerError(`Cannot create "${path}": ${osReason(cause)}`, {
      code: "output-failed",
      cause,
    });
  }
}

/**
 * Reads a file of a store.
 *
 * @param path Path of the file.
 * @returns Its content; `undefined` if it does not exist.
 * @throws {RunnerError} `invalid-config` if it cannot be read or is too large.
 */
export async function readPrivate(
  path: string,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  let reason: string;
  try {
    const { isFile, size } = await Deno.stat(path);
    if (!isFile) reason = "it is not a file";
    else if (size > MAX_BYTES) {
      reason = `it is larger than ${MAX_BYTES} bytes`;
    } else return await Deno.readFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    reason = osReason(error);
  }
  throw new RunnerError(`Cannot read "${path}": ${reason}`, {
    code: "invalid-config",
  });
}

/**
 * Writes a file of a store with mode 0600. The content is flushed to disk
 * before the old file is replaced, because there may be no other copy of the
 * secrets.
 *
 * @param path Path of the file; its directory must exist.
 * @param content Complete content.
 * @throws {RunnerError} `output-failed` if it cannot be written; the old file
 * is unchanged.
 */
export async function writePrivate(
  path: string,
  content: Uint8Array,
): Promise<void> {
  await writeAtomic(path, content, { mode: 0o600, isDurable: true });
}
