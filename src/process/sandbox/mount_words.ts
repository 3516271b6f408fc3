import { isInside } from "../../job_path.ts";
import type { AccessByPath } from "./confined_command.ts";

/**
 * Paths that a command must not change or see, or the only ones that it sees.
 */
export interface ProtectedPaths {
  /**
   * Absolute paths of directories that are read-only for the command.
   *
   * @default {[]}
   */
  readonly readOnly?: readonly string[];
  /**
   * Directories in which the command sees at most one subdirectory.
   *
   * @default {[]}
   */
  readonly hidden?: readonly HiddenDirectory[];
  /**
   * The only paths that the command sees.
   *
   * @default {everything}
   */
  readonly visible?: VisiblePaths;
}

/** A directory that is hidden from a command. */
export interface HiddenDirectory {
  /** Its absolute path. */
  readonly path: string;
  /**
   * Absolute path of the subdirectory that stays visible.
   *
   * @default {none}
   */
  readonly except?: string;
}

/** The part of the file system that exists for a command. */
export interface VisiblePaths {
  /** Absolute paths without links that it can read. */
  readonly read: readonly string[];
  /** Absolute paths without links that it can write to. */
  readonly write: readonly string[];
  /** Links to these paths. */
  readonly links: readonly Link[];
}

/** A symbolic link. */
export interface Link {
  /** Its absolute path. */
  readonly path: string;
  /** Its target. */
  readonly target: string;
}

/** Shared memory of all processes, as files. */
const SHARED_MEMORY = "/dev/shm";

const TERMINALS = "/dev/pts";

/** Device that opens terminals of the machine. */
const NEW_TERMINAL = "/dev/ptmx";

/** Link to the device that opens terminals of a command. */
const OWN_NEW_TERMINAL: Link = { path: NEW_TERMINAL, target: "pts/ptmx" };

const PROCESSES = "/proc";

/** Links to the open descriptors of a process. */
const DESCRIPTORS: readonly Link[] = [
  { path: "/dev/fd", target: "/proc/self/fd" },
  { path: "/dev/stdin", target: "/proc/self/fd/0" },
  { path: "/dev/stdout", target: "/proc/self/fd/1" },
  { path: "/dev/stderr", target: "/proc/self/fd/2" },
];

/**
 * Kind of mount: `b`, the path as it is; `r`, read-only; `e`, an empty directory;
 * `m`, an empty directory for all users; `t`, a directory of terminals; `x`, the
 * device that opens them.
 */
type Mount = "b" | "r" | "e" | "m" | "t" | "x";

/** Returns whether a command may use the shared memory of other processes. */
export function sharesMemory(visible: VisiblePaths): boolean {
  return shares(visible, SHARED_MEMORY);
}

function shares({ read, write }: VisiblePaths, directory: string): boolean {
  return read.includes(directory) ||
    write.some((path) => isInside(path, directory));
}

/** Returns the directories in `/dev` that are private to a command. */
export function ownDirectories(visible: VisiblePaths): string[] {
  return [SHARED_MEMORY, TERMINALS].filter((path) => !shares(visible, path));
}

/**
 * Returns words for `mounts.pl`, with each directory before the paths in it.
 *
 * @param paths Paths to protect.
 * @param access Access of the command; it can include other paths.
 */
export function mountWords(
  paths: ProtectedPaths,
  access: AccessByPath,
): string[] {
  const { visible } = paths;
  const mounts = mountsOf(paths);
  const others = access.keys().filter((path) => !mounts.has(path));
  const created = new Set(
    mounts.keys().filter((path) => isCreated(path, mounts, visible)),
  );
  return [
    ...visible ? ["n0", ...linkWords([...visible.links, ...DESCRIPTORS])] : [],
    ...visible ? [] : created.keys().map((path) => `o0${path}`),
    ...mounts.entries().flatMap(([path, mount]) => {
      const isNew = created.has(path);
      if (mount === "x" && isNew) return linkWords([OWN_NEW_TERMINAL]);
      const kind = isNew ? mount.toUpperCase() : mount;
      return [`${kind}${access.get(path) ?? 0}${path}`];
    }),
    ...others.map((path) =>
      `${isInside(PROCESSES, path) ? "P" : "p"}${access.get(path)}${path}`
    ),
  ];
}

function linkWords(links: readonly Link[]): string[] {
  return links.flatMap(({ path, target }) => [`>0${target}`, `l0${path}`]);
}

/** Determines how each path is mounted. */
function mountsOf(paths: ProtectedPaths): ReadonlyMap<string, Mount> {
  const { readOnly = [], hidden = [], visible } = paths;
  const mounts = new Map<string, Mount>();
  const shown = [...visible?.read ?? [], ...visible?.write ?? []];
  for (const path of visible?.read ?? []) mounts.set(path, "r");
  for (const path of visible?.write ?? []) mounts.set(path, "b");
  for (const path of visible ? ownDirectories(visible) : []) {
    mounts.set(path, path === TERMINALS ? "t" : "m");
    if (path === TERMINALS) mounts.set(NEW_TERMINAL, "x");
  }
  for (const { path, except = path } of hidden) {
    const exists = visible === undefined ||
      shown.some((directory) => isInside(directory, path));
    if (exists) mounts.set(path, "e");
    if (except !== path) mounts.set(except, "b");
  }
  for (const path of readOnly) mounts.set(path, "r");
  // `/proc` is protected in another way, and is needed to drop rights.
  const sorted = [...mounts].filter(([path]) => !isInside(PROCESSES, path))
    .toSorted(([one], [other]) => one.length - other.length);
  return new Map(sorted);
}

/** Checks whether the mount point of a path has to be created. */
function isCreated(
  path: string,
  mounts: ReadonlyMap<string, Mount>,
  visible: VisiblePaths | undefined,
): boolean {
  for (let around = path; around !== "/";) {
    around = around.slice(0, around.lastIndexOf("/")) || "/";
    const mount = mounts.get(around);
    if (mount !== undefined) return mount === "e" || mount === "m";
  }
  return visible !== undefined && path !== "/";
}
