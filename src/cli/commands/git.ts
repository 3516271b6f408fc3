import { suggest } from "../../suggest.ts";
import type { Command, CommandContext } from "../command.ts";
import { configFlags } from "../config_flags.ts";
import { printChangedFiles, printGitInfo } from "../git_actions.ts";
import { usageError } from "../parse_arguments.ts";
import { WORK_DIR_FLAG } from "../work_dir.ts";

/** An action and how many operands it takes. */
interface ActionEntry {
  readonly operandCount: number;
  readonly run: (context: CommandContext) => Promise<void>;
}

const ACTIONS: Readonly<Record<string, ActionEntry>> = {
  "files-changed": { operandCount: 1, run: printChangedFiles },
  info: { operandCount: 0, run: printGitInfo },
};

/** The command `git`. */
export const git: Command = {
  usage: "ACTION [OPTIONS]",
  description: `Tells what is checked out in the code directory.

Actions:
  files-changed REF     List the files that HEAD has changed since it parted from
                        REF, one on each line
  info                  Tell the branch, the commit and the remotes

That nothing has changed is an empty list and exit code 0. What cannot be known,
because the directory or the revision is not there, or too little of the history
was fetched (see --fetch-depth of "checkout" and "run"), is exit code 1.`,
  flags: [
    {
      name: "null",
      short: "z",
      help: "End each file with a NUL character, and quote none",
    },
    {
      name: "direct",
      help: "Compare with REF itself, not with where HEAD parted from it",
    },
    ...configFlags(["code_dir", "job_dir", "runner_image"]),
    WORK_DIR_FLAG,
  ],
  actions: Object.keys(ACTIONS),
  maxOperands: 2,
  async run(context) {
    const { operands: [name, ...operands], parts } = context;
    const action = findAction(name);
    if (operands.length !== action.operandCount) {
      throw usageError(
        name === "info"
          ? `Unexpected argument "${operands[0]}"`
          : "A revision to compare with is required",
        "git",
      );
    }
    await action.run({ ...context, operands });
    await parts.logger.flush();
    return 0;
  },
};

function findAction(name: string | undefined): ActionEntry {
  const names = Object.keys(ACTIONS);
  if (name === undefined) {
    throw usageError(`An action is required: ${names.join(", ")}`, "git");
  }
  if (Object.hasOwn(ACTIONS, name)) return ACTIONS[name];
  const near = suggest(name, names);
  const hint = near === undefined ? "" : `; did you mean "${near}"?`;
  throw usageError(`Unknown action "${name}"${hint}`, "git");
}
