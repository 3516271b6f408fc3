import { Variable } from "../environment/variables.ts";
import { normalizeJobPath } from "../job_path.ts";
import { printable } from "../printable.ts";
import { changedFiles } from "../source/git/queries/changed_files.ts";
import { gitInfo } from "../source/git/queries/git_info.ts";
import {
  type GitQueryOptions,
  openQuery,
} from "../source/git/queries/open_query.ts";
import type { CommandContext } from "./command.ts";
import { partsInWorkDir } from "./work_dir.ts";

/** Where a command looks for the code. */
interface CodeDirectory extends GitQueryOptions {
  /** Absolute path. */
  readonly directory: string;
  /** The same as a job knows it. */
  readonly jobPath: string;
}

/**
 * Prints the files that have changed.
 *
 * @param context What the command got to work with.
 * @throws {RunnerError} With code `source-failed`, if it cannot be known.
 */
export async function printChangedFiles(
  context: CommandContext,
): Promise<void> {
  const { operands: [base], isOn, parts: { stdout, masker } } = context;
  const isRaw = isOn("null");
  const files = await changedFiles(base, {
    ...codeDirectory(context),
    mergeBase: !isOn("direct"),
  });
  const text = files.map((file) => isRaw ? `${file}\0` : `${quoted(file)}\n`)
    .join("");
  await stdout.write(new TextEncoder().encode(masker.maskText(text)));
}

/**
 * Prints what is checked out.
 *
 * @param context What the command got to work with.
 * @throws {RunnerError} With code `source-failed`, if there is no repository.
 */
export async function printGitInfo(context: CommandContext): Promise<void> {
  const place = codeDirectory(context);
  using query = await openQuery(place);
  const { branch, commit, isClean, remotes } = await gitInfo(place);
  const state = isClean === null ? "unknown" : isClean ? "clean" : "dirty";
  const lines = [
    `Code directory: ${query.path}`,
    `Container path: ${place.jobPath}`,
    `Branch: ${branch ?? "detached HEAD"}`,
    `Commit: ${commit?.slice(0, 8) ?? "none"}`,
    `Status: ${state}`,
    `Remotes: ${remotes?.join(", ") || "none"}`,
  ];
  await context.print(lines.map(printable).join("\n"));
}

/** A job is told where its code really is, outside a container as well. */
function codeDirectory(context: CommandContext): CodeDirectory {
  const { workspace, host: { env } } = partsInWorkDir(context);
  const given = context.flags.get("code-dir");
  const told = env[Variable.codeDir] || "/job/src";
  const isReal = given === undefined && !/^\/job(?:\/|$)/.test(told);
  if (isReal) return { directory: told, jobPath: told, env };
  const jobPath = normalizeJobPath(typeof given === "string" ? given : told);
  return { directory: workspace.pathOf(jobPath), jobPath, env };
}

/** As git does: what would not stay on its line is written as in C. */
function quoted(path: string): string {
  // deno-lint-ignore no-control-regex
  if (!/[\x00-\x1f\x7f-\x9f"\\]/.test(path)) return path;
  const escaped = path.replace(/["\\]/g, "\\$&")
    // deno-lint-ignore no-control-regex
    .replace(/[\x00-\x1f\x7f-\x9f]/g, (character) => {
      const octal = character.charCodeAt(0).toString(8).padStart(3, "0");
      return { "\n": "\\n", "\t": "\\t" }[character] ?? `\\${octal}`;
    });
  return `"${escaped}"`;
}
