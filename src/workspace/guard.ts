import { RunnerError } from "../errors.ts";
import { isInside } from "../job_path.ts";
import { realPath } from "./real_path.ts";

/**
 * Follows a path from outside and makes sure that it stays in a directory,
 * also behind symbolic links.
 *
 * What follows must use the returned path: the given one may be led elsewhere
 * by a link that is changed meanwhile.
 *
 * @param root Absolute path of the directory; it may be a link itself.
 * @param path Path, absolute or relative to the root; its end may be missing.
 * @returns Where the path really leads.
 * @throws {RunnerError} With code `workspace`, if the path leads out, goes round
 * in circles or cannot be followed.
 */
export async function guardPath(root: string, path: string): Promise<string> {
  if (path.includes("\0")) {
    throw new RunnerError(
      `Cannot use ${JSON.stringify(path)}: it contains a NUL character`,
      { code: "workspace" },
    );
  }
  const absolute = path.startsWith("/") ? path : `${root}/${path}`;
  const [realRoot, real] = await Promise.all([
    realPath(root),
    realPath(absolute),
  ]);
  if (isInside(realRoot, real)) return real;
  throw new RunnerError(
    `Cannot use "${path}": it leads to "${real}", outside "${root}"`,
    { code: "workspace" },
  );
}
