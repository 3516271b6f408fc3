import { join } from "@std/path/posix/join";
import { resolve } from "@std/path/posix/resolve";
import { messageOf, type RunnerError } from "../errors.ts";
import { isInside } from "../job_path.ts";
import { pathReason } from "../fs/byte_names.ts";
import { realPath } from "../workspace/guard.ts";
import { decodedPath } from "./client.ts";
import { copyTree } from "./copy_tree.ts";
import { sourceError } from "./source_error.ts";
import type { FillDirectory, SourceContext } from "./source_request.ts";

/**
 * Validates a directory as a source. Nothing is copied yet.
 *
 * A workspace inside the source is left out. If the source is inside the
 * workspace, so are the target and the runner's own files, which may contain
 * credentials.
 *
 * @param url `file:` URL or path, absolute or relative to the current
 * directory.
 * @param target Absolute path of the copy, without symbolic links.
 * @param ignore `.gitignore` patterns of files that are not copied.
 * @returns Function that copies the directory.
 * @throws {RunnerError} With code `source-failed`, if the directory does not
 * exist or is inside the target. The returned function throws the same if
 * something cannot be copied.
 */
export async function copySource(
  url: string,
  target: string,
  ignore: readonly string[],
  context: SourceContext,
): Promise<FillDirectory> {
  const { workspace, cwd, log, cancellation } = context;
  const source = await directoryOf(url, cwd);
  if (isInside(target, source)) {
    throw failure(url, `it is in "${target}", which would be replaced`);
  }
  const base = await realPath(workspace.base);
  const holdsWorkspace = base !== source && isInside(source, base);
  const isIgnored = ignore.length === 0 ? undefined : await ignored(ignore);
  return async () => {
    log.info("source", "Copying", { from: source });
    await copyTree(source, target, {
      isIgnored,
      leaveOut: holdsWorkspace ? [base] : [target, join(base, ".reactorcide")],
      onSpecialFile: (path) =>
        log.warn(
          "source",
          "Skipped a file that is not a regular file, directory or link",
          {
            path,
          },
        ),
      signal: cancellation.graceful,
    });
    return undefined;
  };
}

/** Loads the library only if there are patterns. */
async function ignored(
  patterns: readonly string[],
): Promise<(path: string) => boolean> {
  const { default: ignore } = await import("ignore");
  const rules = ignore().add(patterns);
  return (path) => rules.ignores(path);
}

async function directoryOf(url: string, cwd: string): Promise<string> {
  const path = resolve(cwd, pathOf(url));
  let directory: string;
  let isDirectory: boolean;
  try {
    directory = await Deno.realPath(path);
    ({ isDirectory } = await Deno.stat(directory));
  } catch (cause) {
    throw failure(url, pathReason(path, cause), cause);
  }
  if (!isDirectory) throw failure(url, "it is not a directory");
  return directory;
}

function pathOf(url: string): string {
  if (url.includes("\0")) throw failure(url, "it contains a NUL character");
  if (!url.startsWith("file://")) return url;
  try {
    const parsed = new URL(url);
    if (parsed.host !== "") throw new TypeError("its URL names another host");
    return decodedPath(parsed);
  } catch (cause) {
    throw failure(url, messageOf(cause), cause);
  }
}

function failure(url: string, reason: string, cause?: unknown): RunnerError {
  return sourceError(`copy ${JSON.stringify(url)}`, reason, cause);
}
