import { isInside } from "../../job_path.ts";

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
   * Directories of which the command sees at most one subdirectory.
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
  /** Absolute paths that lead to the others through links. */
  readonly aliases: readonly string[];
}

/** Shared memory of all processes, as files. */
const SHARED_MEMORY = "/dev/shm";

const TERMINALS = "/dev/pts";

/** It opens terminals of the machine. */
const NEW_TERMINAL = "/dev/ptmx";

/** Links to the descriptors of a process. */
const DESCRIPTORS = ["/dev/fd", "/dev/stdin", "/dev/stdout", "/dev/stderr"];

/** Returns whether a command may use the shared memory of other processes. */
export function sharesMemory(visible: VisiblePaths): boolean {
  return shares(visible, SHARED_MEMORY);
}

function shares({ read, write }: VisiblePaths, directory: string): boolean {
  return read.includes(directory) ||
    write.some((path) => isInside(path, directory));
}

/** Returns the directories in `/dev` of which a command gets its own one. */
export function ownDirectories(visible: VisiblePaths): string[] {
  return [SHARED_MEMORY, TERMINALS].filter((path) => !shares(visible, path));
}

/**
 * Returns arguments of `mounts.pl`. It applies shorter paths first; if two
 * arguments have the same path, the later one wins.
 */
export function mountWords(paths: ProtectedPaths): string[] {
  const { readOnly = [], hidden = [], visible } = paths;
  return [
    ...visible === undefined ? [] : rootWords(visible),
    ...hidden.map(({ path }) => `e${path}`),
    ...hidden.flatMap(({ path, except = path }) =>
      except === path || visible?.write.includes(except) ? [] : [`w${except}`]
    ),
    ...readOnly.map((path) => `r${path}`),
  ];
}

function rootWords(visible: VisiblePaths): string[] {
  const { read, write, aliases } = visible;
  const own = ownDirectories(visible);
  const writable = own.includes(TERMINALS)
    ? write.filter((path) => path !== NEW_TERMINAL)
    : write;
  return [
    "n",
    ...[...aliases, ...DESCRIPTORS].map((path) => `a${path}`),
    ...read.filter((path) => path !== "/proc" && !write.includes(path))
      .map((path) => `r${path}`),
    // Its files are governed by other means, and needed to drop rights.
    ...["/proc", ...writable].map((path) => `w${path}`),
    ...own.map((path) => `${path === TERMINALS ? "t" : "m"}${path}`),
  ];
}
