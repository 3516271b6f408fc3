import type { RunnerParts } from "../runner/runner_parts.ts";

/** Groups of options, in the order of the help. */
export const FLAG_GROUPS = [
  "What to run",
  "Source",
  "Secrets",
  "Steps",
  "Output",
  "Limits",
  "More",
] as const;

/** Heading under which the help lists an option. */
export type FlagGroup = (typeof FLAG_GROUPS)[number];

/** Names that are known only on the machine of the user. */
export type NameKind = "step" | "job" | "workflow" | "command";

/** An option of a command. */
export interface Flag {
  /** Name without its dashes. */
  readonly name: string;
  /** Name of one letter, without its dash. */
  readonly short?: string;
  /** What stands for the value in help texts; without it the flag is a switch. */
  readonly valueName?: string;
  /** Whether every use counts, not only the last one. */
  readonly isRepeatable?: boolean;
  /** Whether `--no-NAME` says the opposite; the switch is on by default then. */
  readonly isNegatable?: boolean;
  /** Kind of names that the value may be, for shells to complete. */
  readonly names?: NameKind;
  /** Allowed values, for shells to complete. */
  readonly choices?: readonly string[];
  /** What the option does, in one line. */
  readonly help: string;
  /**
   * Heading under which the help lists the option.
   *
   * @default {"More"}
   */
  readonly group?: FlagGroup;
  /** Whether the option is accepted, but has no effect worth showing. */
  readonly isHidden?: boolean;
}

/** The arguments after the name of a command. */
export interface ParsedArguments {
  /** Values of options, by their long names. */
  readonly flags: ReadonlyMap<string, string | readonly string[]>;
  /** Switches that were given, by their long names. */
  readonly switches: ReadonlyMap<string, boolean>;
  /**
   * Checks whether a switch was given, and not turned off.
   *
   * @param name Long name of the switch.
   */
  isOn(name: string): boolean;
  /** Arguments that belong to no option. */
  readonly operands: readonly string[];
  /** What follows `--`; `undefined` without one. */
  readonly rest: readonly string[] | undefined;
}

/** What a command works with. */
export interface CommandContext extends ParsedArguments {
  /** Parts of the runner. */
  readonly parts: RunnerParts;
  /**
   * Prints a text on standard output, masked, with a line break at its end.
   *
   * @param text Text.
   */
  print(text: string): Promise<void>;
  /** All commands. */
  readonly catalog: CommandCatalog;
}

/** A command of the command line. */
export interface Command {
  /** What follows the name in the usage line. */
  readonly usage: string;
  /** What the command does, for its help text. */
  readonly description: string;
  /** Command lines without the name of the program, and what they do. */
  readonly examples: readonly (readonly [line: string, meaning: string])[];
  /** Options, besides those that every command has. */
  readonly flags: readonly Flag[];
  /** Allowed first operands, for shells to complete. */
  readonly actions?: readonly string[];
  /** Kind of names that operands may be, for shells to complete. */
  readonly operandNames?: NameKind;
  /** Whether the command sends tokens to the coordinator. */
  readonly usesCoordinator?: boolean;
  /** Maximum number of operands that are accepted. */
  readonly maxOperands: number;
  /** Whether a `--` with more arguments is accepted. */
  readonly takesRest?: boolean;
  /** Whether any argument may be a secret, so that no message repeats one. */
  readonly takesSecrets?: boolean;
  /**
   * Runs the command.
   *
   * @param context What the command works with.
   * @returns Exit code.
   */
  run(context: CommandContext): Promise<number>;
}

/** The commands of the program. */
export interface CommandCatalog {
  /** What each command does, by its name, in the order of the help. */
  readonly entries: Readonly<Record<string, CommandEntry>>;
  /**
   * Finds a command.
   *
   * @param name Name as typed.
   * @throws {RunnerError} `usage`, if the command does not exist.
   */
  find(name: string): CommandEntry;
  /** Loads every command. */
  load(): Promise<LoadedCommand[]>;
}

/** A command that is loaded when it is used. */
export interface CommandEntry {
  /** What the command does, in one line. */
  readonly summary: string;
  /** Heading under which the help lists the command. */
  readonly group: CommandGroup;
  /** Loads the command. */
  readonly load: () => Promise<Command>;
}

/** Groups of commands, in the order of the help. */
export const COMMAND_GROUPS = [
  "Run",
  "Inspect",
  "Sources and workspace",
  "Secrets",
  "Inside jobs and on workers",
  "More",
] as const;

/** Heading under which the help lists a command. */
export type CommandGroup = (typeof COMMAND_GROUPS)[number];

/** A command with all that help and completions show. */
export interface LoadedCommand {
  /** Name of the command. */
  readonly name: string;
  /** What the command does, in one line. */
  readonly summary: string;
  /** The command itself. */
  readonly command: Command;
  /** All of its options, with those that every command has. */
  readonly flags: readonly Flag[];
}
