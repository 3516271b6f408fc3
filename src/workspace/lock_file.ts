import { RunnerError } from "../errors.ts";
import { osReason } from "../os_reason.ts";
import type { Workspace } from "./layout.ts";
import { openOwnFile, type OwnFile } from "./open_own_file.ts";
import { makeOwnDirectory } from "./own_directory.ts";

/** Most bytes that say who holds the lock. */
const MAX_BYTES = 4096;

/** Who holds a lock, as its file says. */
export interface Holder {
  /** Id of the lock. */
  readonly id: string;
  /** Process that holds it. */
  readonly pid: number;
  /** Command that the process runs. */
  readonly command: string;
  /** When it took the lock, as RFC 3339. */
  readonly since: string;
}

/**
 * Opens the file of a lock, which nobody has locked yet, and creates it when
 * missing.
 *
 * @param workspace Workspace; its directory is created when missing.
 * @param name Name of the file, in the directory for the runner's own files.
 * @returns The file; `undefined` in a container where it cannot be created.
 * @throws {RunnerError} `workspace`, if it cannot be created elsewhere.
 */
export async function openLock(
  workspace: Workspace,
  name: string,
): Promise<OwnFile | undefined> {
  let path = workspace.base;
  try {
    return await openOwnFile(
      async () => path = `${await makeOwnDirectory(workspace)}/${name}`,
      { mode: 0o600 },
    );
  } catch (cause) {
    if (workspace.inContainer) return undefined;
    throw new RunnerError(`Cannot lock "${path}": ${osReason(cause)}`, {
      code: "workspace",
      cause,
    });
  }
}

/**
 * Writes who holds a lock into its file.
 *
 * @param file The file.
 * @param holder Who holds the lock.
 */
export function writeHolder(file: Deno.FsFile, holder: Holder): void {
  file.truncateSync();
  file.writeSync(new TextEncoder().encode(`${JSON.stringify(holder)}\n`));
}

/**
 * Reads who holds a lock. A step can write to the file, so only what has the
 * expected form counts.
 *
 * @param file The file.
 * @returns The holder; `undefined` if the file does not say.
 */
export function readHolder(file: Deno.FsFile): Holder | undefined {
  try {
    const bytes = new Uint8Array(MAX_BYTES);
    const count = file.readSync(bytes) ?? 0;
    const text = new TextDecoder().decode(bytes.subarray(0, count));
    const { id, pid, command, since } = JSON.parse(text);
    const isHolder = typeof id === "string" && Number.isSafeInteger(pid) &&
      /^[a-zA-Z ]{1,40}$/.test(command) &&
      new Date(since).toISOString() === since;
    return isHolder ? { id, pid, command, since } : undefined;
  } catch {
    // It has just been taken, or was changed.
    return undefined;
  }
}
