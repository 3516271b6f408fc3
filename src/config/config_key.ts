/**
 * What the value of a key may be: a time, `true` or `false`, a list of names,
 * either of the two, one of a few words, or a whole number.
 */
export type ConfigKind =
  | "duration"
  | "switch"
  | "names"
  | "inheritance"
  | {
    readonly choices: readonly string[];
    readonly mayBeEmpty?: boolean;
    /** Whether code that uses the library can add words. */
    readonly isOpen?: boolean;
  }
  | { readonly minimum: number; readonly maximum: number };

/** One key of the configuration: where it may come from and what it means. */
export interface ConfigKey {
  /** Name in job files and messages. */
  readonly name: string;
  /** Environment variable, if there is one. */
  readonly env?: string;
  /** Option of the command line, without its dashes, if there is one. */
  readonly flag?: string;
  /** Property of the options of `runJob`. */
  readonly option?: string;
  /** What stands for the value in help texts; without it the flag is a switch. */
  readonly valueName?: string;
  /** Value when nobody says anything. */
  readonly defaultValue?: string;
  /**
   * What the value may be.
   *
   * @default {text}
   */
  readonly kind?: ConfigKind;
  /**
   * Whether neither a job file nor a plugin may set it: it weakens what
   * protects the secrets from them.
   *
   * @default {false}
   */
  readonly isCallersOnly?: boolean;
  /** What the key means, in one line. */
  readonly help: string;
}
