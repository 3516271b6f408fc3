/**
 * The lock of a workspace, which only one job at a time can use.
 *
 * 1. A job that prepares sources, runs steps or cleans up holds a lock on
 *    `.reactorcide/lock` until it ends. The system releases the lock when the
 *    process ends, even if it is killed; child processes do not inherit it. The
 *    file contains the holder of the lock.
 * 2. Programs of the job get the ID of the lock, so that a runner among them
 *    can use the same workspace as part of the job. Two of these runners must
 *    not prepare sources in the same directory at the same time: each such
 *    directory has a lock for the runners that one job started.
 * 3. Functions of a job run in the process that holds the lock. Runners that
 *    they start while they run belong to the job as well.
 *
 * @module
 */
import { sha256Hex } from "../fs/files.ts";
import { pause } from "../process/time_limit.ts";
import { type Environment, Variable } from "../environment/variables.ts";
import { osReason, RunnerError } from "../errors.ts";
import { tryLockFile } from "../fs/file_lock.ts";
import { removeIgnoreFiles } from "./ignore_files.ts";
import type { Workspace } from "./layout.ts";
import {
  isInPlace,
  makeOwnDirectory,
  openOwnFile,
  ownDirectory,
  type OwnFile,
} from "./own_directory.ts";
import { removeIfEmpty } from "./remove.ts";

/** Name of the lock file in the directory for the runner's own files. */
const LOCK_FILE = "lock";

/** Delay between two attempts to lock, in milliseconds. */
const PAUSE_MS = 100;

/** Maximum size of the content of a lock file, in bytes. */
const MAX_BYTES = 4096;

/** Options for {@linkcode lockWorkspace}. */
export interface LockWorkspaceOptions {
  /**
   * Name of the command that takes the lock, for error messages of other
   * runners.
   */
  readonly command: string;
  /** Environment of the runner. */
  readonly env: Environment;
  /**
   * Directories in which sources are prepared, as seen by the job.
   *
   * @default {[]}
   */
  readonly sourceDirs?: readonly string[];
  /** Whether to wait for the lock, without a time limit. */
  readonly wait: boolean;
  /** Cancels waiting. */
  readonly signal: AbortSignal;
  /** Called once, with the reason, before waiting. */
  readonly onWait: (reason: string) => void;
}

/** A lock that is held until it is disposed of. */
export interface WorkspaceLock extends AsyncDisposable {
  /** Value of `REACTORCIDE_WORKSPACE_LOCK` for the programs of the job. */
  readonly ids: string;
  /**
   * Records that a function of the job is running in this process.
   *
   * @returns Handle to dispose of when the function has ended.
   */
  enterFunction(): Disposable;
}

/**
 * Number of running functions of the job, by ID of the locks that this process
 * holds.
 */
const heldLocks = new Map<string, number>();

/**
 * Locks a workspace for a job.
 *
 * @param workspace Workspace; its directory is created if missing.
 * @param options Command, environment and whether to wait.
 * @throws {RunnerError} `workspace-busy` if another job holds it; `workspace`
 * if the file cannot be created.
 * @throws {unknown} The reason of the signal once it is aborted.
 */
export async function lockWorkspace(
  workspace: Workspace,
  options: LockWorkspaceOptions,
): Promise<WorkspaceLock> {
  const { sourceDirs = [], env } = options;
  const inherited = (env[Variable.workspaceLock] ?? "").split(",").filter(
    Boolean,
  );
  const outcome = await acquire(workspace, LOCK_FILE, options, inherited);
  if (!("ancestor" in outcome)) return outcome;
  const { ancestor } = outcome;
  const ids = ancestor === undefined || inherited.includes(ancestor)
    ? inherited
    : [...inherited, ancestor];
  await using stack = new AsyncDisposableStack();
  let nested = inheritLock(ids);
  // Sorted, so that two runners never wait for each other.
  for (const directory of sourceDirs.toSorted()) {
    const name = `${LOCK_FILE}-${ids.length}-${
      (await sha256Hex(directory)).slice(0, 16)
    }`;
    const own = await acquire(workspace, name, options, nested.ids.split(","));
    if ("ancestor" in own) continue;
    nested = stack.use(own);
  }
  const locks = stack.move();
  return { ...nested, [Symbol.asyncDispose]: () => locks.disposeAsync() };
}

/** Checks whether a job holds the lock of a workspace. */
export async function isWorkspaceLocked(
  workspace: Workspace,
): Promise<boolean> {
  try {
    const path = `${await ownDirectory(workspace)}/${LOCK_FILE}`;
    if (!(await Deno.lstat(path)).isFile) return false;
    // Opening a pipe does not block if it is opened for writing as well.
    using file = await Deno.open(path, { read: true, write: true });
    return tryLockFile(file) === false;
  } catch {
    // A file that is missing or cannot be opened is not locked.
    return false;
  }
}

/** Holder of a lock, as written in its file. */
interface Holder {
  /** ID of the lock. */
  readonly id: string;
  /** ID of the process that holds the lock. */
  readonly pid: number;
  /** Command that the process runs. */
  readonly command: string;
  /** Time at which the lock was taken, in the format of RFC 3339. */
  readonly since: string;
}

/** The lock is held by the job that started this runner. */
interface Ancestor {
  /** ID of the lock, if the file contains it. */
  readonly ancestor: string | undefined;
}

async function acquire(
  workspace: Workspace,
  name: string,
  options: LockWorkspaceOptions,
  inherited: readonly string[],
): Promise<WorkspaceLock | Ancestor> {
  const { wait, signal, onWait } = options;
  for (let isWaiting = false;; isWaiting = true) {
    signal.throwIfAborted();
    const opened = await openLock(workspace, name);
    // A worker may have created a directory that the job cannot write to.
    if (opened === undefined) return inheritLock(inherited);
    const { file, path } = opened;
    if (tryLockFile(file) !== false) {
      if (isInPlace({ path, file })) {
        return holdLock(workspace, { file, path }, options, inherited);
      }
      // The holder has just removed the file.
      file.close();
      continue;
    }
    const holder = readHolder(file);
    file.close();
    if (isAncestor(holder, inherited)) return { ancestor: holder?.id };
    const reason = describeHolder(holder);
    if (!wait) throw createBusyError(workspace, reason);
    if (!isWaiting) onWait(`Waiting for "${workspace.base}": ${reason}`);
    await pause(PAUSE_MS, signal);
  }
}

/**
 * Checks whether the holder is the job of this runner. If the file contains
 * none, because a step has replaced it, the inherited IDs decide.
 */
function isAncestor(
  holder: Holder | undefined,
  inherited: readonly string[],
): boolean {
  if (holder === undefined) return inherited.length > 0;
  return inherited.includes(holder.id) || (heldLocks.get(holder.id) ?? 0) > 0;
}

function holdLock(
  workspace: Workspace,
  { file, path }: OwnFile,
  { command }: LockWorkspaceOptions,
  inherited: readonly string[],
): WorkspaceLock {
  const id = crypto.randomUUID();
  const since = new Date().toISOString();
  const holder: Holder = { id, pid: Deno.pid, command, since };
  writeHolder(file, holder);
  heldLocks.set(id, 0);
  return {
    ids: [...inherited, id].join(","),
    enterFunction() {
      const add = (count: number) => {
        const before = heldLocks.get(id);
        // A function that does not end can outlive the job.
        if (before !== undefined) heldLocks.set(id, before + count);
      };
      add(1);
      return { [Symbol.dispose]: () => add(-1) };
    },
    async [Symbol.asyncDispose]() {
      heldLocks.delete(id);
      // Before the lock is released; afterwards, another job may hold it.
      if (isInPlace({ path, file })) await Deno.remove(path).catch(() => {});
      file.close();
      if (workspace.inContainer) return;
      const own = path.slice(0, path.lastIndexOf("/"));
      if (await removeIgnoreFiles(workspace.base, own)) {
        await removeIfEmpty(workspace.base);
      }
    },
  };
}

/** Creates the lock of a runner that uses the lock of an outer job. */
function inheritLock(ids: readonly string[]): WorkspaceLock {
  return {
    ids: ids.join(","),
    enterFunction: () => ({ [Symbol.dispose]() {} }),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

function describeHolder(holder: Holder | undefined): string {
  if (holder === undefined) return "another process holds its lock";
  const { pid, command, since } = holder;
  return `process ${pid} (${command}) has held its lock since ${since}`;
}

function createBusyError({ base }: Workspace, reason: string): RunnerError {
  return new RunnerError(`Cannot use "${base}": ${reason}`, {
    code: "workspace-busy",
  });
}

/**
 * Opens the file of a lock without locking it, and creates it if missing.
 *
 * @param workspace Workspace; its directory is created if missing.
 * @param name Name of the file, in the directory for the runner's own files.
 * @returns The file; `undefined` in a container where it cannot be created.
 * @throws {RunnerError} `workspace` if it cannot be created outside a
 * container.
 */
async function openLock(
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

/** Writes the holder of a lock to its file. */
function writeHolder(file: Deno.FsFile, holder: Holder): void {
  file.truncateSync();
  file.writeSync(new TextEncoder().encode(`${JSON.stringify(holder)}\n`));
}

/**
 * Reads the holder of a lock. Steps can write to the file, so its content is
 * validated.
 *
 * @returns The holder; `undefined` if the file contains none.
 */
function readHolder(file: Deno.FsFile): Holder | undefined {
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
    // The lock was just taken, or a step has changed the file.
    return undefined;
  }
}
