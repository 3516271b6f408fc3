import type { Environment } from "../../environment/variables.ts";
import { sha256Hex } from "../../fs/files.ts";
import { isInside } from "../../job_path.ts";
import { onAbort } from "../../process/cancellation.ts";
import { pause, timeLimit } from "../../process/time_limit.ts";
import { listUnignoredFiles } from "../../source/git/list_files.ts";

/** Time without events that ends a burst, in milliseconds. */
const QUIET_MS = 100;

/** Maximum duration of a burst, in milliseconds. */
const MAX_BURST_MS = 1_000;

/** Polling interval of a source that cannot be watched, in milliseconds. */
const POLL_MS = 2_000;

/**
 * Time without events after which named pipes are looked for, in milliseconds.
 * When one appears, Deno opens it and waits for a writer. Until there is one, it
 * reports nothing, and calls that open or close a watch block as well.
 */
const SILENCE_MS = 5_000;

/** Why directories are not watched although the system could. */
const PIPE = "one contains a named pipe";

/** Reports when a source may have changed. */
export interface FileWatcher extends Disposable {
  /**
   * Waits until something has changed since the last call, and then for the end
   * of the burst. False alarms are possible.
   *
   * @param signal Ends the wait early.
   */
  next(signal: AbortSignal): Promise<void>;
  /**
   * Adapts to directories that were created or removed.
   *
   * @param snapshot The files of the source.
   */
  follow(snapshot: Snapshot): void;
}

/**
 * Watches the directories of a source.
 *
 * A root and each of its directories with files that count are watched, so that
 * no watch is spent on the repository or on ignored directories such as
 * `node_modules`. If the system has no watches left, the source is
 * polled.
 *
 * @param source The source.
 * @param snapshot The files of the source.
 * @param warn Called once if the source cannot be watched.
 * @param silenceMs Time without events after which something may have changed.
 */
export function watchSource(
  { roots, ignored }: WatchedSource,
  snapshot: Snapshot,
  warn: (message: string) => void,
  silenceMs: number = SILENCE_MS,
): FileWatcher {
  let watchers: Deno.FsWatcher[] = [];
  let watched = "";
  let directories: readonly string[] = [];
  let isPolling = false;
  let isWoken = false;
  let lastEventMs = 0;
  let wake = () => {};

  function onEvent({ paths, kind }: Deno.FsEvent): void {
    if (kind === "access") return;
    // An event without paths means that events were lost.
    const counts = paths.length === 0 ||
      paths.some((path) => !isIgnoredFile(path, ignored));
    if (!counts) return;
    lastEventMs = performance.now();
    isWoken = true;
    wake();
  }

  async function listen(watcher: Deno.FsWatcher): Promise<void> {
    try {
      for await (const event of watcher) onEvent(event);
    } catch (error) {
      if (watchers.includes(watcher)) poll(error);
    }
  }

  function poll(cause: unknown): void {
    close();
    if (isPolling) return;
    isPolling = true;
    warn(
      `Cannot watch all directories (${
        cause instanceof Error ? cause.message : cause
      }); looking for changes every ${POLL_MS / 1_000} seconds instead`,
    );
  }

  function close(): void {
    const closing = watchers;
    watchers = [];
    if (hasPipe()) return;
    for (const watcher of closing) watcher.close();
  }

  function hasPipe(): boolean {
    return roots.some((root) => containsPipe(root, { isDeep: false })) ||
      directories.some((one) => containsPipe(one, { isDeep: true }));
  }

  function open(): void {
    try {
      watchers.push(Deno.watchFs([...roots], { recursive: false }));
      if (directories.length > 0) {
        watchers.push(Deno.watchFs([...directories], { recursive: true }));
      }
      for (const watcher of watchers) void listen(watcher);
    } catch (error) {
      poll(error);
    }
  }

  function follow(snapshot: Snapshot): void {
    if (isPolling) return;
    const found = findDirectories(roots, snapshot);
    const key = found.join("\0");
    if (key === watched && watchers.length > 0) return;
    directories = found;
    if (hasPipe()) return poll(PIPE);
    close();
    watched = key;
    open();
    // Something may have changed between the two watches.
    isWoken = true;
  }

  async function waitForBurstEnd(signal: AbortSignal): Promise<void> {
    const startMs = performance.now();
    while (!signal.aborted) {
      const nowMs = performance.now();
      const restMs = Math.min(
        lastEventMs + QUIET_MS - nowMs,
        startMs + MAX_BURST_MS - nowMs,
      );
      if (restMs <= 0) return;
      await pause(restMs, signal);
    }
  }

  follow(snapshot);
  return {
    follow,
    async next(signal) {
      if (isPolling) return await pause(POLL_MS, signal);
      const woken = Promise.withResolvers<void>();
      wake = woken.resolve;
      using _ = onAbort(signal, woken.resolve);
      if (!isWoken) {
        using silence = timeLimit(silenceMs);
        await Promise.race([woken.promise, silence.reached]);
        if (!isWoken && hasPipe()) poll(PIPE);
      }
      await waitForBurstEnd(signal);
      isWoken = false;
    },
    [Symbol.dispose]: close,
  };
}

function containsPipe(
  directory: string,
  options: { readonly isDeep: boolean },
): boolean {
  try {
    return [...Deno.readDirSync(directory)].some((entry) => {
      const { name, isDirectory, isFile, isSymlink } = entry;
      const path = `${directory}/${name}`;
      if (isDirectory) return options.isDeep && containsPipe(path, options);
      return !isFile && !isSymlink && Deno.lstatSync(path).isFifo;
    });
  } catch {
    // It was just removed, or cannot be read.
    return false;
  }
}

/** Returns the directories in the roots that contain files, in order. */
function findDirectories(
  roots: readonly string[],
  snapshot: Snapshot,
): readonly string[] {
  const found = new Set<string>();
  for (const root of roots) {
    const prefix = `${root}/`;
    for (const path of snapshot.keys()) {
      if (!path.startsWith(prefix)) continue;
      const end = path.indexOf("/", prefix.length);
      if (end !== -1) found.add(path.slice(0, end));
    }
  }
  return [...found].sort();
}

/** Number of consecutive runs that changes of one file may interrupt. */
const MAX_ENDED_RUNS = 3;

/** Maximum size of a file whose content is compared, in bytes. */
const MAX_COMPARED_BYTES = 1024 * 1024;

/**
 * Distinguishes changes by the user from those by the run itself, which would
 * otherwise start runs endlessly.
 *
 * The system does not say which program changes a file. Therefore:
 *
 * 1. A file that appears during a run was written by the run.
 * 2. A file that changes during a run counts unless its content is the same as
 *    after its last change, as when a formatter rewrites the same text.
 * 3. Between runs, every change counts, and the file belongs to the user again.
 * 4. A file whose changes interrupt several consecutive runs is probably
 * written by each run, and no longer counts.
 */
export class ChangeFilter {
  readonly #warn: (message: string) => void;
  /** Files that have appeared during runs. */
  readonly #written = new Set<string>();
  /** Files that every run writes. */
  readonly #ignored = new Set<string>();
  /** Hashes of files after their last change. */
  readonly #contents = new Map<string, string>();
  /** Number of runs in a row that a file has ended. */
  readonly #endedRuns = new Map<string, number>();

  /**
   * Creates the state before the first run.
   *
   * @param warn Called for each file that every run seems to write.
   */
  constructor(warn: (message: string) => void) {
    this.#warn = warn;
  }

  /**
   * Returns the changes that start a run.
   *
   * @param changes All changes.
   * @param isRunning Whether a run is active or has just ended.
   */
  async selectRelevant(
    changes: readonly FileChange[],
    isRunning: boolean,
  ): Promise<readonly FileChange[]> {
    const relevant: FileChange[] = [];
    for (const change of changes) {
      const { path } = change;
      if (this.#ignored.has(path)) continue;
      const content = await hashFile(path);
      const isSame = content !== undefined &&
        content === this.#contents.get(path);
      if (content === undefined) this.#contents.delete(path);
      else this.#contents.set(path, content);
      if (!isRunning) {
        this.#written.delete(path);
        relevant.push(change);
      } else if (this.#written.has(path) || change.kind === "added") {
        this.#written.add(path);
      } else if (!isSame) relevant.push(change);
    }
    if (!isRunning) {
      this.#endedRuns.clear();
      return relevant;
    }
    return this.#withoutRepeated(relevant);
  }

  #withoutRepeated(changes: readonly FileChange[]): readonly FileChange[] {
    if (changes.length === 0) return changes;
    const counts = changes.map(({ path }) =>
      (this.#endedRuns.get(path) ?? 0) + 1
    );
    this.#endedRuns.clear();
    return changes.filter(({ path }, index) => {
      this.#endedRuns.set(path, counts[index]);
      if (counts[index] <= MAX_ENDED_RUNS) return true;
      this.#ignored.add(path);
      this.#warn(
        `"${path}" has changed in ${
          counts[index]
        } runs in a row: it is ignored from now on`,
      );
      return false;
    });
  }
}

/** Returns a hash of a file; `undefined` for one that is large or missing. */
async function hashFile(path: string): Promise<string | undefined> {
  try {
    const { isFile, size } = await Deno.lstat(path);
    if (!isFile || size > MAX_COMPARED_BYTES) return undefined;
    return await sha256Hex(await Deno.readFile(path));
  } catch {
    // It was removed, or cannot be read.
    return undefined;
  }
}

/** Number of files after which other tasks get a turn. */
const TURN_FILES = 2_000;

/** Directories of version control systems. */
const REPOSITORIES: ReadonlySet<string> = new Set([".git", ".hg", ".svn"]);

/** Temporary files of editors. */
const EDITOR_FILE = /(?:~|\.sw[a-px]|^4913|^#.*#|^\.#.*)$/;

/** Size and times of each file of a source, by its absolute path. */
type Snapshot = ReadonlyMap<string, string>;

/** A change of a file. */
export interface FileChange {
  /** Absolute path. */
  readonly path: string;
  readonly kind: "added" | "changed" | "removed";
}

/** Location of a source, and the files in it that do not count. */
export interface WatchedSource {
  /** Absolute paths of the directories. */
  readonly roots: readonly string[];
  /** Absolute paths that the runs themselves write. */
  readonly ignored: readonly string[];
  /** Environment of the runner. */
  readonly env: Environment;
}

/**
 * Records the files of a source, except ignored ones. In a git repository, its
 * ignore rules apply.
 *
 * @param source The source.
 */
export async function takeSnapshot(
  { roots, ignored, env }: WatchedSource,
): Promise<Snapshot> {
  const stamps = new Map<string, string>();
  let count = 0;
  for (const root of roots) {
    const listed = await listUnignoredFiles(root, env);
    for (const path of listed ?? walkFiles(root, "", ignored)) {
      const full = `${root}/${path}`;
      if (isIgnoredFile(full, ignored)) continue;
      const stamp = readStamp(full);
      if (stamp !== undefined) stamps.set(full, stamp);
      if (++count % TURN_FILES === 0) await pause(0);
    }
  }
  return stamps;
}

/**
 * Compares two snapshots.
 *
 * @param before The earlier one.
 * @param after The later one.
 */
export function compareSnapshots(
  before: Snapshot,
  after: Snapshot,
): readonly FileChange[] {
  const changes: FileChange[] = [];
  for (const [path, stamp] of after) {
    const earlier = before.get(path);
    if (earlier === stamp) continue;
    changes.push({ path, kind: earlier === undefined ? "added" : "changed" });
  }
  for (const path of before.keys()) {
    if (!after.has(path)) changes.push({ path, kind: "removed" });
  }
  return changes;
}

/**
 * Checks whether a file does not belong to the source.
 *
 * @param path Absolute path.
 * @param ignored Absolute paths that the runs themselves write.
 */
function isIgnoredFile(
  path: string,
  ignored: readonly string[],
): boolean {
  const name = path.slice(path.lastIndexOf("/") + 1);
  return EDITOR_FILE.test(name) ||
    path.split("/").some((part) => REPOSITORIES.has(part)) ||
    ignored.some((directory) =>
      path === directory || isInside(directory, path)
    );
}

function* walkFiles(
  root: string,
  directory: string,
  ignored: readonly string[],
): Generator<string> {
  let entries: Deno.DirEntry[];
  try {
    entries = [...Deno.readDirSync(`${root}/${directory}`)];
  } catch {
    // It was just removed, or cannot be read.
    return;
  }
  for (const { name, isDirectory } of entries) {
    const path = directory === "" ? name : `${directory}/${name}`;
    if (!isDirectory) yield path;
    else if (!isIgnoredFile(`${root}/${path}`, ignored)) {
      yield* walkFiles(root, path, ignored);
    }
  }
}

function readStamp(path: string): string | undefined {
  try {
    const { mtime, size, ino, mode, isDirectory } = Deno.lstatSync(path);
    // A repository in the repository is listed as one path.
    return isDirectory
      ? "directory"
      : `${mtime?.getTime()} ${size} ${ino} ${mode}`;
  } catch {
    // Git lists tracked files that were removed.
    return undefined;
  }
}
