import { osReason } from "../../errors.ts";
import { isMissing } from "../../fs/files.ts";
import { isInside, OWN_DIRECTORY } from "../../job_path.ts";
import { pause } from "../../process/time_limit.ts";
import type { FilePatterns } from "./file_patterns.ts";

/** Maximum number of files that the patterns of a step may match. */
const MAX_FOUND_FILES = 200_000;

/** Maximum length of a system error message, in characters; it may contain a long path. */
const MAX_REASON_LENGTH = 300;

/** Number of files after which the event loop gets a turn. */
const TURN_COUNT = 500;

/** A file that was found. */
export interface FoundFile {
  /** Path relative to the directory of the job. */
  readonly path: string;
  readonly type: "file" | "link" | "directory" | "other";
  /** Metadata of the file itself, not of the target of a link. */
  readonly info: Deno.FileInfo;
}

/** Options for {@linkcode findFiles}. */
export interface FindFilesOptions {
  /** Paths that are ignored with everything below them. */
  readonly ignored: (path: string) => boolean;
  /**
   * Whether links to directories of the job are followed and empty directories
   * ignored, as for the inputs of a step.
   */
  readonly followsLinks: boolean;
  readonly signal: AbortSignal;
}

/** Says why the result of a step cannot be cached. */
export class Uncacheable extends Error {}

/**
 * Finds the files and links that patterns select and, unless links are
 * followed, empty directories.
 *
 * File system calls are synchronous, which takes a tenth of the time. The event
 * loop gets a turn after some files.
 *
 * @param root Absolute path of the directory of the job, without links.
 * @returns Files, sorted by path.
 * @throws {Uncacheable} If there are too many, a name is not UTF-8, or something
 * cannot be read.
 * @throws {unknown} The reason of the signal once it is aborted.
 */
export async function findFiles(
  root: string,
  patterns: FilePatterns,
  options: FindFilesOptions,
): Promise<FoundFile[]> {
  const walk = new Walk(root, patterns, options);
  try {
    for (const start of patterns.roots) await walk.start(start);
  } catch (cause) {
    options.signal.throwIfAborted();
    throw uncacheable(cause);
  }
  return walk.found.sort((a, b) => a.path < b.path ? -1 : 1);
}

/** Converts a system error to the reason why a step is not cached. */
export function uncacheable(cause: unknown): unknown {
  const isSystemError = cause instanceof Error &&
    !(cause instanceof Uncacheable) &&
    !(cause instanceof TypeError);
  if (!isSystemError) return cause;
  const [reason] = osReason(cause).split(", ");
  const shortReason = reason.length > MAX_REASON_LENGTH
    ? `${reason.slice(0, MAX_REASON_LENGTH)}…`
    : reason;
  return new Uncacheable(`its files cannot be read: ${shortReason}`, { cause });
}

class Walk {
  readonly found: FoundFile[] = [];
  readonly #root: string;
  readonly #patterns: FilePatterns;
  readonly #options: FindFilesOptions;
  /** Parents of the current directory, to which a link may lead back. */
  readonly #open = new Set<string>();
  #count = 0;

  constructor(root: string, patterns: FilePatterns, options: FindFilesOptions) {
    this.#root = root;
    this.#patterns = patterns;
    this.#options = options;
  }

  /** Starts at a path. A link in the path is treated like a link in a directory. */
  async start(path: string): Promise<void> {
    const absolute = `${this.#root}/${path}`;
    if (path === "") return await this.#directory("", this.#root, this.#root);
    if (hasNoLinks(absolute)) {
      return await this.#visit(path, absolute, absolute);
    }
    const parts = path.split("/");
    for (const [at] of parts.slice(1).entries()) {
      const parent = parts.slice(0, at + 1).join("/");
      const info = lstat(`${this.#root}/${parent}`);
      if (info === undefined) return;
      if (info.isDirectory) continue;
      if (!info.isSymlink) return;
      this.#refuseLink(parent);
      this.#add(parent, "link", info);
      if (this.#realDirectory(`${this.#root}/${parent}`) === undefined) return;
    }
    const isLink = lstat(absolute)?.isSymlink ?? false;
    if (isLink && !this.#patterns.matches(path)) this.#refuseLink(path);
    await this.#visit(path, absolute);
  }

  /** Rejects a link to outputs, because targets of links are never replaced. */
  #refuseLink(path: string): void {
    if (this.#options.followsLinks) return;
    throw new Uncacheable(`"${path}" is a link in the path of an output`);
  }

  /** @param real Path without links; set if a link leads to the directory. */
  async #directory(
    path: string,
    absolute: string,
    real: string,
  ): Promise<void> {
    if (this.#open.has(real)) return;
    this.#open.add(real);
    let isEmpty = true;
    for (const { name } of readEntries(absolute)) {
      isEmpty = false;
      if (
        name.includes("\ufffd") && lstat(`${absolute}/${name}`) === undefined
      ) {
        throw new Uncacheable(`the name of "${path}/${name}" is not UTF-8`);
      }
      await this.#visit(
        path === "" ? name : `${path}/${name}`,
        `${absolute}/${name}`,
        `${real}/${name}`,
      );
    }
    this.#open.delete(real);
    const counts = isEmpty && !this.#options.followsLinks &&
      this.#patterns.matches(path);
    const info = counts ? lstat(absolute) : undefined;
    if (info !== undefined) this.#add(path, "directory", info);
  }

  async #visit(path: string, absolute: string, inReal?: string): Promise<void> {
    const { ignored, followsLinks, signal } = this.#options;
    if (isRunnerFile(path) || ignored(path)) return;
    if (++this.#count % TURN_COUNT === 0) {
      await pause(0, signal);
      signal.throwIfAborted();
    }
    const info = lstat(absolute);
    if (info === undefined) return;
    if (info.isDirectory) {
      const real = inReal ?? Deno.realPathSync(absolute);
      return await this.#directory(path, absolute, real);
    }
    if (info.isSymlink && followsLinks) {
      const real = this.#realDirectory(absolute);
      if (real !== undefined) await this.#directory(path, real, real);
    }
    if (!this.#patterns.matches(path)) return;
    this.#add(path, fileType(info), info);
  }

  #add(path: string, type: FoundFile["type"], info: Deno.FileInfo): void {
    if (this.found.length === MAX_FOUND_FILES) {
      throw new Uncacheable(
        `its patterns match more than ${MAX_FOUND_FILES} files`,
      );
    }
    this.found.push({ path, type, info });
  }

  /** Returns the target of a link if it is a directory of the job. */
  #realDirectory(absolute: string): string | undefined {
    try {
      const real = Deno.realPathSync(absolute);
      const isInTree = isInside(this.#root, real) && real !== this.#root &&
        !isRunnerFile(real.slice(this.#root.length + 1));
      return isInTree && Deno.statSync(real).isDirectory ? real : undefined;
    } catch {
      // The link is dangling, or part of a cycle.
      return undefined;
    }
  }
}

function fileType(info: Deno.FileInfo): FoundFile["type"] {
  return info.isSymlink ? "link" : info.isFile ? "file" : "other";
}

/** Checks whether a path belongs to git or to the runner. */
export function isRunnerFile(path: string): boolean {
  return path === OWN_DIRECTORY || path.startsWith(`${OWN_DIRECTORY}/`) ||
    /(?:^|\/)\.git(?:\/|$)/.test(path);
}

function lstat(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.lstatSync(path);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** Checks whether a path exists, and no part of it is a link. */
function hasNoLinks(path: string): boolean {
  try {
    return Deno.realPathSync(path) === path;
  } catch {
    return false;
  }
}

function* readEntries(path: string): Generator<Deno.DirEntry> {
  try {
    yield* Deno.readDirSync(path);
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
}
