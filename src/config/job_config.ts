import type { OptionName, OptionValues } from "../options/options.ts";
import type { StepConfig } from "./step_config.ts";

/** Type and location of a source. */
export type SourceConfig =
  | { readonly type: "none" }
  | {
    /** Type of the source, built in or registered. */
    readonly type: string;
    /** Repository, archive or directory; empty only for registered types. */
    readonly url: string;
    /** Branch, tag or commit; for an archive, its checksum. */
    readonly ref?: string;
  };

/** How an archive is unpacked, and its limits. */
export type ArchiveConfig = OptionValues["archive"];

/** Options of a git checkout. */
export type CheckoutConfig = OptionValues["checkout"];

/**
 * The validated configuration of a job: the values of all options, in their
 * groups.
 */
export interface JobConfig
  extends Omit<OptionValues, "cwd" | "source" | "ciSource"> {
  /** Steps of the job; absent for a job with one command. */
  readonly steps?: readonly StepConfig[];
  /** Directory that the command runs in, as the job sees it. */
  readonly cwd: string;
  /** Whether the directory was configured, and is not the default. */
  readonly isCwdChosen: boolean;
  /** The source, which may be untrusted. */
  readonly source: SourceConfig;
  /** The trusted CI source. */
  readonly ciSource: SourceConfig;
  /** Image of a nested container, as configured; passed on to the command. */
  readonly runnerImage: string | undefined;
}

/** A problem of the configuration. */
export interface ConfigProblem {
  readonly key: OptionName;
  /** The problem and the allowed values, without secrets. */
  readonly message: string;
  /** Where the value came from; `undefined` if it is missing. */
  readonly origin: string | undefined;
}

/** Result of a validation. */
export interface ValidationResult {
  /** The configuration; `undefined` if there are problems. */
  readonly config: JobConfig | undefined;
  /** All problems. */
  readonly problems: readonly ConfigProblem[];
  /** Warnings about valid but unusual values. */
  readonly warnings: readonly string[];
}
