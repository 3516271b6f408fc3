import type { Command } from "../process/spawn.ts";
import type { TemporaryPlace } from "../fs/temporary_directory.ts";
import { fileCommand, findShell, takesFile } from "./shell.ts";

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
   * Shell of a text: a known name, or a program and its arguments.
   *
   * @default {`/bin/sh`}
   */
  shell?: readonly string[];
}

/**
 * Writes the text of a command to a private file if its shell reads files, or
 * if it is too long for an argument.
 *
 * @param command The command.
 * @param options Additional options.
 * @returns The command to start; dispose of it when that has ended.
 */
export async function passableCommand(
  command: Command,
  options: PassableCommandOptions,
): Promise<PassableCommand> {
  if (typeof command !== "string") return asIs(command);
  const shell = options.shell && findShell(options.shell);
  const { words, extension = "", prefix = "", suffix = "" } = shell ?? {};
  if (!isTooLong(command) && !(words && takesFile(words))) {
    return asIs(words === undefined ? command : [...words, command]);
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
      : fileCommand(words, file),
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
