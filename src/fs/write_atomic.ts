import { dirname } from "@std/path/posix/dirname";
import { join } from "@std/path/posix/join";
import { osReason, RunnerError } from "../errors.ts";

/** Options for {@linkcode writeAtomic}. */
export interface WriteAtomicOptions {
  /**
   * Permission bits of the file, whatever the umask.
   *
   * @default {0o644}
   */
  mode?: number;
  /**
   * Whether the bytes are on the disk before the old file goes.
   *
   * @default {false}
   */
  isDurable?: boolean;
}

/**
 * Writes a file so that a reader sees either the old or the whole new one.
 *
 * The content goes into a file of an unguessable name in the same directory,
 * which then takes the place of the path. A symbolic link at the path is
 * replaced, never followed.
 *
 * @param path Path of the file; its directory must exist.
 * @param content The whole content.
 * @throws {RunnerError} `output-failed`; the old file is unchanged then, and
 * nothing is left behind.
 */
export async function writeAtomic(
  path: string,
  content: string | Uint8Array,
  options: WriteAtomicOptions = {},
): Promise<void> {
  const { mode = 0o644, isDurable = false } = options;
  const bytes = typeof content === "string"
    ? new TextEncoder().encode(content)
    : content;
  const temporary = join(dirname(path), `.${crypto.randomUUID()}.tmp`);
  try {
    await Deno.writeFile(temporary, bytes, { createNew: true, mode });
    if (isDurable) await syncFile(temporary);
    await Deno.rename(temporary, path);
  } catch (cause) {
    await discard(temporary);
    throw new RunnerError(`Cannot write "${path}": ${osReason(cause)}`, {
      code: "output-failed",
      cause,
    });
  }
}

async function syncFile(path: string): Promise<void> {
  using file = await Deno.open(path, { write: true });
  await file.sync();
}

async function discard(path: string): Promise<void> {
  try {
    await Deno.remove(path);
  } catch {
    // Usually it was never created; the first failure is the one to report.
  }
}
