/**
 * Type of an option's value, and its form as text.
 *
 * - `text`: any text; an empty one counts as unset
 * - `command`: text for the shell, or a program and its arguments
 * - `shell`: a program and its arguments; as text, separated by white space
 * - `jobDirectory`, `jobFile`: `/job` or a path below it
 * - `boolean`: `true` or `false`, and the spellings of `src/boolean.ts`
 * - `duration`: milliseconds; as text, seconds or a number with a unit
 * - `timeLimit`: a duration longer than zero
 * - `list`: strings; as text, separated by commas or a JSON list
 * - `variables`: names and values; as text, lines or a file
 * - `secretValues`: a list; as text, separated by commas, or a file with one
 *   per line
 * - `secretProviders`: the path of a file, or the text of a mapping: `{…}`
 * - `inheritance`: `true`, `false` or names of variables
 * - `plugins`, `pluginPermissions`, `pipelinePermissions`: lines
 * - `sourceType`: one of `SOURCE_TYPES`, or a registered type
 * - list of strings: one of these
 * - range: an integer
 */
export type OptionType =
  | "text"
  | "command"
  | "shell"
  | "jobDirectory"
  | "jobFile"
  | "boolean"
  | "duration"
  | "timeLimit"
  | "list"
  | "variables"
  | "secretValues"
  | "secretProviders"
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
   * Programs that see it: all programs that the runner starts, only trusted
   * commands of the job, or none.
   *
   * @default {"everyone"}
   */
  readonly seenBy?: "everyone" | "job" | "runner";
  /**
   * Whether it configures the runner. Other variables describe one job, and
   * have no meaning for another one.
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
   * Whether its value is a URL, which may contain a password.
   *
   * @default {false}
   */
  readonly isUrl?: boolean;
  /**
   * Whether it refers to something outside the job's container, such as a path
   * or a socket of the host.
   *
   * @default {false}
   */
  readonly isOutside?: boolean;
}

/** A row of the table of options. */
export interface Option {
  /** Name in job files, messages and plugins. */
  readonly name: string;
  /**
   * Property of the options of `runJob`, and of the validated configuration;
   * `group.property` if it is in a group.
   */
  readonly option?: string;
  /** Command line flag without dashes. */
  readonly flag?: string;
  /** Placeholder for the value of the flag in help texts. */
  readonly valueName?: string;
  /** Environment variable of the option. */
  readonly env?: VariableFacts;
  /** Alternative keys in a job file; `mapping.key` if it is in a mapping. */
  readonly keys?: readonly string[];
  readonly type: OptionType;
  /** Pattern of each item of a list, and its description, phrased to follow "must". */
  readonly members?: { readonly pattern: RegExp; readonly words: string };
  /** Default in text form. */
  readonly default?: string;
  /** Description of a default that is not a single value. */
  readonly defaultText?: string;
  /**
   * Whether the lists of all layers are joined, so that no layer can remove an
   * item of another.
   *
   * @default {false}
   */
  readonly isUnion?: boolean;
  /**
   * Whether job files and plugins must not set it, because it weakens the
   * protection of secrets from them.
   *
   * @default {false}
   */
  readonly isCallersOnly?: boolean;
  /** Description in one line, without a period. */
  readonly doc: string;
  /** Text form of the value, phrased to follow the description and a colon. */
  readonly form?: string;
  /** More documentation for users of the library, in Markdown sentences. */
  readonly details?: string;
}
