import { RunnerError } from "../errors.ts";

/** How a shell runs the text of a step. */
export interface Shell {
  /**
   * Program and arguments. `{}` stands for the path of a file with the text;
   * without it, the text is the last argument.
   */
  readonly words: readonly string[];
  /** Extension of the file, by which some programs recognize the language. */
  readonly extension: string;
  /** Text in front of the script, on its first line. */
  readonly prefix: string;
  /** Lines behind the script. */
  readonly suffix: string;
  /** Program and arguments that take the text as their last argument. */
  readonly inline?: readonly string[];
}

/** Stands for the path of the script file in the words of a shell. */
const FILE = "{}";

const PLAIN = { extension: "", prefix: "", suffix: "" };

/** Shells with a name. All of them stop at the first error. */
const NAMED: Readonly<Record<string, Shell>> = {
  bash: { ...PLAIN, words: ["bash", "-eo", "pipefail", "-c"] },
  python: {
    ...PLAIN,
    words: ["python3", FILE],
    inline: ["python3", "-c"],
    extension: ".py",
  },
  pwsh: {
    inline: ["pwsh", "-NoProfile", "-NonInteractive", "-Command"],
    words: ["pwsh", "-NoProfile", "-NonInteractive", "-File", FILE],
    extension: ".ps1",
    // PowerShell 7.4 also stops at programs that fail.
    prefix:
      "$ErrorActionPreference = 'Stop'; $PSNativeCommandUseErrorActionPreference = $true; ",
    suffix:
      "\nif (Test-Path -LiteralPath variable:LASTEXITCODE) { exit $LASTEXITCODE }\n",
  },
  deno: {
    ...PLAIN,
    words: ["deno", "run", "--quiet", "--no-prompt", "--allow-all", FILE],
    inline: ["deno", "eval", "--quiet", "--ext=ts"],
    extension: ".ts",
  },
};

/** Names of the shells that are known. */
export const SHELL_NAMES: readonly string[] = ["sh", ...Object.keys(NAMED)];

/**
 * Finds how a shell runs text.
 *
 * @param words A known name alone, or a program and its arguments.
 * @returns The shell; `undefined` for `sh`, which is `/bin/sh -e`.
 */
export function findShell(words: readonly string[]): Shell | undefined {
  const [first, ...rest] = words;
  if (rest.length > 0) return { ...PLAIN, words };
  if (first === "sh") return undefined;
  if (Object.hasOwn(NAMED, first)) return NAMED[first];
  return { ...PLAIN, words: takesFile(words) ? words : [first, "-c"] };
}

/** Checks whether a shell gets its text from a file. */
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
 * Returns the command that runs a text elsewhere, such as in a container, where
 * no script file is written.
 *
 * @param words Words of the shell.
 * @param text The text.
 * @throws {RunnerError} `invalid-config`, if the shell needs a file.
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

/** `bash -euc TEXT` is `bash -eu FILE`, and `perl -e TEXT` is `perl FILE`. */
function withoutTextOption(words: readonly string[]): readonly string[] {
  const [, rest] = /^-([A-Za-z]*)[ce]$/.exec(words.at(-1)!) ?? [];
  if (words.length === 1 || rest === undefined) return words;
  return [...words.slice(0, -1), ...rest === "" ? [] : [`-${rest}`]];
}
