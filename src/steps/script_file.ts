import type { Command } from "../process/spawn.ts";
import type { TemporaryPlace } from "../fs/temporary_directory.ts";
import { fileCommand, findShell, takesFile } from "./shell.ts";

/** Maximum size of a script passed as an argument; Linux allows 131,071 bytes. */
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
 * @param command The command.
 * @param options Additional options.
 * @returns The command to start; dispose it after the command has ended.
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
