import type { Environment } from "../../environment/variables.ts";
import { isInside } from "../../job_path.ts";
import { pause } from "../../process/time_limit.ts";
import { listUnignoredFiles } from "../../source/git/list_files.ts";

/** Number of files after which other tasks get a turn. */
const TURN_FILES = 2_000;

/** Directories of version control systems. */
const REPOSITORIES: ReadonlySet<string> = new Set([".git", ".hg", ".svn"]);

/** Temporary files of editors. */
const EDITOR_FILE = /(?:~|\.sw[a-px]|^4913|^#.*#|^\.#.*)$/;

/** Size and times of each file of a source, by its absolute path. */
export type Snapshot = ReadonlyMap<string, string>;

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
    for (const path of listed ?? filesBelow(root, "", ignored)) {
      const full = `${root}/${path}`;
      if (isIgnoredFile(full, ignored)) continue;
      const stamp = fileStamp(full);
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
export function changesSince(
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
export function isIgnoredFile(
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

function* filesBelow(
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
      yield* filesBelow(root, path, ignored);
    }
  }
}

function fileStamp(path: string): string | undefined {
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
