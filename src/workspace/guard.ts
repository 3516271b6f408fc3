import { dirname } from "@std/path/posix/dirname";
import { join } from "@std/path/posix/join";
import { osReason, RunnerError } from "../errors.ts";
import { isInside } from "../job_path.ts";

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

/** As many symbolic links as Linux follows in one path. */
const LINK_LIMIT = 40;

/**
 * Finds where a path leads, as the kernel would walk it, but lets the end of
 * it be missing.
 *
 * `Deno.realPath` refuses a path that does not exist, and so says nothing of
 * a dangling link, through which a file would yet be created.
 *
 * @param path Absolute path.
 * @returns Absolute path without links, `.` and `..`.
 * @throws {RunnerError} With code `workspace`, if a component cannot be read
 * or the links go round in circles.
 */
export async function realPath(path: string): Promise<string> {
  const pending = path.split("/").reverse();
  let reached = "/";
  let linkCount = 0;
  while (pending.length > 0) {
    const name = pending.pop()!;
    if (name === "" || name === ".") continue;
    const next = name === ".." ? dirname(reached) : join(reached, name);
    const target = name === ".." ? undefined : await linkTarget(next);
    if (target === undefined) {
      reached = next;
      continue;
    }
    if (++linkCount > LINK_LIMIT) {
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

async function linkTarget(path: string): Promise<string | undefined> {
  try {
    const { isSymlink } = await Deno.lstat(path);
    return isSymlink ? await Deno.readLink(path) : undefined;
  } catch (cause) {
    // What does not exist cannot lead elsewhere.
    if (cause instanceof Deno.errors.NotFound) return undefined;
    if (cause instanceof Deno.errors.NotADirectory) return undefined;
    // Deno refuses to follow what it may not read: what is above a workspace,
    // say. It checks what is below by the same name.
    if (cause instanceof Deno.errors.NotCapable) return undefined;
    throw new RunnerError(`Cannot resolve "${path}": ${osReason(cause)}`, {
      code: "workspace",
      cause,
    });
  }
}
