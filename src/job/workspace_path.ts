import { normalizePath } from "../job_path.ts";
import type { RunnerParts } from "./runner_parts.ts";

/**
 * Finds the real place of a path that a variable gives.
 *
 * @param parts What the runner owns.
 * @param path Absolute path; `/job` and what is below stand for the workspace.
 * @returns Absolute path.
 */
export function workspacePath(
  { workspace, host }: RunnerParts,
  path: string,
): string {
  const absolute = path.startsWith("/") ? path : `${host.cwd}/${path}`;
  return /^\/job(\/|$)/.test(normalizePath(absolute))
    ? workspace.pathOf(absolute)
    : absolute;
}
