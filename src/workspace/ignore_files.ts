/**
 * Files that keep the files of runs out of the user's repository, and out of
 * copies of a directory.
 *
 * 1. A workspace that the runner created is marked by `.reactorcide/.gitignore`
 *    with the pattern `*`. Such a workspace contains only files of runs.
 * 2. In a git repository, a marked workspace gets its own `.gitignore` with the
 *    same text. Outside of repositories, the file has no use, and would make
 *    formatters and linters skip code that a run copies to the workspace.
 * 3. A `.reactorcide` in a directory of the user may contain committed
 *    definitions. Its `.gitignore` names only the files of the runner.
 * 4. These files are created, but never replaced: a file of the user stays, and
 *    links are not followed. Only a file with the same text is removed.
 *
 * @module
 */
import { OWN_DIRECTORY } from "../job_path.ts";
import { removeIfEmpty, removeTree } from "./remove.ts";
import { osReason, RunnerError } from "../errors.ts";
import { pathExistsSync } from "../fs/files.ts";

const FILE = ".gitignore";

const NOTE = "# Written by runnerlib, which created what this file ignores.\n";

/** Text for a directory that belongs to the runner. */
const ALL = `${NOTE}*\n`;

/** Files of local workflows in `.reactorcide`, as git ignore patterns. */
export const WORKFLOW_FILES: readonly string[] = [
  "/workflow/",
  "/workflow-state.json*",
  "/exported/",
];

/** Text for a directory that also contains files of the user. */
const OWN_FILES = `${NOTE}${
  [
    `/${FILE}`,
    "/lock",
    "/lock-*",
    "/owned_paths.json",
    "/outputs.json",
    "/run.json",
    ...WORKFLOW_FILES,
  ].join("\n")
}\n`;

/**
 * Writes the ignore files of a directory that runs use.
 *
 * @param base Absolute path of the directory.
 * @param own Absolute path of its directory for the runner's own files.
 * @param isNew Whether the runner has just created `own`.
 */
export function writeIgnoreFiles(
  base: string,
  own: string,
  isNew: boolean,
): void {
  if (isNew && hasOnly(base, [OWN_DIRECTORY])) {
    createFile(`${own}/${FILE}`, ALL);
  } else if (!hasText(`${own}/${FILE}`, ALL)) {
    return createFile(`${own}/${FILE}`, OWN_FILES);
  }
  if (isInRepository(base)) createFile(`${base}/${FILE}`, ALL);
}

/**
 * Checks whether a directory is a workspace that the runner created.
 *
 * @param directory Absolute path.
 */
export function isOwnWorkspace(directory: string): boolean {
  return hasText(`${directory}/${OWN_DIRECTORY}/${FILE}`, ALL);
}

/**
 * Removes the runner's ignore files from a directory that no run uses any more.
 *
 * @param base Absolute path of the directory.
 * @param own Absolute path of its directory for the runner's own files, which
 * is removed if nothing else is in it.
 * @returns Whether the directory for the runner's own files no longer exists.
 */
export async function removeIgnoreFiles(
  base: string,
  own: string,
  { isCleanup = false }: RemoveIgnoreFilesOptions = {},
): Promise<boolean> {
  if (isCleanup) await removeOurs(`${base}/${FILE}`);
  if (hasOnly(own, [FILE])) await removeOurs(`${own}/${FILE}`);
  if (!await removeIfEmpty(own)) return false;
  if (hasOnly(base, [FILE])) await removeOurs(`${base}/${FILE}`);
  return true;
}

/** Options for {@linkcode removeIgnoreFiles}. */
export interface RemoveIgnoreFilesOptions {
  /**
   * Whether to remove the ignore file even if the directory contains other
   * files.
   *
   * @default {false}
   */
  readonly isCleanup?: boolean;
}

async function removeOurs(path: string): Promise<void> {
  // A file that cannot be removed is useless, but harmless.
  if (hasText(path, ALL) || hasText(path, OWN_FILES)) {
    await Deno.remove(path).catch(() => {});
  }
}

/**
 * Removes the files of local workflows from a directory.
 *
 * @param root Absolute path of the directory, whose lock is held.
 * @param onLeft Called with the reason for each path that is left.
 * @returns Absolute paths of the removed files and directories.
 * @throws {RunnerError} `workspace` if something cannot be removed.
 */
export async function removeWorkflowFiles(
  root: string,
  onLeft: (reason: string) => void,
): Promise<string[]> {
  const own = `${root}/${OWN_DIRECTORY}`;
  const removed: string[] = [];
  for (const name of listNames(own).filter(isWorkflowFile)) {
    const path = `${own}/${name}`;
    const onMount = (place: string) =>
      onLeft(`Left "${place}": something is mounted there`);
    try {
      if (await removeTree(path, { onMount })) removed.push(path);
    } catch (cause) {
      throw new RunnerError(`Cannot remove "${path}": ${osReason(cause)}`, {
        code: "workspace",
        cause,
      });
    }
  }
  await removeOurs(`${own}/${FILE}`);
  return removed;
}

/**
 * Checks whether a directory contains files of local workflows.
 *
 * @param root Absolute path of the directory.
 */
export function hasWorkflowFiles(root: string): boolean {
  return listNames(`${root}/${OWN_DIRECTORY}`).some(isWorkflowFile);
}

/** Checks whether a name in `.reactorcide` is one of local workflows. */
export function isWorkflowFile(name: string): boolean {
  return name === "workflow" || name === "exported" ||
    name.startsWith("workflow-state.json");
}

function hasOnly(directory: string, names: readonly string[]): boolean {
  return listNames(directory).every((name) => names.includes(name));
}

/**
 * Lists the names in a directory; a link or a missing directory counts as
 * empty.
 */
function listNames(directory: string): string[] {
  try {
    if (!Deno.lstatSync(directory).isDirectory) return [];
    return Array.from(Deno.readDirSync(directory), ({ name }) => name);
  } catch {
    return [];
  }
}

function isInRepository(directory: string): boolean {
  for (let path = directory; path !== ""; path = parentDirectory(path)) {
    if (pathExistsSync(`${path}/.git`)) return true;
  }
  return false;
}

function parentDirectory(path: string): string {
  return path.slice(0, path.lastIndexOf("/"));
}

/** Creates a file, unless that fails: a run also works without ignore files. */
function createFile(path: string, text: string): void {
  try {
    Deno.writeTextFileSync(path, text, { createNew: true });
  } catch {
    // The file exists, or the directory is read-only.
  }
}

function hasText(path: string, text: string): boolean {
  try {
    const { isFile, size } = Deno.lstatSync(path);
    return isFile && size === text.length &&
      Deno.readTextFileSync(path) === text;
  } catch {
    return false;
  }
}
