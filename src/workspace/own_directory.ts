import { osReason, RunnerError } from "../errors.ts";
import { writeAtomic } from "../fs/write_atomic.ts";
import { OWN_DIRECTORY } from "../job_path.ts";
import { guardPath, realPath } from "./guard.ts";
import { writeIgnoreFiles } from "./ignore_files.ts";
import type { Workspace } from "./layout.ts";
import { removeTree } from "./remove.ts";

/**
 * Name of the file that records which run owns files, in the directory for the
 * runner's own files.
 */
export const RUN_RECORD = "run.json";

/**
 * Name of the file with outputs of steps for a later run, in the same
 * directory.
 */
export const KEPT_OUTPUTS = "outputs.json";

/**
 * Maximum number of attempts to create a file or directory that another run
 * removes.
 */
const MAX_ATTEMPTS = 100;

/**
 * Returns the directory for the runner's own files in a workspace.
 *
 * Steps of a job can replace it. A file, or a link that leads out of the
 * workspace, would block every later run, so it is removed; the target of the
 * link is not changed.
 *
 * @returns Absolute path without links; the directory need not exist.
 * @throws {RunnerError} With code `workspace`, if the path cannot be used.
 */
export async function ownDirectory(workspace: Workspace): Promise<string> {
  const base = await realPath(workspace.base);
  const path = `${base}/${OWN_DIRECTORY}`;
  const info = await lstatOwnFile(path);
  if (info === undefined || info.isDirectory) return path;
  if (info.isSymlink) {
    const inside = await guardPath(base, path).catch(() => undefined);
    if (inside !== undefined && inside !== base) {
      const target = await lstatOwnFile(inside);
      if (target === undefined || target.isDirectory) return inside;
    }
  }
  try {
    await removeTree(path);
  } catch (cause) {
    throw createUseError(path, cause);
  }
  return path;
}

/**
 * Creates the directory for the runner's own files.
 *
 * @param workspace Workspace; its directory is created if missing.
 * @returns Absolute path without links.
 * @throws {RunnerError} With code `output-failed`, if it cannot be created.
 */
export async function makeOwnDirectory(workspace: Workspace): Promise<string> {
  const path = await ownDirectory(workspace);
  try {
    const isNew = await createDirectory(path);
    if (!workspace.inContainer) {
      writeIgnoreFiles(await realPath(workspace.base), path, isNew);
    }
  } catch (cause) {
    throw new RunnerError(`Cannot create "${path}": ${osReason(cause)}`, {
      code: "output-failed",
      cause,
    });
  }
  return path;
}

/**
 * Creates a directory, and returns whether it did not exist. A run that ends at
 * the same time may remove its parent, which is then created again.
 */
async function createDirectory(path: string): Promise<boolean> {
  const parent = path.slice(0, path.lastIndexOf("/"));
  for (let count = 1;; count++) {
    await Deno.mkdir(parent, { recursive: true });
    try {
      await Deno.mkdir(path);
      return true;
    } catch (error) {
      if (error instanceof Deno.errors.AlreadyExists) return false;
      const isGone = error instanceof Deno.errors.NotFound;
      if (!isGone || count === MAX_ATTEMPTS) throw error;
    }
  }
}

/**
 * Writes a file of the runner, and replaces anything at its path.
 *
 * @param workspace Workspace; its directory is created if missing.
 * @param text Content; only the owner can read it.
 * @throws {RunnerError} With code `output-failed`, if it cannot be written.
 */
export async function writeOwnFile(
  workspace: Workspace,
  name: string,
  text: string,
): Promise<void> {
  const path = `${await makeOwnDirectory(workspace)}/${name}`;
  // A file cannot be renamed to the path of a directory.
  if ((await lstatOwnFile(path))?.isDirectory) await removeTree(path);
  await writeAtomic(path, text, { mode: 0o600 });
}

async function lstatOwnFile(path: string): Promise<Deno.FileInfo | undefined> {
  try {
    return await Deno.lstat(path);
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) return undefined;
    throw createUseError(path, cause);
  }
}

function createUseError(path: string, cause: unknown): RunnerError {
  return new RunnerError(`Cannot use "${path}": ${osReason(cause)}`, {
    code: "workspace",
    cause,
  });
}

/**
 * Opens a file of the runner for writing, and creates it if missing.
 *
 * Steps of a job can replace it. The file must not be a link or have other hard
 * links, because it is written to; anything else at its path is removed.
 * Opening a pipe does not block, since it is opened for reading as well.
 *
 * @param findPath Creates the directory, and returns the absolute path of the
 * file.
 * @param options Options for opening the file.
 * @returns The file and its path.
 */
export async function openOwnFile(
  findPath: () => Promise<string>,
  options: Pick<Deno.OpenOptions, "append" | "mode">,
): Promise<OwnFile> {
  for (let count = 0; count < MAX_ATTEMPTS; count++) {
    const path = await findPath();
    if (!isOwnFile(path)) await removeTree(path);
    const file = tryOpen(path, options);
    if (file !== undefined) return { file, path };
  }
  throw new Error("it keeps being replaced");
}

/** An open file of the runner. */
export interface OwnFile {
  /** The open file. */
  readonly file: Deno.FsFile;
  /** Absolute path of the file. */
  readonly path: string;
}

/**
 * Checks whether an open file is still at its path.
 *
 * @param own File and path.
 */
export function isInPlace({ path, file }: OwnFile): boolean {
  try {
    const [there, opened] = [Deno.lstatSync(path), file.statSync()];
    return there.ino === opened.ino && there.dev === opened.dev;
  } catch {
    // The path does not exist.
    return false;
  }
}

function tryOpen(
  path: string,
  options: Pick<Deno.OpenOptions, "append" | "mode">,
): Deno.FsFile | undefined {
  let file: Deno.FsFile;
  try {
    file = Deno.openSync(path, {
      ...options,
      read: true,
      write: true,
      create: true,
    });
  } catch (error) {
    // Another process has just removed the file or its directory.
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
 * Reads a file of the runner that a step may have replaced.
 *
 * Unlike `readUntrusted()`, it does not need `node:fs`, whose loading takes
 * longer than the rest of a short job. Opening a pipe does not block, since it
 * is opened for writing as well; the opened file must be the one that was
 * checked.
 *
 * @param path Path of the file, which must be writable.
 * @param maxBytes Maximum size of the file, in bytes.
 * @returns Text of the file.
 * @throws {Deno.errors.NotFound} If the file does not exist.
 * @throws {Error} If it is not a regular file, is too large or cannot be read.
 */
export async function readOwnFile(
  path: string,
  maxBytes: number,
): Promise<string> {
  const info = await Deno.lstat(path);
  checkFile(info, maxBytes);
  using file = await Deno.open(path, { read: true, write: true });
  const opened = await file.stat();
  if (opened.ino !== info.ino || opened.dev !== info.dev) {
    throw new Error("it changed while it was being read");
  }
  checkFile(opened, maxBytes);
  const bytes = new Uint8Array(opened.size);
  let length = 0;
  while (length < bytes.length) {
    const count = await file.read(bytes.subarray(length));
    if (count === null) break;
    length += count;
  }
  return new TextDecoder().decode(bytes.subarray(0, length));
}

function checkFile({ isFile, size }: Deno.FileInfo, maxBytes: number): void {
  if (!isFile) throw new Error("it is not a regular file");
  if (size > maxBytes) throw new Error(`it exceeds ${maxBytes} bytes`);
}
