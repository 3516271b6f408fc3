import { RunnerError } from "../errors.ts";

/** How a shell runs the script of a step. */
export interface Shell {
  /**
   * Program and arguments. `{}` is replaced by the path of a script file;
   * without it, the script is passed as the last argument.
   */
  readonly words: readonly string[];
  /** Extension of the script file; some programs detect the language by it. */
  readonly extension: string;
  /** Code that precedes the script on its first line. */
  readonly prefix: string;
  /** Lines that follow the script. */
  readonly suffix: string;
  /** Program and arguments that take the script as their last argument. */
  readonly inline?: readonly string[];
  /** Program and arguments of an interactive shell. */
  readonly interactive?: readonly string[];
}

/** Placeholder for the path of the script file. */
const FILE = "{}";

const PLAIN = { extension: "", prefix: "", suffix: "" };

/** Built-in shells. All of them stop at the first error. */
const NAMED: Readonly<Record<string, Shell>> = {
  bash: {
    ...PLAIN,
    words: ["bash", "-eo", "pipefail", "-c"],
    // The user's own settings would change the environment of the step.
    interactive: ["bash", "--norc", "-i"],
  },
  python: {
    ...PLAIN,
    words: ["python3", FILE],
    inline: ["python3", "-c"],
    interactive: ["python3", "-i"],
    extension: ".py",
  },
  pwsh: {
    interactive: ["pwsh", "-NoProfile", "-NoLogo"],
    inline: ["pwsh", "-NoProfile", "-NonInteractive", "-Command"],
    words: ["pwsh", "-NoProfile", "-NonInteractive", "-File", FILE],
    extension: ".ps1",
    // PowerShell 7.4 and later also stop when a program fails.
    prefix:
      "$ErrorActionPreference = 'Stop'; $PSNativeCommandUseErrorActionPreference = $true; ",
    suffix:
      "\nif (Test-Path -LiteralPath variable:LASTEXITCODE) { exit $LASTEXITCODE }\n",
  },
  deno: {
    ...PLAIN,
    words: ["deno", "run", "--quiet", "--no-prompt", "--allow-all", FILE],
    inline: ["deno", "eval", "--quiet", "--ext=ts"],
    interactive: ["deno", "repl", "--quiet", "--allow-all"],
    extension: ".ts",
  },
};

/**
 * Resolves a shell.
 *
 * @param words The name of a built-in shell, or a program and its arguments.
 * @returns The shell; `undefined` for `sh`, which runs `/bin/sh -e`.
 */
export function findShell(words: readonly string[]): Shell | undefined {
  const [first, ...rest] = words;
  if (rest.length > 0) return { ...PLAIN, words };
  if (first === "sh") return undefined;
  if (Object.hasOwn(NAMED, first)) return NAMED[first];
  return { ...PLAIN, words: takesFile(words) ? words : [first, "-c"] };
}

/**
 * Returns the command of an interactive shell for a step.
 *
 * @param words The name of a built-in shell, or a program and its arguments;
 * any other program is replaced by `/bin/sh`.
 */
export function interactiveCommand(
  words: readonly string[] = ["sh"],
): readonly string[] {
  return findShell(words)?.interactive ?? ["/bin/sh", "-i"];
}

/** Checks whether a shell reads its script from a file. */
export function takesFile(words: readonly string[]): boolean {
  return words.some((word) => word.includes(FILE));
}

/**
 * Returns the command that runs a script file.
 *
 * @param words Program and arguments of the shell.
 * @param file Absolute path of the file.
 */
export function fileCommand(
  words: readonly string[],
  file: string,
): readonly string[] {
  if (takesFile(words)) {
    return words.map((word) => word.replaceAll(FILE, () => file));
  }
  return [...withoutTextOption(words), file];
}

/**
 * Returns the command that runs a script without a file, as in a container.
 *
 * @param words The name of a built-in shell, or a program and its arguments.
 * @param text The script.
 * @throws {RunnerError} `invalid-config` if the shell needs a script file.
 */
export function inlineCommand(
  words: readonly string[],
  text: string,
): readonly string[] {
  const shell = findShell(words);
  if (shell === undefined) return ["/bin/sh", "-e", "-c", text];
  const { inline = shell.words, prefix, suffix } = shell;
  if (!takesFile(inline)) return [...inline, `${prefix}${text}${suffix}`];
  throw new RunnerError(
    `Cannot use shell ${
      JSON.stringify(words.join(" "))
    } in a container: it reads a script file, which the container does not have`,
    { code: "invalid-config" },
  );
}

/** `bash -euc TEXT` becomes `bash -eu FILE`; `perl -e TEXT` becomes `perl FILE`. */
function withoutTextOption(words: readonly string[]): readonly string[] {
  const [, rest] = /^-([A-Za-z]*)[ce]$/.exec(words.at(-1)!) ?? [];
  if (words.length === 1 || rest === undefined) return words;
  return [...words.slice(0, -1), ...rest === "" ? [] : [`-${rest}`]];
}
