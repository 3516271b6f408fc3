/**
 * The lock of a workspace: one job at a time puts its files there.
 *
 * 1. A job that prepares sources, runs steps or cleans up holds a lock on
 *    `.reactorcide/lock` until it is over. The system releases it when the
 *    process ends, also when it is killed; children do not inherit it. The file
 *    says who holds the lock.
 * 2. Programs of the job get the id of the lock. A runner among them works
 *    in the same workspace, as part of the job. Two of them at once must still
 *    not prepare sources in one directory: for each such directory, there is a
 *    lock among the runners that one job started.
 * 3. Functions of a job run in the process that holds the lock. What they start
 *    while they run belongs to the job as well.
 */
import { pause } from "../process/time_limit.ts";
import { Variable } from "../environment/variables.ts";
import { osReason, RunnerError } from "../errors.ts";
import { tryLockFile } from "../fs/files.ts";
import { removeIgnoreFiles } from "./ignore_files.ts";
import type { Workspace } from "./layout.ts";
import {
  isInPlace,
  makeOwnDirectory,
  openOwnFile,
  ownDirectory,
  type OwnFile,
} from "./own_files.ts";
import { removeIfEmpty } from "./remove.ts";

/** Name of the file, in the directory for the runner's own files. */
const LOCK_FILE = "lock";

/** Pause between two tries, in milliseconds. */
const PAUSE_MS = 100;

/** Options for {@linkcode lockWorkspace}. */
export interface LockWorkspaceOptions {
  /** Name of the command that takes the lock, for the message of the others. */
  readonly command: string;
  /** Environment of the runner. */
  readonly env: Readonly<Record<string, string>>;
  /**
   * Directories in which sources are prepared, as the job knows them.
   *
   * @default {[]}
   */
  readonly sourceDirs?: readonly string[];
  /** Whether to wait for the lock, for as long as it takes. */
  readonly wait: boolean;
  /** Ends the waiting. */
  readonly signal: AbortSignal;
  /** Called once, with the reason, before waiting. */
  readonly onWait: (reason: string) => void;
}

/** A lock that is held until it is disposed of. */
export interface WorkspaceLock extends AsyncDisposable {
  /** Value of `REACTORCIDE_WORKSPACE_LOCK` for the programs of the job. */
  readonly ids: string;
  /**
   * Declares that a function of the job runs in this process.
   *
   * @returns Handle to dispose of when the function has ended.
   */
  enterFunction(): Disposable;
}

/** Locks that this process holds, by their ids: how many functions of the job run. */
const held = new Map<string, number>();

/**
 * Locks a workspace for a job.
 *
 * @param workspace Workspace; its directory is created when missing.
 * @param options Who asks, and whether to wait.
 * @returns The lock.
 * @throws {RunnerError} `workspace-busy`, if another job holds it; `workspace`,
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
  let nested = heldByOther(ids);
  // In one order, so that two runners never wait for each other.
  for (const directory of sourceDirs.toSorted()) {
    const name = `${LOCK_FILE}-${ids.length}-${await digest(directory)}`;
    const own = await acquire(workspace, name, options, nested.ids.split(","));
    if ("ancestor" in own) continue;
    nested = stack.use(own);
  }
  const locks = stack.move();
  return { ...nested, [Symbol.asyncDispose]: () => locks.disposeAsync() };
}

/**
 * Checks whether a job holds the lock of a workspace.
 *
 * @param workspace Workspace.
 * @returns Whether one does.
 */
export async function isWorkspaceLocked(
  workspace: Workspace,
): Promise<boolean> {
  try {
    const path = `${await ownDirectory(workspace)}/${LOCK_FILE}`;
    if (!(await Deno.lstat(path)).isFile) return false;
    // Opened for writing as well, a pipe does not block.
    using file = await Deno.open(path, { read: true, write: true });
    return tryLockFile(file) === false;
  } catch {
    // What does not exist or cannot be opened is not held.
    return false;
  }
}

/** An ancestor holds the lock, and this runner works in its name. */
interface Ancestor {
  /** Id of its lock, if the file says. */
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
    if (opened === undefined) return heldByOther(inherited);
    const { file, path } = opened;
    if (tryLockFile(file) !== false) {
      if (isInPlace({ path, file })) {
        return holdLock(workspace, { file, path }, options, inherited);
      }
      // Its holder has removed it meanwhile.
      file.close();
      continue;
    }
    const holder = readHolder(file);
    file.close();
    if (isAncestor(holder, inherited)) return { ancestor: holder?.id };
    const reason = reasonOf(holder);
    if (!wait) throw busy(workspace, reason);
    if (!isWaiting) onWait(`Waiting for "${workspace.base}": ${reason}`);
    await pause(PAUSE_MS, signal);
  }
}

/** A file that a step has replaced does not say who holds the lock; what was inherited does. */
function isAncestor(
  holder: Holder | undefined,
  inherited: readonly string[],
): boolean {
  if (holder === undefined) return inherited.length > 0;
  return inherited.includes(holder.id) || (held.get(holder.id) ?? 0) > 0;
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
  held.set(id, 0);
  return {
    ids: [...inherited, id].join(","),
    enterFunction() {
      const add = (count: number) => {
        const before = held.get(id);
        // A function that does not end may outlive the job.
        if (before !== undefined) held.set(id, before + count);
      };
      add(1);
      return { [Symbol.dispose]: () => add(-1) };
    },
    async [Symbol.asyncDispose]() {
      held.delete(id);
      // Before the lock ends: afterwards it may be another's.
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

function heldByOther(ids: readonly string[]): WorkspaceLock {
  return {
    ids: ids.join(","),
    enterFunction: () => ({ [Symbol.dispose]() {} }),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

function reasonOf(holder: Holder | undefined): string {
  if (holder === undefined) return "another process holds its lock";
  const { pid, command, since } = holder;
  return `process ${pid} (${command}) has held its lock since ${since}`;
}

function busy({ base }: Workspace, reason: string): RunnerError {
  return new RunnerError(`Cannot use "${base}": ${reason}`, {
    code: "workspace-busy",
  });
}

async function digest(text: string): Promise<string> {
  const bytes = new TextEncoder().encode(text);
  const hash = await crypto.subtle.digest("SHA-256", bytes);
  return new Uint8Array(hash).toHex().slice(0, 16);
}

/** Maximum number of bytes that say who holds the lock. */
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
 * Opens the file of a lock, which is not locked yet, and creates it when
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
