import type { Command, Flag } from "./command.ts";
import { COMMANDS } from "./commands.ts";
import { COMMON_FLAGS } from "./parse_arguments.ts";

/** A command with everything that can be told of it. */
export interface LoadedCommand {
  /** Name of the command. */
  readonly name: string;
  /** What the command does, in one line. */
  readonly summary: string;
  /** The command itself. */
  readonly command: Command;
  /** Its options, those that every command has among them. */
  readonly flags: readonly Flag[];
}

/**
 * Loads every command, to tell of all of them.
 *
 * @returns Commands in the order in which help lists them.
 */
export function loadCommands(): Promise<LoadedCommand[]> {
  return Promise.all(
    Object.entries(COMMANDS).map(async ([name, { summary, load }]) => {
      const command = await load();
      return { name, summary, command, flags: allFlags(command) };
    }),
  );
}

function allFlags({ flags }: Command): Flag[] {
  return [...flags, ...COMMON_FLAGS];
}
