import type { RetryPolicy } from "../../process/retry.ts";
import { sourceError } from "../source_error.ts";

/** Options for {@linkcode gitSource}. */
export interface GitOptions {
  /**
   * Number of commits to fetch; 0 for the full history of all branches and
   * tags.
   *
   * @default {1}
   */
  depth?: number;
  /**
   * Whether to fetch the base of the job's pull request as well, and the
   * commits in between.
   *
   * @default {true}
   */
  pullRequestBase?: boolean;
  /**
   * Filter of a partial clone: `blob:none`, `blob:limit=SIZE` or `tree:DEPTH`.
   *
   * @default {everything is fetched at once}
   */
  filter?: string;
  /**
   * Directories to check out, with the files in their parent directories.
   *
   * @default {the whole tree}
   */
  sparsePaths?: readonly string[];
  /**
   * Whether to check out submodules, and optionally nested ones.
   *
   * @default {"off"}
   */
  submodules?: "off" | "on" | "recursive";
  /**
   * Whether to fetch Git LFS files.
   *
   * @default {"auto"}
   */
  lfs?: "auto" | "off";
  /**
   * Absolute path of the directory of mirrors that runs share.
   *
   * @default {no mirror is used}
   */
  mirrorDirectory?: string;
  /**
   * Number of attempts after failed connections, and their delays.
   *
   * @default {4 attempts, with delays from 1 to 10 seconds}
   */
  retry?: RetryPolicy;
}

/** Filters whose objects can be fetched later. */
const FILTER = /^(?:blob:none|blob:limit=\d+[kmg]?|tree:\d+)$/;

/**
 * Rejects values that git could misinterpret.
 *
 * @throws {RunnerError} With code `source-failed`, if the filter is unknown or
 * a path leads out of the tree.
 */
export function checkGitOptions(options: GitOptions): void {
  const { filter, sparsePaths = [] } = options;
  if (filter !== undefined && !FILTER.test(filter)) {
    throw sourceError(
      `fetch with the filter ${JSON.stringify(filter)}`,
      "it is not blob:none, blob:limit=SIZE or tree:DEPTH",
    );
  }
  for (const path of sparsePaths) {
    const problem = pathProblem(path);
    if (problem !== undefined) {
      throw sourceError(`check out the path ${JSON.stringify(path)}`, problem);
    }
  }
}

function pathProblem(path: string): string | undefined {
  if (path.startsWith("-")) return 'it starts with "-"';
  if (path.startsWith("/")) return "it is absolute";
  // deno-lint-ignore no-control-regex
  if (/[\x00-\x1f\x7f"\\]/.test(path)) {
    return "it contains a quote, a backslash or a control character";
  }
  return path.split("/").includes("..") ? 'it contains ".."' : undefined;
}
