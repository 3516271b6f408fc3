import { RunnerError } from "../errors.ts";
import type { TemporaryPlace } from "../fs/temporary_directory.ts";
import type { Command } from "../process/spawn.ts";

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
function findShell(words: readonly string[]): Shell | undefined {
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
function takesFile(words: readonly string[]): boolean {
  return words.some((word) => word.includes(FILE));
}

/**
 * Returns the command that runs a script file.
 *
 * @param words Program and arguments of the shell.
 * @param file Absolute path of the file.
 */
function buildFileCommand(
  words: readonly string[],
  file: string,
): readonly string[] {
  if (takesFile(words)) {
    return words.map((word) => word.replaceAll(FILE, () => file));
  }
  return [...removeTextOption(words), file];
}

/**
 * Returns the command that runs a script without a file, as in a container.
 *
 * @param words The name of a built-in shell, or a program and its arguments.
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
function removeTextOption(words: readonly string[]): readonly string[] {
  const [, rest] = /^-([A-Za-z]*)[ce]$/.exec(words.at(-1)!) ?? [];
  if (words.length === 1 || rest === undefined) return words;
  return [...words.slice(0, -1), ...rest === "" ? [] : [`-${rest}`]];
}

/** Maximum size of a script passed as an argument, in bytes. Linux allows 131,071. */
const MAX_ARGUMENT_BYTES = 128_000;

/** A command that can be started; disposing of it removes its script file. */
export interface PassableCommand extends Disposable {
  /** Shell command, or a program and its arguments. */
  readonly command: Command;
}

/** Options for {@linkcode passableCommand}. */
export interface PassableCommandOptions {
  /** Where the script file is created. */
  temporaryPlace: TemporaryPlace;
  /**
   * Name of a built-in shell, or a program and its arguments.
   *
   * @default {`/bin/sh`}
   */
  shell?: readonly string[];
}

/**
 * Writes a script to a private file if its shell requires one, or if the script
 * is too long for an argument.
 *
 * @returns The command to start; dispose it after the command has ended.
 */
export async function passableCommand(
  command: Command,
  options: PassableCommandOptions,
): Promise<PassableCommand> {
  if (typeof command !== "string") return wrapCommand(command);
  const shell = options.shell && findShell(options.shell);
  const { words, extension = "", prefix = "", suffix = "" } = shell ?? {};
  if (!isTooLong(command) && !(words && takesFile(words))) {
    return wrapCommand(words === undefined ? command : [...words, command]);
  }
  const { temporaryDirectory } = await import("../fs/temporary_directory.ts");
  using directory = new DisposableStack();
  const { path } = directory.use(temporaryDirectory(options.temporaryPlace));
  const file = `${path}/script${extension}`;
  await Deno.writeTextFile(file, `${prefix}${command}${suffix}`, {
    mode: 0o600,
    createNew: true,
  });
  const kept = directory.move();
  return {
    command: words === undefined
      ? `. '${file.replaceAll("'", "'\\''")}'`
      : buildFileCommand(words, file),
    [Symbol.dispose]: () => kept.dispose(),
  };
}

function isTooLong(text: string): boolean {
  return text.length * 3 > MAX_ARGUMENT_BYTES &&
    new TextEncoder().encode(text).length > MAX_ARGUMENT_BYTES;
}

function wrapCommand(command: Command): PassableCommand {
  return { command, [Symbol.dispose]() {} };
}
