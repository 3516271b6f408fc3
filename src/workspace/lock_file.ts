import { RunnerError } from "../errors.ts";
import { osReason } from "../os_reason.ts";
import type { Workspace } from "./layout.ts";
import { makeOwnDirectory } from "./own_directory.ts";
import { removeTree } from "./remove.ts";

/** Most bytes that say who holds the lock. */
const MAX_BYTES = 4096;

/** How often a file that vanishes is opened again. */
const MAX_TRIES = 100;

/** The file of a lock; locked by nobody yet. */
export interface LockFile {
  /** The open file. */
  readonly file: Deno.FsFile;
  /** Its absolute path. */
  readonly path: string;
}

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
 * Opens the file of a lock, and creates it when missing.
 *
 * The steps of a job can put anything in its place. The file is written to, so
 * it must not be a link, nor a hard link to another file.
 *
 * @param workspace Workspace; its directory is created when missing.
 * @param name Name of the file, in the directory for the runner's own files.
 * @returns The file; `undefined` in a container where it cannot be created.
 * @throws {RunnerError} `workspace`, if it cannot be created elsewhere.
 */
export async function openLock(
  workspace: Workspace,
  name: string,
): Promise<LockFile | undefined> {
  let path = workspace.base;
  try {
    for (let count = 0; count < MAX_TRIES; count++) {
      path = `${await makeOwnDirectory(workspace)}/${name}`;
      if (!isOwnFile(path)) await removeTree(path);
      const file = openOwn(path);
      if (file !== undefined) return { file, path };
    }
    throw new Error("something replaces it all the time");
  } catch (cause) {
    if (workspace.inContainer) return undefined;
    throw new RunnerError(`Cannot lock "${path}": ${osReason(cause)}`, {
      code: "workspace",
      cause,
    });
  }
}

function openOwn(path: string): Deno.FsFile | undefined {
  let file: Deno.FsFile;
  try {
    file = Deno.openSync(path, {
      read: true,
      write: true,
      create: true,
      mode: 0o600,
    });
  } catch (error) {
    // Another process has removed it, or its directory, at this moment.
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
  if (isInPlace({ path, file }) && isOwnFile(path)) return file;
  file.close();
  return undefined;
}

function isOwnFile(path: string): boolean {
  try {
    const { isFile, nlink } = Deno.lstatSync(path);
    return isFile && (nlink ?? 1) === 1;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return true;
    throw error;
  }
}

/**
 * Tells whether an open file is still at its path.
 *
 * @param lock File and path.
 */
export function isInPlace({ path, file }: LockFile): boolean {
  try {
    const [there, opened] = [Deno.lstatSync(path), file.statSync()];
    return there.ino === opened.ino && there.dev === opened.dev;
  } catch {
    // Nothing is there.
    return false;
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
