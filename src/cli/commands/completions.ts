import type { CliCommand } from "../command.ts";
import { bashCompletions } from "../completions/bash.ts";
import { fishCompletions } from "../completions/fish.ts";
import { zshCompletions } from "../completions/zsh.ts";
import { usageError } from "../parse_arguments.ts";

const SHELLS = {
  bash: bashCompletions,
  zsh: zshCompletions,
  fish: fishCompletions,
} as const;

export const completionsCommand: CliCommand = {
  usage: "SHELL [OPTIONS]",
  description:
    `Prints a script that makes a shell complete commands, options, values, and the
names of steps, jobs and workflows.

Shells, and how to load the script:
  bash  eval "$(runnerlib completions bash)" in ~/.bashrc
  zsh   eval "$(runnerlib completions zsh)" in ~/.zshrc, after compinit
  fish  runnerlib completions fish > ~/.config/fish/completions/runnerlib.fish`,
  examples: [
    ["completions bash", "Print the script for bash"],
    [
      "completions fish > ~/.config/fish/completions/runnerlib.fish",
      "Install the script for fish",
    ],
  ],
  flags: [],
  actions: Object.keys(SHELLS),
  maxOperands: 2,
  takesRest: true,
  async run(context) {
    const { operands: [shell, kind = ""], rest, print, catalog } = context;
    // The scripts call this with the words of the typed line.
    if (shell === "names") {
      const { completedNames } = await import("../completions/names.ts");
      for (const name of await completedNames(context, kind, rest ?? [])) {
        await print(name);
      }
      return 0;
    }
    const names = Object.keys(SHELLS).join(", ");
    if (shell === undefined) {
      throw usageError(`A shell is required: ${names}`, "completions");
    }
    if (!isShell(shell)) {
      throw usageError(
        `The shell must be one of ${names}, not "${shell}"`,
        "completions",
      );
    }
    await print(SHELLS[shell](await catalog.load()));
    return 0;
  },
};

function isShell(text: string): text is keyof typeof SHELLS {
  return Object.hasOwn(SHELLS, text);
}
