/**
 * Temporary directories of a run for sockets, credentials and outputs of steps.
 *
 * 1. A directory is created in the first location that works, so a read-only
 *    `/tmp` or a wrong `TMPDIR` does not make a job fail.
 * 2. Only its owner can enter it, and its name cannot be guessed.
 * 3. Its creator holds a lock on the directory itself. The system releases the
 *    lock when the process ends, even if it is killed. When a directory is
 *    disposed, other directories next to it are removed if they belong to the
 *    same user and are not locked.
 *
 * @module
 */
import type { Environment } from "../environment/variables.ts";
import { osReason, RunnerError } from "../errors.ts";
import { isNested, removeNestedSync } from "../process/remove_nested.ts";
import { pathExistsSync } from "./files.ts";
import { tryLockFile } from "./file_lock.ts";

/** Pattern of directory names, by which old directories are found. */
const NAME = /^runnerlib-[0-9a-f]{12}$/;

/** Part of the path of a directory that the runner may create. */
const OWN = "/.reactorcide/";

/**
 * Maximum number of attempts if another process removes the new directory as
 * abandoned.
 */
const MAX_ATTEMPTS = 10;

/** A directory that is removed when it is disposed. */
export interface PrivateDirectory extends Disposable {
  /** Absolute path. */
  readonly path: string;
  /**
   * Removes the directory before it is disposed.
   *
   * @param inside Absolute paths of directories in it that may exist if they are
   * empty.
   * @returns Whether it was removed; `false` if anything else is in it.
   */
  removeIfEmpty(inside?: readonly string[]): boolean;
}

/** Locations where this process has already removed abandoned directories. */
const cleaned = new Set<string>();

/** Directories that this process is using. */
const used = new Set<string>();

/** Lists the temporary directories that this process is using. */
export function privateDirectories(): string[] {
  return [...used];
}

/**
 * Creates a directory that no other user can enter.
 *
 * @param parents Absolute paths of parent directories; the first usable one is
 * chosen. A missing one is created if it belongs to the runner.
 * @param use Uses the new directory. If it fails, the next parent is tried.
 * @returns The directory and the result of `use`.
 * @throws {AggregateError} With the reason for each parent.
 */
export function privateDirectory<T = undefined>(
  parents: readonly string[],
  use: (path: string) => T = () => undefined as T,
): PrivateDirectory & { readonly content: T } {
  const causes: unknown[] = [];
  for (const parent of new Set(parents)) {
    try {
      return createIn(parent, use);
    } catch (cause) {
      causes.push(cause);
    }
  }
  throw new AggregateError(
    causes,
    "no directory is usable for temporary files",
  );
}

function createIn<T>(
  parent: string,
  use: (path: string) => T,
): PrivateDirectory & { readonly content: T } {
  // The path must be absolute, because programs use it from other directories.
  if (!parent.startsWith("/")) throw new RangeError("not an absolute path");
  throwIfPrompting(parent);
  const created = createOwn(parent);
  using undo = new DisposableStack();
  undo.defer(() => removeEmpty(created));
  const { path, lock } = createLocked(parent);
  const { uid } = lock.statSync();
  undo.defer(() => removeAbandoned(parent, uid));
  undo.use(lock);
  used.add(path);
  undo.defer(() => used.delete(path));
  let isRemoved = false;
  undo.defer(() => isRemoved || remove(path));
  const content = use(path);
  const kept = undo.move();
  return {
    path,
    content,
    removeIfEmpty: (inside = []) =>
      isRemoved = isRemoved || removeIfEmpty(path, inside),
    [Symbol.dispose]: () => kept.dispose(),
  };
}

/** Throws if Deno would prompt for permission, so that the location is skipped. */
function throwIfPrompting(path: string): void {
  const { state } = Deno.permissions.querySync({ name: "write", path });
  if (state !== "granted") throw new Error("no permission to write");
}

/**
 * Creates a directory of the runner, and returns the paths that were missing.
 */
function createOwn(path: string): string[] {
  if (!path.includes(OWN)) return [];
  const missing: string[] = [];
  for (
    let at = path;
    at !== "" && !pathExistsSync(at);
    at = at.slice(0, at.lastIndexOf("/"))
  ) missing.push(at);
  Deno.mkdirSync(path, { recursive: true });
  return missing;
}

function createLocked(parent: string): { path: string; lock: Deno.FsFile } {
  for (let count = 0;; count++) {
    const name = crypto.getRandomValues(new Uint8Array(6)).toHex();
    const path = `${parent}/runnerlib-${name}`;
    Deno.mkdirSync(path, { mode: 0o700 });
    const lock = lockIfPresent(path);
    if (lock !== undefined) return { path, lock };
    if (count === MAX_ATTEMPTS) {
      throw new Error("something removes it immediately");
    }
  }
}

/**
 * Locks a new directory, unless another process has removed it: until it is
 * locked, it looks abandoned.
 */
function lockIfPresent(path: string): Deno.FsFile | undefined {
  let file: Deno.FsFile;
  try {
    file = Deno.openSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
  if (tryLockFile(file) !== false && pathExistsSync(path)) return file;
  file.close();
  return undefined;
}

function removeAbandoned(parent: string, user: number | null): void {
  if (cleaned.has(parent)) return;
  cleaned.add(parent);
  try {
    for (const { name } of Deno.readDirSync(parent)) {
      if (NAME.test(name)) removeIfAbandoned(`${parent}/${name}`, user);
    }
  } catch {
    // A directory that cannot be listed belongs to someone else.
  }
}

function removeIfAbandoned(path: string, user: number | null): void {
  try {
    const { isDirectory, uid } = Deno.lstatSync(path);
    if (!isDirectory || uid !== user) return;
    // With the trailing dot, opening a pipe in its place fails instead of
    // blocking.
    using file = Deno.openSync(`${path}/.`);
    if (tryLockFile(file) === true) remove(path);
  } catch {
    // It no longer exists, or this user cannot remove it.
  }
}

function remove(path: string): void {
  try {
    if (isNested(path)) return removeNestedSync(path);
    Deno.removeSync(path, { recursive: true });
  } catch (error) {
    // The job may already have removed it.
    if (error instanceof Deno.errors.NotFound) return;
    if (!(error instanceof Deno.errors.PermissionDenied)) throw error;
    makeWritable(path);
    Deno.removeSync(path, { recursive: true });
  }
}

function removeIfEmpty(path: string, inside: readonly string[]): boolean {
  try {
    // A program may have put a file or a link in its place, and a link could lead
    // to directories of others.
    if (inside.length > 0 && Deno.lstatSync(path).isDirectory) {
      inside.forEach((directory) => Deno.removeSync(directory));
    }
    Deno.removeSync(path);
    return true;
  } catch {
    // Whatever the reason is, it is found again when the directory is used.
    return false;
  }
}

function makeWritable(directory: string): void {
  Deno.chmodSync(directory, 0o700);
  for (const { name, isDirectory } of Deno.readDirSync(directory)) {
    if (isDirectory) makeWritable(`${directory}/${name}`);
  }
}

function removeEmpty(paths: readonly string[]): void {
  try {
    for (const path of paths) Deno.removeSync(path);
  } catch {
    // It is not empty.
  }
}

/** Variables and options that determine where temporary files go. */
export interface TemporaryPlace {
  /** Environment of the runner. */
  readonly env: Environment;
  /** The workspace. */
  readonly workspace: { readonly base: string };
}

/** Directory for temporary files, relative to the workspace. */
export const TEMPORARY_DIRECTORY = ".reactorcide/tmp";

/**
 * Lists the directories for temporary files: that of the user, that of the
 * system, and one below the workspace, which is always writable.
 *
 * @param place Variables and options.
 * @returns Absolute paths, the best first.
 */
export function temporaryParents(
  { env, workspace: { base } }: TemporaryPlace,
): string[] {
  const { TMPDIR = "" } = env;
  return [
    ...TMPDIR === "" ? [] : [TMPDIR],
    "/tmp",
    `${base}/${TEMPORARY_DIRECTORY}`,
  ];
}

/**
 * Creates a directory for temporary files that no other user can enter.
 *
 * @param place Variables and options.
 * @returns The directory; it is removed when disposed.
 * @throws {RunnerError} `workspace`, with a reason for each place.
 */
export function temporaryDirectory(place: TemporaryPlace): PrivateDirectory {
  const parents = temporaryParents(place);
  try {
    return privateDirectory(parents);
  } catch (cause) {
    const { errors } = cause as AggregateError;
    const reasons = errors.map((error, at) =>
      `"${parents[at]}" (${osReason(error)})`
    );
    throw new RunnerError(
      `Cannot create a temporary directory in ${reasons.join(", ")}`,
      { code: "workspace", cause },
    );
  }
}
