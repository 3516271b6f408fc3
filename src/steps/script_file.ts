import type { Command } from "../process/spawn.ts";
import type { TemporaryPlace } from "../workspace/temporary.ts";

/** Maximum length of a text passed as an argument, in bytes; Linux allows 131,071. */
const MAX_ARGUMENT_BYTES = 128_000;

/** A command whose arguments fit; disposing removes its script file. */
export interface PassableCommand extends Disposable {
  /** Text for the shell, or a program and its arguments. */
  readonly command: Command;
}

/** Options for {@linkcode passableCommand}. */
export interface PassableCommandOptions {
  /** Where the file is created. */
  temporaryPlace: TemporaryPlace;
  /**
   * Program, with arguments, that runs a text.
   *
   * @default {`/bin/sh`}
   */
  shell?: readonly string[];
}

/**
 * Writes the text of a command to a private file if it is too long for an
 * argument.
 *
 * @param command The command.
 * @param options Additional options.
 * @returns The command to start; dispose of it when that has ended.
 */
export async function passableCommand(
  command: Command,
  options: PassableCommandOptions,
): Promise<PassableCommand> {
  const { shell, temporaryPlace } = options;
  if (typeof command !== "string") return asIs(command);
  if (!isTooLong(command)) {
    if (shell === undefined) return asIs(command);
    const [program] = shell;
    return asIs(
      shell.length === 1 ? [program, "-c", command] : [...shell, command],
    );
  }
  const { temporaryDirectory } = await import("../workspace/temporary.ts");
  using directory = new DisposableStack();
  const { path } = directory.use(temporaryDirectory(temporaryPlace));
  const file = `${path}/script`;
  await Deno.writeTextFile(file, command, { mode: 0o600, createNew: true });
  const kept = directory.move();
  return {
    command: shell === undefined
      ? `. '${file.replaceAll("'", "'\\''")}'`
      : [...withoutTextOption(shell), file],
    [Symbol.dispose]: () => kept.dispose(),
  };
}

function isTooLong(text: string): boolean {
  return text.length * 3 > MAX_ARGUMENT_BYTES &&
    new TextEncoder().encode(text).length > MAX_ARGUMENT_BYTES;
}

function asIs(command: Command): PassableCommand {
  return { command, [Symbol.dispose]() {} };
}

/** `bash -euc TEXT` is `bash -eu FILE`, and `perl -e TEXT` is `perl FILE`. */
function withoutTextOption(shell: readonly string[]): readonly string[] {
  const last = shell.at(-1)!;
  const [, rest] = /^-([A-Za-z]*)[ce]$/.exec(last) ?? [];
  if (shell.length === 1 || rest === undefined) return shell;
  return [...shell.slice(0, -1), ...rest === "" ? [] : [`-${rest}`]];
}
