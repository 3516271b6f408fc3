import { basename } from "@std/path/posix/basename";
import { dirname } from "@std/path/posix/dirname";
import { join } from "@std/path/posix/join";
import { osReason, RunnerError } from "../errors.ts";
import { isInside } from "../job_path.ts";
import { lstatIfThere } from "./files.ts";

/** Maximum length of a name that is a prefix; names of files have 255 bytes. */
const MAX_PREFIX = 50;

/**
 * Size up to which a file is written at once, in bytes. `Deno.writeFile` takes
 * longer for it, and loads Deno's streams, which takes another millisecond.
 */
const MAX_SYNC_BYTES = 64 * 1024;

/** Options for {@linkcode writeAtomic}. */
export interface WriteAtomicOptions {
  /**
   * Permissions of the file, regardless of the umask.
   *
   * @default {0o644}
   */
  mode?: number;
  /**
   * Whether to flush the content to disk before the old file is replaced.
   *
   * @default {false}
   */
  isDurable?: boolean;
}

/**
 * Writes a file atomically: readers see either the old or the new content.
 *
 * The content is written to a file with an unguessable name in the same
 * directory, which then replaces the path. A symbolic link at the path is
 * replaced and not followed.
 *
 * @param path Path of the file, whose directory must exist.
 * @throws {RunnerError} `output-failed`; the old file is then unchanged, and
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
  const temporary = temporaryPath(path);
  try {
    await checkReplaceable(path);
    await writeNew(temporary, bytes, mode);
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

/**
 * Checks whether a file may replace what exists at a path. Root could replace
 * even `/dev/null`, which would break other programs.
 *
 * @throws {Error} If there is a device, or a link in a directory of the system
 * such as `/dev/stdout`.
 */
export async function checkReplaceable(path: string): Promise<void> {
  const info = await lstatIfThere(path);
  if (info === undefined) return;
  if (info.isCharDevice || info.isBlockDevice) {
    throw new Error("it is a device");
  }
  if (!info.isSymlink) return;
  const directory = await Deno.realPath(dirname(path));
  if (SYSTEM_DIRECTORIES.some((system) => isInside(system, directory))) {
    throw new Error("it is a link of the system");
  }
}

const SYSTEM_DIRECTORIES = ["/dev", "/proc", "/sys"] as const;

/**
 * Creates a path in the same directory. Its name begins with that of the file,
 * so that ignore rules for the file apply as well.
 */
function temporaryPath(path: string): string {
  const suffix = `.${crypto.randomUUID()}.tmp`;
  return basename(path).length <= MAX_PREFIX
    ? path + suffix
    : join(dirname(path), suffix);
}

function writeNew(
  path: string,
  bytes: Uint8Array,
  mode: number,
): Promise<void> | void {
  const write = bytes.length > MAX_SYNC_BYTES
    ? Deno.writeFile
    : Deno.writeFileSync;
  return write(path, bytes, { createNew: true, mode });
}

async function syncFile(path: string): Promise<void> {
  using file = await Deno.open(path, { write: true });
  await file.sync();
}

async function discard(path: string): Promise<void> {
  try {
    await Deno.remove(path);
  } catch {
    // It was probably never created; the first failure is the one to report.
  }
}
