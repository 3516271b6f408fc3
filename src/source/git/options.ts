import type { RetryPolicy } from "../../process/retry.ts";
import { sourceError } from "../source_error.ts";

/** Options for {@linkcode gitSource}. */
export interface GitOptions {
  /**
   * Commits of history that are fetched; 0 for all of every branch and tag.
   *
   * @default {1}
   */
  depth?: number;
  /**
   * Whether the base of the job's pull request is fetched as well, and what lies
   * between.
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
   * Directories that are checked out, beside the files around them.
   *
   * @default {the whole tree}
   */
  sparsePaths?: readonly string[];
  /**
   * Whether submodules are checked out, and those of submodules as well.
   *
   * @default {"off"}
   */
  submodules?: "off" | "on" | "recursive";
  /**
   * Whether files in Git LFS are fetched.
   *
   * @default {"auto"}
   */
  lfs?: "auto" | "off";
  /**
   * Absolute path of the directory with the repositories that runs share.
   *
   * @default {nothing is shared}
   */
  mirrorDirectory?: string;
  /**
   * How often a failed connection is retried, and after which pauses.
   *
   * @default {4 attempts, with pauses from 1_000 to 10_000}
   */
  retry?: RetryPolicy;
}

/** Filters that leave out what can be fetched later. */
const FILTER = /^(?:blob:none|blob:limit=\d+[kmg]?|tree:\d+)$/;

/**
 * Validates options that git could take for something else.
 *
 * @param options Options.
 * @throws {RunnerError} With code `source-failed`, if the filter is unknown or a
 * path leads out of the tree.
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
