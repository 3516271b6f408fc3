import { join } from "@std/path/posix/join";
import { guardPath } from "../workspace/guard.ts";
import type { ArtifactFile } from "./artifact_manifest.ts";

/**
 * Checks that no link of an artifact leads out of its directory, directly or
 * through other links, and that no link leads to itself.
 *
 * @param directory Absolute path of the directory, without links.
 * @param onProblem Called with the path of the first invalid link.
 * @throws {RunnerError} `workspace` for the first invalid link.
 */
export async function checkLinks(
  files: readonly ArtifactFile[],
  directory: string,
  onProblem: (path: string) => Promise<void> = () => Promise.resolve(),
): Promise<void> {
  for (const { path, type, target } of files) {
    // Deno cannot open a path that is not UTF-8. If the path contains no links,
    // the target was checked when it was packed or unpacked.
    if (type !== "link" || !path.isWellFormed() || !target?.isWellFormed()) {
      continue;
    }
    try {
      await guardPath(directory, join(directory, path));
    } catch (error) {
      await onProblem(path);
      throw error;
    }
  }
}
