import { RunnerError } from "./errors.ts";

/** Directory that jobs know as their workspace, wherever it really is. */
const JOB_ROOT = "/job";

/**
 * Checks whether a path is a directory or something below it, as text.
 *
 * @param directory Normalised path of the directory.
 * @param path Normalised path.
 * @returns Whether the path does not leave the directory.
 */
export function isInside(directory: string, path: string): boolean {
  return path === directory || directory === "/" ||
    path.startsWith(`${directory}/`);
}

/**
 * Returns what is wrong with the text of a path that a job is given, such as a
 * code directory.
 *
 * The path is normalised first, so `/job/../etc` does not pass, nor does `/jobs`.
 *
 * @param path Path as configured.
 * @returns The problem, worded to follow the name of the value; `undefined` if
 * there is none.
 */
export function jobPathProblem(path: string): string | undefined {
  if (path.includes("\0")) return "must not contain a NUL character";
  return isInside(JOB_ROOT, normalizePath(path))
    ? undefined
    : `must be "${JOB_ROOT}" or a path below it`;
}

/**
 * Brings the path that a job is given into its one form.
 *
 * @param path Path as configured: `/job` or below.
 * @returns The path without `.`, `..`, doubled and final slashes.
 * @throws {RunnerError} With code `workspace`, if the path leaves `/job`.
 */
export function normalizeJobPath(path: string): string {
  const problem = jobPathProblem(path);
  if (problem === undefined) return normalizePath(path);
  throw new RunnerError(`Cannot use ${JSON.stringify(path)}: ${problem}`, {
    code: "workspace",
  });
}

/**
 * Takes `.`, `..`, doubled and final slashes out of a path.
 *
 * Every job checks its paths, so this does without a library, which takes
 * longer to load than to work.
 *
 * @returns The same path in its one form.
 */
export function normalizePath(path: string): string {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return (path.startsWith("/") ? "/" : "") + parts.join("/");
}
