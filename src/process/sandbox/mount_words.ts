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
 * `m`, a new file system; `x`, the device that opens terminals.
 */
type Mount = "b" | "r" | "e" | "m" | "x";

/** File systems for a command alone: type, flags and options for `mount(2)`. */
const FILE_SYSTEMS: Readonly<Record<string, readonly string[]>> = {
  [SHARED_MEMORY]: ["tmpfs", "6", "mode=1777"],
  [TERMINALS]: ["devpts", "10", "mode=0620,ptmxmode=0666"],
  [PROCESSES]: ["proc", "14", ""],
};

/** Where the new root is mounted. */
const NEW_ROOT = PROCESSES;

const EMPTY_ROOT = ["tmpfs", "6", "mode=0755"];

/** Matches words whose code is in `rare_mounts.pl`. */
export const RARE_MOUNT = /^[eokxz]\d\//;

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
 * Returns words for `mounts.pl`, with each directory before the paths in it. Those
 * after `-` are for a process in the PID namespace, whose processes `/proc` shows.
 *
 * @param paths Paths to protect.
 * @param access Access of the command; it can include other paths.
 */
export function mountWords(
  paths: ProtectedPaths,
  access: AccessByPath,
): string[] {
  const { visible } = paths;
  const mounts = planMounts(paths);
  const word = (kind: string, path: string) =>
    `${kind}${access.get(path) ?? 0}${path}`;
  const missing = (path: string) => missingDirectories(path, mounts, visible);
  const created = new Set<string>();
  const directories = (paths: readonly string[]) =>
    paths.filter((path) => created.size < created.add(path).size)
      .map((path) => `d0${path}`);
  const newLink = ({ path, target }: Link) => [
    ...directories(missing(path).slice(0, -1)),
    ...[`l0${path}`, target],
  ];
  const newRoot = [`m0${NEW_ROOT}`, ...EMPTY_ROOT, `n0${NEW_ROOT}`];
  const hidden = [...mounts].filter(([, mount]) => mount === "e");
  const kept = visible
    ? []
    : [...mounts.keys()].filter((path) => missing(path).length > 0);
  const mountWordsFor = ([path, mount]: readonly [string, Mount]) => {
    const needed = missing(path);
    const isNew = needed.length > 0;
    switch (mount) {
      case "x":
        return isNew ? newLink(OWN_NEW_TERMINAL) : [word("x", path)];
      case "m":
        return [...directories(needed), word("m", path), ...FILE_SYSTEMS[path]];
      case "e":
        return [...directories(needed), word("e", path)];
    }
    if (!isNew) return [word(mount, path)];
    const kind = kept.includes(path) ? "k" : mount.toUpperCase();
    return [...directories(needed.slice(0, -1)), word(kind, path)];
  };
  const others = access.keys().filter((path) =>
    !mounts.has(path) && path !== PROCESSES
  );
  return [
    ...visible ? newRoot : kept.map((path) => `o0${path}`),
    ...visible ? [...visible.links, ...DESCRIPTORS].flatMap(newLink) : [],
    ...[...mounts].flatMap((mount) => [
      ...mountWordsFor(mount),
      // What was mounted there is above the new root.
      ...mount[0] === "/" ? [`n0${NEW_ROOT}`] : [],
    ]),
    "-",
    ...mountWordsFor([PROCESSES, "m"]),
    ...others.map((path) =>
      isInside(PROCESSES, path)
        ? `p${access.get(path)}.${path}`
        : word("p", path)
    ),
    ...hidden.map(([path]) => `z0${path}`),
  ];
}

function parentPath(path: string): string {
  return path.slice(0, path.lastIndexOf("/"));
}

/** Determines how each path is mounted. */
function planMounts(paths: ProtectedPaths): ReadonlyMap<string, Mount> {
  const { readOnly = [], hidden = [], visible } = paths;
  const mounts = new Map<string, Mount>();
  const shown = [...visible?.read ?? [], ...visible?.write ?? []];
  for (const path of visible?.read ?? []) mounts.set(path, "r");
  for (const path of visible?.write ?? []) mounts.set(path, "b");
  for (const path of visible ? ownDirectories(visible) : []) {
    mounts.set(path, "m");
    if (path === TERMINALS) mounts.set(NEW_TERMINAL, "x");
  }
  const isShown = (path: string) =>
    visible === undefined ||
    shown.some((directory) => isInside(directory, path));
  for (const { path, except = path } of hidden) {
    if (isShown(path)) mounts.set(path, "e");
    if (except !== path) mounts.set(except, "b");
  }
  for (const path of readOnly.filter(isShown)) {
    // The command cannot replace a directory on the way that is a mount point.
    for (const parent of parentsInside(visible?.write ?? [], path)) {
      if (!mounts.has(parent)) mounts.set(parent, "b");
    }
    mounts.set(path, "r");
  }
  // `/proc` is protected in another way, and is needed to drop rights.
  const sorted = [...mounts].filter(([path]) => !isInside(PROCESSES, path))
    .toSorted(([one], [other]) => one.length - other.length);
  return new Map(sorted);
}

/** Returns the directories around a path that are inside some others, or are one of them. */
function parentsInside(
  directories: readonly string[],
  path: string,
): string[] {
  const parents: string[] = [];
  let at = parentPath(path);
  while (directories.some((directory) => isInside(directory, at))) {
    parents.push(at);
    at = parentPath(at);
  }
  return parents;
}

/**
 * Returns the directories that have to be created for a path, with the path itself;
 * none if its mount point is there already.
 */
function missingDirectories(
  path: string,
  mounts: ReadonlyMap<string, Mount>,
  visible: VisiblePaths | undefined,
): string[] {
  const missing: string[] = [];
  for (let at = path; at !== "" && at !== "/"; at = parentPath(at)) {
    const mount = at === path ? undefined : mounts.get(at);
    if (mount === "e" || mount === "m") return missing;
    if (mount !== undefined) return [];
    missing.unshift(at);
  }
  return visible === undefined || mounts.has("/") ? [] : missing;
}
