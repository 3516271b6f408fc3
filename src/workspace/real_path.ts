import { dirname } from "@std/path/posix/dirname";
import { join } from "@std/path/posix/join";
import { RunnerError } from "../errors.ts";
import { osReason } from "../os_reason.ts";

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
    // Deno lets nobody through who may not look: what is above a workspace,
    // say. It judges what is below by the same name.
    if (cause instanceof Deno.errors.NotCapable) return undefined;
    throw new RunnerError(`Cannot resolve "${path}": ${osReason(cause)}`, {
      code: "workspace",
      cause,
    });
  }
}
