import type { Host } from "../host.ts";
import type { RunnerContext } from "../runner/runner_context.ts";

/** Groups of options, in the order of the help. */
export const FLAG_GROUPS = [
  "What to run",
  "Source",
  "Secrets",
  "Steps",
  "Output",
  "Limits",
  "Kubernetes",
  "More",
] as const;

/** Heading under which the help lists an option. */
export type FlagGroup = (typeof FLAG_GROUPS)[number];

/** Kinds of names that shell completion looks up in the user's files. */
export type NameKind = "step" | "job" | "workflow" | "command";

/** An option of a command. */
export interface Flag {
  /** Name without its dashes. */
  readonly name: string;
  /** Short name: one letter, without its dash. */
  readonly short?: string;
  /** Placeholder for the value in help texts; a flag without one is a switch. */
  readonly valueName?: string;
  /** Whether all occurrences count, instead of only the last one. */
  readonly isRepeatable?: boolean;
  /** Whether the switch is on by default and `--no-NAME` turns it off. */
  readonly isNegatable?: boolean;
  /** Kind of names that the value may be, for shells to complete. */
  readonly names?: NameKind;
  /** Allowed values, for shells to complete. */
  readonly choices?: readonly string[];
  /** Effect of the option, in one line. */
  readonly help: string;
  /**
   * Heading under which the help lists the option.
   *
   * @default {"More"}
   */
  readonly group?: FlagGroup;
  /** Whether the option is accepted but not listed in help. */
  readonly isHidden?: boolean;
}

/** The arguments after the name of a command. */
export interface ParsedArguments {
  /** Values of options, by their long names. */
  readonly flags: ReadonlyMap<string, string | readonly string[]>;
  /** Given switches, by their long names. */
  readonly switches: ReadonlyMap<string, boolean>;
  /**
   * Checks whether a switch was given and is on.
   *
   * @param name Long name of the switch.
   */
  isOn(name: string): boolean;
  /** Arguments that are neither options nor their values. */
  readonly operands: readonly string[];
  /** Arguments after `--`; `undefined` if there is no `--`. */
  readonly rest: readonly string[] | undefined;
}

/** Context of a command. */
export interface CommandContext extends ParsedArguments {
  /** Parts of the runner. */
  readonly runner: RunnerContext;
  /** Prints a text and a newline on standard output, with secrets masked. */
  print(text: string): Promise<void>;
  /** All commands. */
  readonly catalog: CommandCatalog;
  /** Runs another command line in this process, and returns its exit code. */
  runProgram(args: readonly string[], host: Host): Promise<number>;
}

/** A command of the command line. */
export interface CliCommand {
  /** Rest of the usage line after the name. */
  readonly usage: string;
  /** Description of the command, for its help text. */
  readonly description: string;
  /** Command lines without the name of the program, with their effects. */
  readonly examples: readonly (readonly [line: string, meaning: string])[];
  /** Options in addition to those of all commands. */
  readonly flags: readonly Flag[];
  /** Allowed first operands, for shells to complete. */
  readonly actions?: readonly string[];
  /** Kind of names that operands may be, for shells to complete. */
  readonly operandNames?: NameKind;
  /** Whether the command sends tokens to the coordinator. */
  readonly usesCoordinator?: boolean;
  /** Maximum number of operands. */
  readonly maxOperands: number;
  /** Whether arguments after `--` are accepted. */
  readonly takesRest?: boolean;
  /** Whether arguments may be secrets, so that messages must not quote them. */
  readonly takesSecrets?: boolean;
  /** Runs the command, and returns its exit code. */
  run(context: CommandContext): Promise<number>;
}

/** The commands of the program. */
export interface CommandCatalog {
  /** Commands by name, in the order of the help. */
  readonly entries: Readonly<Record<string, CommandEntry>>;
  /**
   * Finds a command.
   *
   * @param name Name as typed.
   * @throws {RunnerError} `usage`, if the command does not exist.
   */
  find(name: string): CommandEntry;
  /** Loads all commands. */
  load(): Promise<LoadedCommand[]>;
}

/** A command that is loaded on demand. */
export interface CommandEntry {
  /** What the command does, in one line. */
  readonly summary: string;
  /** Heading under which the help lists the command. */
  readonly group: CommandGroup;
  /** Loads the command. */
  readonly load: () => Promise<CliCommand>;
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

/** A loaded command, for help and completions. */
export interface LoadedCommand {
  /** Name of the command. */
  readonly name: string;
  /** What the command does, in one line. */
  readonly summary: string;
  /** The command. */
  readonly command: CliCommand;
  /** All of its options, including those of all commands. */
  readonly flags: readonly Flag[];
}
