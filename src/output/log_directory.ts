import { osReason } from "../errors.ts";
import { lstatIfThereSync } from "../fs/files.ts";

/** Pattern of the name of an unfinished log. */
const PARTIAL = /^\..+\.log\.partial$/;

/** Characters that are percent-encoded in a file name. */
const UNSAFE = /[^A-Za-z0-9 ._,=+@()[\]-]/gu;

/**
 * Maximum length of a file name before `.log`, well below the limit of 255
 * bytes of most file systems.
 */
const MAX_LENGTH = 200;

const encoder = new TextEncoder();

/**
 * The directory for the logs of steps.
 *
 * Steps of the job can remove it or replace it with a link. It is then created
 * again, and a link to another directory is never followed.
 */
export class LogDirectory {
  readonly path: string;
  #realPath: string | undefined;
  #identity: string | undefined;
  #emptyLog: string | undefined;

  /** The directory is created on first use. */
  constructor(path: string) {
    this.path = path;
  }

  /**
   * Creates the directory, or checks that it was not replaced.
   *
   * The calls are synchronous, because a step that takes a millisecond should
   * not wait longer than that for its log.
   *
   * @returns Its real path.
   * @throws If it cannot be created, or a link is in its place.
   */
  prepare(): string {
    if (this.#realPath === undefined) {
      Deno.mkdirSync(this.path, { recursive: true });
      if (Deno.lstatSync(this.path).isSymlink) throw createLinkError();
      this.#realPath = Deno.realPathSync(this.path);
      this.#identity = readIdentity(this.#realPath);
      return this.#realPath;
    }
    // Resolving the path takes several times as long.
    const identity = readIdentity(this.#realPath);
    if (identity !== undefined && identity === this.#identity) {
      return this.#realPath;
    }
    const path = resolvePath(this.#realPath);
    if (path === undefined) recreate(this.#realPath);
    else if (path !== this.#realPath) throw createLinkError();
    this.#identity = readIdentity(this.#realPath);
    return this.#realPath;
  }

  /**
   * Creates an empty log. All empty logs are names of the same file, because
   * creating files is slow after others were removed: ext4 does not reuse their
   * inodes for up to five minutes, and skips them one by one for each new file.
   *
   * @returns Whether it was created; `false` if something is there.
   * @throws The error of the system.
   */
  createEmptyLog(name: string): boolean {
    const path = `${this.prepare()}/${name}`;
    try {
      if (this.#emptyLog === undefined || !linkFile(this.#emptyLog, path)) {
        Deno.openSync(path, { write: true, createNew: true }).close();
        this.#emptyLog = path;
      }
      return true;
    } catch (error) {
      if (error instanceof Deno.errors.AlreadyExists) return false;
      throw error;
    }
  }
}

/** Returns whether the file got another name; `false` if that is impossible. */
function linkFile(from: string, to: string): boolean {
  try {
    Deno.linkSync(from, to);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) throw error;
    // A step removed it, or the file system has no links.
    return false;
  }
}

/**
 * Identifies a directory: while a path leads to the same one, no link has
 * replaced it. The number of a removed directory may be used again, but the time
 * of birth differs.
 *
 * @returns `undefined` if nothing is there, it is a link, or the file system does
 * not know the time of birth.
 */
function readIdentity(path: string): string | undefined {
  const info = lstatIfThereSync(path);
  if (!info?.isDirectory || info.birthtime === null) return undefined;
  return `${info.dev}:${info.ino}:${info.birthtime.getTime()}`;
}

/**
 * Creates the directory again. A step that removed it may have replaced a
 * parent directory with a link.
 */
function recreate(path: string): void {
  const parent = path.slice(0, path.lastIndexOf("/")) || "/";
  if (resolvePath(parent) === undefined) recreate(parent);
  if (resolvePath(parent) !== parent) throw createLinkError();
  Deno.mkdirSync(path);
}

function resolvePath(path: string): string | undefined {
  try {
    return Deno.realPathSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Returns the name of a step's log until the step ends. */
export function partialName(name: string): string {
  return `.${name}.partial`;
}

/**
 * Removes unfinished logs of earlier runs that were killed.
 *
 * @param logDirectory Absolute path of the directory, which may not exist.
 * @param onWarning Called with each error.
 * @returns Sorted names of the files that were found.
 */
export async function removePartialLogs(
  logDirectory: string,
  onWarning: (message: string) => void = () => {},
): Promise<string[]> {
  const names: string[] = [];
  try {
    for await (const { name, isDirectory } of Deno.readDir(logDirectory)) {
      if (PARTIAL.test(name) && !isDirectory) names.push(name);
    }
    for (const name of names) await Deno.remove(`${logDirectory}/${name}`);
  } catch (error) {
    const isMissing = error instanceof Deno.errors.NotFound;
    if (!isMissing) {
      onWarning(
        `Cannot clean up the logs in "${logDirectory}": ${osReason(error)}`,
      );
    }
  }
  return names.sort();
}

function createLinkError(): Error {
  return new Error("the directory was replaced with a link");
}

/** Assigns a unique file name to each step. */
export class LogFileNames {
  readonly #names = new Map<string, string>();
  readonly #taken = new Set<string>();

  /**
   * Returns the name of a step's file, which is the step's own name if
   * possible.
   *
   * Names that differ only in case, or after the maximum length, get a number:
   * `test.log`, `Test~2.log`.
   *
   * @returns The name, which is safe on every file system and does not change.
   */
  nameFor(step: string): string {
    const known = this.#names.get(step);
    if (known !== undefined) return known;
    const name = this.newName(step);
    this.#names.set(step, name);
    return name;
  }

  /**
   * Returns a name that no other file has.
   *
   * @param label Name of the step, as it may be shown.
   */
  newName(label: string): string {
    const stem = encodeName(label);
    let name = stem;
    // A tilde in a step's name is always encoded, so no other step can have
    // this name.
    for (let number = 2; this.#taken.has(name.toLowerCase()); number++) {
      name = `${stem}~${number}`;
    }
    this.#taken.add(name.toLowerCase());
    return `${name}.log`;
  }
}

function encodeName(step: string): string {
  // A leading dot hides a file, and a leading dash looks like an option.
  const name = step.replace(UNSAFE, escape).replace(/^[.-]/, escape);
  return name.slice(0, MAX_LENGTH) || "%";
}

function escape(character: string): string {
  return Array.from(encoder.encode(character), (byte) => `%${hex(byte)}`)
    .join("");
}

function hex(number: number): string {
  return number.toString(16).toUpperCase().padStart(2, "0");
}
