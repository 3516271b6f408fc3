/**
 * Directories for files that a run needs for a while: sockets, credentials,
 * outputs of steps.
 *
 * 1. A directory is created in the first place that takes it, so that neither a
 *    read-only `/tmp` nor a wrong `TMPDIR` keeps a job from running.
 * 2. Only its owner can enter it, and its name cannot be guessed.
 * 3. Its creator holds a lock on the directory itself, which the system releases
 *    when the process ends, also when it is killed. Who disposes of a directory
 *    removes those beside it that belong to the same user and are not locked.
 */

import { dirname } from "@std/path/posix/dirname";

/** What directories are called; old ones are found by it. */
const NAME = /^runnerlib-[0-9a-f]{12}$/;

/** What the paths of directories contain that the runner may create. */
const OWN = "/.reactorcide/";

/** How often a directory is created again that somebody took for an abandoned one. */
const MAX_TRIES = 10;

/** A directory that is gone when its scope is left. */
export interface PrivateDirectory extends Disposable {
  /** Absolute path. */
  readonly path: string;
}

/** Places where this process has looked for abandoned directories. */
const cleaned = new Set<string>();

/** Directories that this process uses. */
const used = new Set<string>();

/** Lists the directories for temporary files that this process uses now. */
export function privateDirectories(): string[] {
  return [...used];
}

/**
 * Creates a directory that no other user can enter.
 *
 * @param parents Absolute paths of directories, the first suitable one of which
 * is used. A missing one is created if it is the runner's own.
 * @param use Puts something into the directory; when it fails, the next parent
 * is tried.
 * @returns The directory, with what `use` returned.
 * @throws {AggregateError} With a reason for each parent.
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
  throw new AggregateError(causes, "no directory for temporary files");
}

function createIn<T>(
  parent: string,
  use: (path: string) => T,
): PrivateDirectory & { readonly content: T } {
  // Programs that are told the path run in other directories.
  if (!parent.startsWith("/")) throw new RangeError("not an absolute path");
  refusePrompt(parent);
  const created = createOwn(parent);
  using undo = new DisposableStack();
  undo.defer(() => removeEmpty(created));
  const { path, lock } = createLocked(parent);
  const { uid } = lock.statSync();
  undo.defer(() => removeAbandoned(parent, uid));
  undo.use(lock);
  used.add(path);
  undo.defer(() => used.delete(path));
  undo.defer(() => remove(path));
  const content = use(path);
  const kept = undo.move();
  return { path, content, [Symbol.dispose]: () => kept.dispose() };
}

/** To be asked by Deno in every job is worse than another place. */
function refusePrompt(path: string): void {
  const { state } = Deno.permissions.querySync({ name: "write", path });
  if (state !== "granted") throw new Error("no permission to write");
}

/** Creates a directory of the runner's own, and says what was missing. */
function createOwn(path: string): string[] {
  if (!path.includes(OWN)) return [];
  const missing: string[] = [];
  for (let at = path; !exists(at); at = dirname(at)) missing.push(at);
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
    if (count === MAX_TRIES) throw new Error("something removes it at once");
  }
}

/** Between its creation and its lock, it looks abandoned to others. */
function lockIfPresent(path: string): Deno.FsFile | undefined {
  let file: Deno.FsFile;
  try {
    file = Deno.openSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
  if (isLockedByUs(file) !== false && exists(path)) return file;
  file.close();
  return undefined;
}

/** Whether we have the lock; `undefined` where the system has no locks. */
function isLockedByUs(file: Deno.FsFile): boolean | undefined {
  try {
    return file.tryLockSync(true);
  } catch {
    return undefined;
  }
}

function removeAbandoned(parent: string, user: number | null): void {
  if (cleaned.has(parent)) return;
  cleaned.add(parent);
  try {
    for (const { name } of Deno.readDirSync(parent)) {
      if (NAME.test(name)) removeIfAbandoned(`${parent}/${name}`, user);
    }
  } catch {
    // What cannot be listed is left to its owner.
  }
}

function removeIfAbandoned(path: string, user: number | null): void {
  try {
    const { isDirectory, uid } = Deno.lstatSync(path);
    if (!isDirectory || uid !== user) return;
    using file = Deno.openSync(path);
    if (isLockedByUs(file) === true) remove(path);
  } catch {
    // It is gone, or cannot be removed by us.
  }
}

function remove(path: string): void {
  try {
    Deno.removeSync(path, { recursive: true });
  } catch (error) {
    // A job may have removed more than it created.
    if (error instanceof Deno.errors.NotFound) return;
    if (!(error instanceof Deno.errors.PermissionDenied)) throw error;
    makeWritable(path);
    Deno.removeSync(path, { recursive: true });
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
    // Something else is in there.
  }
}

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}
