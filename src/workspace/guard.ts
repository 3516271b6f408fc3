import { dirname } from "@std/path/posix/dirname";
import { osReason, RunnerError } from "../errors.ts";
import { absolutePath, isInside } from "../job_path.ts";

/**
 * Resolves an untrusted path, and checks that it stays inside a directory after
 * following symbolic links.
 *
 * Callers must use the returned path: a link in the given path can change after
 * the check.
 *
 * @param root Absolute path of the directory; it may be a link itself.
 * @param path Path, absolute or relative to the root; its last components may
 * not exist.
 * @returns Absolute path without links.
 * @throws {RunnerError} With code `workspace`, if the path leads out of the
 * directory, has a cycle of links or cannot be read.
 */
export async function guardPath(root: string, path: string): Promise<string> {
  if (path.includes("\0")) {
    throw new RunnerError(
      `Cannot use ${JSON.stringify(path)}: it contains a NUL character`,
      { code: "workspace" },
    );
  }
  const absolute = absolutePath(path, root);
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

/** Maximum number of symbolic links that Linux follows in one path. */
export const MAX_LINK_COUNT = 40;

/**
 * Resolves the links in the directory of a path, but not in its last component,
 * where a link is treated like a file.
 *
 * @param path Absolute path.
 */
export async function realParent(path: string): Promise<string> {
  const name = path.slice(path.lastIndexOf("/") + 1);
  return `${await realPath(dirname(path))}/${name}`;
}

/**
 * Resolves a path as the kernel does, but allows its last components to be
 * missing.
 *
 * `Deno.realPath` rejects a path that does not exist, and therefore does not
 * resolve a dangling link, through which a file could be created.
 *
 * @param path Absolute path.
 * @returns Absolute path without links, `.` and `..`.
 * @throws {RunnerError} With code `workspace`, if a component cannot be read or
 * there is a cycle of links.
 */
// deno-lint-ignore require-await -- its callers may not depend on that
export async function realPath(path: string): Promise<string> {
  const known = resolveExisting(path);
  if (known !== undefined) return known;
  const pending = path.split("/").reverse();
  let reached = "/";
  let linkCount = 0;
  while (pending.length > 0) {
    const name = pending.pop()!;
    if (name === "" || name === ".") continue;
    const next = name === ".."
      ? dirname(reached)
      : `${reached === "/" ? "" : reached}/${name}`;
    const target = name === ".." ? undefined : readLinkAt(next);
    if (target === undefined) {
      reached = next;
      continue;
    }
    if (++linkCount > MAX_LINK_COUNT) {
      throw new RunnerError(
        `Cannot resolve "${path}": too many symbolic links`,
        { code: "workspace" },
      );
    }
    if (target.startsWith("/")) reached = "/";
    pending.push(...target.split("/").reverse());
  }
  return reached;
}

/** Resolves a path by one call of the system, if all of it exists. */
function resolveExisting(path: string): string | undefined {
  try {
    return Deno.realPathSync(path);
  } catch {
    // Its last components are missing, or there is a problem that the walk
    // over its components finds.
    return undefined;
  }
}

/**
 * Reads the target of a link; `undefined` for anything else. Synchronous, because
 * a call in another thread costs many times more.
 */
function readLinkAt(path: string): string | undefined {
  try {
    const { isSymlink } = Deno.lstatSync(path);
    return isSymlink ? Deno.readLinkSync(path) : undefined;
  } catch (cause) {
    // A missing component cannot lead elsewhere.
    if (cause instanceof Deno.errors.NotFound) return undefined;
    if (cause instanceof Deno.errors.NotADirectory) return undefined;
    // Deno has no permission for paths outside, such as those above a
    // workspace. For paths below it, Deno checks the same path that is
    // returned.
    if (cause instanceof Deno.errors.NotCapable) return undefined;
    throw new RunnerError(`Cannot resolve "${path}": ${osReason(cause)}`, {
      code: "workspace",
      cause,
    });
  }
}
