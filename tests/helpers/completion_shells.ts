import { cliEnv, REPOSITORY } from "./cli.ts";

/** A shell that completes command lines. */
export interface CompletionShell {
  /** Name of the shell, and of the program. */
  readonly name: string;
  /** Program and arguments; the script is `$1`, the line `$2`. */
  readonly command: readonly string[];
}

/** Shells with the scripts that drive their completion. */
export const COMPLETION_SHELLS: readonly CompletionShell[] = [
  {
    name: "bash",
    command: [
      "bash",
      "--norc",
      `${REPOSITORY}/tests/fixtures/completions/bash.sh`,
    ],
  },
  {
    name: "zsh",
    command: ["zsh", "-f", `${REPOSITORY}/tests/fixtures/completions/zsh.sh`],
  },
  {
    name: "fish",
    command: [
      "fish",
      "--no-config",
      `${REPOSITORY}/tests/fixtures/completions/fish.sh`,
    ],
  },
];

/**
 * Completes a line in a shell.
 *
 * @param shell Shell.
 * @param script Path of the script with the completions.
 * @param line Text that has been typed.
 * @param cwd Directory in which it was typed.
 * @param env Variables in addition to those that every run needs.
 * @returns Offered words; for zsh, the completed line.
 */
export async function complete(
  shell: CompletionShell,
  script: string,
  line: string,
  cwd: string,
  env: Record<string, string> = {},
): Promise<string[]> {
  const [program, ...args] = shell.command;
  const { stdout, stderr } = await new Deno.Command(program, {
    args: [...args, script, line],
    cwd,
    clearEnv: true,
    env: { ...cliEnv(), HOME: cwd, TERM: "dumb", ...env },
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  const words = decoder.decode(stdout).split("\n").filter((word) =>
    word !== ""
  );
  const complaint = decoder.decode(stderr);
  if (complaint !== "") throw new Error(`${shell.name}: ${complaint}`);
  return words;
}
