import { readOptions } from "../../config/load_config.ts";
import { Variable } from "../../environment/variables.ts";
import { isInside } from "../../job_path.ts";
import { quotePath } from "../../source/git/git_config.ts";
import { gitInfo } from "../../source/git/queries/git_info.ts";
import {
  type GitQueryOptions,
  openQuery,
} from "../../source/git/queries/open_query.ts";
import { changedFiles } from "../../source/git/queries/git_queries.ts";
import { printable } from "../../terminal/text.ts";
import { findAction } from "../actions.ts";
import type { CliCommand, CommandContext } from "../command.ts";
import { configFlags, flagsLayer, ignoredFlags } from "../config_flags.ts";
import { runnerInWorkDir, WORK_DIR_FLAG } from "../job_location.ts";
import { usageError } from "../parse_arguments.ts";

/** An action and its number of operands. */
interface ActionEntry {
  readonly operandCount: number;
  readonly run: (context: CommandContext) => Promise<void>;
}

const ACTIONS: Readonly<Record<string, ActionEntry>> = {
  "files-changed": { operandCount: 1, run: printChangedFiles },
  info: { operandCount: 0, run: printGitInfo },
};

export const gitCommand: CliCommand = {
  usage: "ACTION [OPTIONS]",
  description: `Shows what is checked out in the code directory.

Actions:
  files-changed REF     List the files that HEAD changed since the merge base with
                        REF, one per line
  info                  Show the branch, the commit and the remotes

If nothing has changed, prints nothing and exits with 0. Exits with 1 if the
directory or the revision does not exist, or if too little of the history was
fetched (see --fetch-depth of "checkout" and "run").`,
  examples: [
    ["git files-changed main", "List the files that a branch changed"],
    ["git info", "Show the branch and the commit"],
  ],
  flags: [
    {
      name: "null",
      short: "z",
      help: "End each path with a NUL character instead of quoting it",
    },
    {
      name: "direct",
      help: "Compare with REF itself instead of the merge base",
    },
    ...configFlags(["code_dir", "job_dir"]),
    ...ignoredFlags(),
    WORK_DIR_FLAG,
  ],
  actions: Object.keys(ACTIONS),
  maxOperands: 2,
  async run(context) {
    const { operands: [name, ...operands], runner } = context;
    const action = findAction(ACTIONS, name, { command: "git" });
    if (operands.length !== action.operandCount) {
      throw usageError(
        name === "info"
          ? `Unexpected argument "${operands[0]}"`
          : "A revision to compare with is required",
        "git",
      );
    }
    await action.run({ ...context, operands });
    await runner.logger.flush();
    return 0;
  },
};

/** Code directory of a command. */
interface CodeDirectory extends GitQueryOptions {
  /** Absolute path. */
  readonly directory: string;
  /** Path of the directory inside a job. */
  readonly jobPath: string;
}

/**
 * Prints the changed files.
 *
 * @throws {RunnerError} `source-failed` if they cannot be determined.
 */
async function printChangedFiles(
  context: CommandContext,
): Promise<void> {
  const { operands: [base], isOn, runner: { stdout, masker } } = context;
  const isRaw = isOn("null");
  const files = await changedFiles(base, {
    ...findCodeDirectory(context),
    mergeBase: !isOn("direct"),
  });
  const text = files.map((file) =>
    isRaw ? `${file}\0` : `${quoteIfNeeded(file)}\n`
  )
    .join("");
  await stdout.write(new TextEncoder().encode(masker.maskText(text)));
}

/**
 * Prints the branch, commit and state of the checkout.
 *
 * @throws {RunnerError} `source-failed` if no repository is found.
 */
async function printGitInfo(context: CommandContext): Promise<void> {
  const place = findCodeDirectory(context);
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

/** Finds the code directory. Inside a job, a variable contains its real path. */
function findCodeDirectory(context: CommandContext): CodeDirectory {
  const { workspace, host } = runnerInWorkDir(context);
  const { env } = host;
  const layer = flagsLayer(context);
  const real = env[Variable.codeDir] ?? "";
  if (layer.code_dir === undefined && real !== "" && !isInside("/job", real)) {
    return { directory: real, jobPath: real, env };
  }
  const { code_dir: jobPath } = readOptions(host, ["code_dir"], layer);
  return { directory: workspace.pathOf(jobPath), jobPath, env };
}

/** Quotes a path that would break its line, as git does. */
function quoteIfNeeded(path: string): string {
  // deno-lint-ignore no-control-regex
  return /[\x00-\x1f\x7f-\x9f"\\]/.test(path) ? quotePath(path) : path;
}
