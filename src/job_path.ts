import { RunnerError } from "./errors.ts";

/** Directory of the trusted CI source, as the job sees it. */
export const CI_DIRECTORY = "/job/ci";

/**
 * Directory of the definitions in a repository, and of the runner's own files in
 * a workspace.
 */
export const OWN_DIRECTORY = ".reactorcide";

/** Path of the workspace as jobs see it. */
const JOB_ROOT = "/job";

/**
 * Checks whether a path is a directory or below it, by text alone.
 *
 * @param directory Normalized path of the directory.
 * @param path Normalized path.
 */
export function isInside(directory: string, path: string): boolean {
  return path === directory || directory === "/" ||
    path.startsWith(`${directory}/`);
}

/**
 * Returns the problem of a path in the workspace of a job, such as a code
 * directory.
 *
 * The path is normalized first, so that neither `/job/../etc` nor `/jobs` is
 * valid.
 *
 * @param path Path as configured.
 * @returns The problem, phrased to follow the name of the value; `undefined` if
 * there is none.
 */
export function jobPathProblem(path: string): string | undefined {
  if (path.includes("\0")) return "must not contain a NUL character";
  return isInside(JOB_ROOT, normalizePath(path))
    ? undefined
    : `must be "${JOB_ROOT}" or a path below it`;
}

/**
 * Normalizes a path in the workspace of a job.
 *
 * @param path Path as configured: `/job` or below.
 * @returns The path without `.`, `..`, doubled and final slashes.
 * @throws {RunnerError} `workspace` if the path leaves `/job`.
 */
export function normalizeJobPath(path: string): string {
  const problem = jobPathProblem(path);
  if (problem === undefined) return normalizePath(path);
  throw new RunnerError(`Cannot use ${JSON.stringify(path)}: ${problem}`, {
    code: "workspace",
  });
}

/**
 * Removes `.`, `..`, repeated and trailing slashes from a path.
 *
 * Since every job checks its paths, this uses no library, which would take
 * longer to load than to run.
 */
export function normalizePath(path: string): string {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return (path.startsWith("/") ? "/" : "") + parts.join("/");
}

/** Returns a path as an absolute one; a relative path is below the directory. */
export function absolutePath(path: string, directory: string): string {
  return path.startsWith("/") ? path : `${directory}/${path}`;
}

/**
 * Formats a path for display: relative to the current directory if it is below
 * it.
 */
export function shownPath(path: string, cwd: string): string {
  const prefix = cwd.endsWith("/") ? cwd : `${cwd}/`;
  const isBelow = path.length > prefix.length && path.startsWith(prefix);
  return isBelow ? path.slice(prefix.length) : path;
}

/**
 * Drops paths below others.
 *
 * @param paths Normalized paths, all absolute or all relative; `""` contains all
 * relative ones.
 * @returns The remaining paths, each once and sorted.
 */
export function dropNested(paths: readonly string[]): string[] {
  const unique = new Set(paths);
  return [...unique].toSorted().filter((path) => {
    for (let around = path; around !== "" && around !== "/";) {
      const slash = around.lastIndexOf("/");
      around = slash === 0 ? "/" : around.slice(0, Math.max(slash, 0));
      if (unique.has(around)) return false;
    }
    return true;
  });
}
