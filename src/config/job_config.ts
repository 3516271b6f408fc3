import type { OptionName } from "../options/options.ts";
import type { OptionValues } from "../options/value_types.ts";
import type { StepConfig } from "./step_config.ts";

/** Where code comes from. */
export type SourceConfig =
  | { readonly type: "none" }
  | {
    /** How the code is fetched: a type of the runner, or a registered one. */
    readonly type: string;
    /** Repository, archive or directory; a registered type may need none. */
    readonly url: string;
    /** Branch, tag or commit, or the checksum of an archive. */
    readonly ref?: string;
  };

/** How an archive is unpacked, and what it may hold. */
export type ArchiveConfig = OptionValues["archive"];

/** How git repositories are checked out. */
export type CheckoutConfig = OptionValues["checkout"];

/**
 * The configuration of a job, validated: the values of all options, in the
 * groups that their rows in the table of options name.
 */
export interface JobConfig
  extends Omit<OptionValues, "cwd" | "source" | "ciSource"> {
  /** What the job is made of, when it is not one command. */
  readonly steps?: readonly StepConfig[];
  /** Where the command runs, as the job knows it. */
  readonly cwd: string;
  /** Whether the directory was chosen, or is the default. */
  readonly isCwdChosen: boolean;
  /** The possibly untrusted source. */
  readonly source: SourceConfig;
  /** The trusted CI source. */
  readonly ciSource: SourceConfig;
  /** Image of a nested container, as given; passed on to the command. */
  readonly runnerImage: string | undefined;
}

/** Something wrong with the configuration. */
export interface ConfigProblem {
  /** Name of the option. */
  readonly key: OptionName;
  /** What is wrong and what is allowed; repeats no secret. */
  readonly message: string;
  /** Where the value came from; `undefined` when there is none. */
  readonly origin: string | undefined;
}

/** The outcome of a validation. */
export interface ValidationResult {
  /** The configuration; `undefined` as soon as there is a problem. */
  readonly config: JobConfig | undefined;
  /** Everything that is wrong. */
  readonly problems: readonly ConfigProblem[];
  /** What is unusual, though not wrong. */
  readonly warnings: readonly string[];
}
