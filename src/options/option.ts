/**
 * What the value of an option may be, and how it is written as text.
 *
 * - `text`: any text, an empty one being none
 * - `command`: text for the shell, or a program and its arguments
 * - `jobDirectory`, `jobFile`: `/job` or a path below it
 * - `boolean`: `true` or `false`, in the spellings of `src/boolean.ts`
 * - `duration`: milliseconds; written with a unit, or in seconds
 * - `list`: texts; written with commas or as a JSON list
 * - `variables`: names and values; written as lines, or in a file
 * - `secretValues`: a list; written with commas, or one a line in a file
 * - `inheritance`: `true`, `false` or names of variables
 * - `plugins`, `pluginPermissions`, `pipelinePermissions`: lines
 * - `sourceType`: a type of `SOURCE_TYPES`, or one that code registers
 * - choices: one of a few words
 * - a range: a whole number
 */
export type OptionType =
  | "text"
  | "command"
  | "jobDirectory"
  | "jobFile"
  | "boolean"
  | "duration"
  | "list"
  | "variables"
  | "secretValues"
  | "inheritance"
  | "plugins"
  | "pluginPermissions"
  | "pipelinePermissions"
  | "sourceType"
  | { readonly choices: readonly string[] }
  | { readonly minimum: number; readonly maximum: number };

/** An environment variable: who sets it, and which programs see it. */
export interface VariableFacts {
  /** Name in the environment. */
  readonly name: string;
  /** Who sets it. */
  readonly setBy: "coordinator" | "worker" | "runner" | "user";
  /**
   * Which programs see it: every program that the runner starts, only trusted
   * commands of the job, or none.
   *
   * @default {"everyone"}
   */
  readonly seenBy?: "everyone" | "job" | "runner";
  /**
   * Whether it says how a runner works. Other variables describe one job, and
   * mean nothing to another one.
   *
   * @default {false}
   */
  readonly isSetting?: boolean;
  /**
   * Whether its value is a secret, which is masked everywhere.
   *
   * @default {false}
   */
  readonly isSecret?: boolean;
  /**
   * Whether its value is a URL, which may hold a password.
   *
   * @default {false}
   */
  readonly isUrl?: boolean;
  /**
   * Whether it is about something outside the job's container: a path or a
   * socket of the machine, or more than a container needs.
   *
   * @default {false}
   */
  readonly isOutside?: boolean;
}

/** One row of the table of options. */
export interface Option {
  /** Name in job files, messages and plugins. */
  readonly name: string;
  /**
   * Property of the options of `runJob`, and of the resolved configuration; a
   * dot leads into a group.
   */
  readonly option?: string;
  /** Option of the command line without its dashes, if there is one. */
  readonly flag?: string;
  /** What stands for the value of the flag in help texts. */
  readonly valueName?: string;
  /** Environment variable, if there is one. */
  readonly env?: VariableFacts;
  /** Other keys of a job file that mean this option; a dot leads into a mapping. */
  readonly keys?: readonly string[];
  /** What the value may be. */
  readonly type: OptionType;
  /** Default, as text. */
  readonly default?: string;
  /** The default in words, where it is not one value. */
  readonly defaultText?: string;
  /**
   * Whether the lists of all layers are joined, so that none takes a name off
   * the list of another.
   *
   * @default {false}
   */
  readonly isUnion?: boolean;
  /**
   * Whether neither a job file nor a plugin may set it, because it weakens what
   * protects the secrets from them.
   *
   * @default {false}
   */
  readonly isCallersOnly?: boolean;
  /** What the option means, in one line without a period at its end. */
  readonly doc: string;
  /** How the value is written as text, worded to follow the line and a colon. */
  readonly form?: string;
  /** More for readers of the library's documentation, in Markdown sentences. */
  readonly details?: string;
}
