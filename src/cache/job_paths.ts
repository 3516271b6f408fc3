import { isInside, normalizePath } from "../job_path.ts";
import { realPath } from "../workspace/guard.ts";
import { savedPathProblem } from "./cache_entry.ts";

/**
 * Returns the directory to which saved paths are relative: the workspace in a
 * job, and the current directory elsewhere.
 *
 * @param cwd Absolute path of the current directory.
 * @param base Absolute path of the workspace.
 */
export async function cacheRoot(cwd: string, base: string): Promise<string> {
  const [current, root] = await Promise.all([realPath(cwd), realPath(base)]);
  return isInside(root, current) ? root : current;
}

/**
 * Returns paths relative to the directory of the job.
 *
 * @param root That directory, without links.
 * @param cwd Absolute path of the directory to which the paths are relative.
 * @param createError Creates the error of a path that cannot be saved.
 */
export async function pathsBelow(
  root: string,
  cwd: string,
  paths: readonly string[],
  createError: (message: string) => Error,
): Promise<string[]> {
  const current = await realPath(cwd);
  const relative = paths.map((path) => {
    const absolute = normalizePath(
      path.startsWith("/") ? path : `${current}/${path}`,
    );
    const problem = !isInside(root, absolute)
      ? "is outside the directory of the job"
      : savedPathProblem(absolute.slice(root.length + 1));
    if (problem === undefined) return absolute.slice(root.length + 1);
    throw createError(
      `Path ${JSON.stringify(path)} cannot be saved: it ${problem}`,
    );
  });
  for (const path of relative) {
    const parents = relative.filter((other) =>
      `${path}/`.startsWith(`${other}/`)
    );
    if (parents.length > 1) {
      throw createError(`Path "${path}" is in another path`);
    }
  }
  return relative;
}
