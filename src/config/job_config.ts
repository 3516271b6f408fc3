import type { OptionName } from "../options/options.ts";
import type { FailurePolicy, StepConfig } from "./step_config.ts";

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

/** What an archive may hold, and how it is unpacked. */
export interface ArchiveConfig {
  /** Whether the one folder at the top of an archive is left out. */
  readonly stripTop: boolean;
  /** Most files, directories and links. */
  readonly maxEntryCount: number;
  /** Most bytes that are unpacked. */
  readonly maxBytes: number;
  /** Maximum compression ratio. */
  readonly maxRatio: number;
  /** Longest time of the whole download, in milliseconds. */
  readonly timeoutMs: number;
}

/** How git repositories are checked out. */
export interface CheckoutConfig {
  /** Whether both sources share one repository. */
  readonly mode: "isolated" | "shared";
  /** Commits of history that are fetched; 0 for all. */
  readonly fetchDepth: number;
  /** Filter of a partial clone, as given. */
  readonly filter: string | undefined;
  /** Directories of the source that are checked out; `undefined` for all. */
  readonly sparsePaths: readonly string[] | undefined;
  /** Whether submodules are checked out, and theirs as well. */
  readonly submodules: "off" | "on" | "recursive";
  /** Whether files in Git LFS are fetched. */
  readonly lfs: "auto" | "off";
  /** Directory of the repositories that runs share, as given. */
  readonly mirrorDirectory: string | undefined;
}

/** The configuration of a job, judged and typed. */
export interface JobConfig {
  /**
   * Text for the shell, or a program and its arguments; `undefined` when the
   * job is made of steps.
   */
  readonly command: string | readonly string[] | undefined;
  /** What the job is made of, when it is not one command. */
  readonly steps?: readonly StepConfig[];
  /** Where the source goes, as the job knows it. */
  readonly codeDir: string;
  /** Where the command runs, as the job knows it. */
  readonly jobDir: string;
  /** Whether somebody chose the code or job directory, or it is the default. */
  readonly isJobDirChosen: boolean;
  /** Where the job leaves its artifacts, as the job knows it. */
  readonly artifactsDir: string;
  /** Where follow-up jobs are written, as the job knows it. */
  readonly triggersFile: string;
  /** How follow-up jobs are handed over. */
  readonly triggerTransport: "auto" | "stdout" | "file" | "api";
  /** Longest time of one request to the coordinator, in milliseconds. */
  readonly coordinatorTimeoutMs: number;
  /** The possibly untrusted source. */
  readonly source: SourceConfig;
  /** The trusted CI source. */
  readonly ciSource: SourceConfig;
  /** How git repositories are checked out. */
  readonly checkout: CheckoutConfig;
  /** What a copied source leaves out, as patterns of `.gitignore`. */
  readonly copyIgnore: readonly string[] | undefined;
  /** How archives are unpacked. */
  readonly archive: ArchiveConfig;
  /** Variables of the command. */
  readonly env: Readonly<Record<string, string>>;
  /** Names of variables whose values are secrets; `undefined` when nobody said. */
  readonly secretEnvNames: readonly string[] | undefined;
  /** Values that are secrets; `undefined` when nobody said. */
  readonly secretValues: readonly string[] | undefined;
  /** Patterns of the names of variables whose values are secrets. */
  readonly secretEnvPatterns: readonly string[];
  /** Shortest secret that is masked, in bytes. */
  readonly maskMinBytes: number;
  /** Whether secrets are masked. */
  readonly isMasked: boolean;
  /** Directory of trusted plugins, as given. */
  readonly pluginDir: string | undefined;
  /** Image of a nested container, as given; passed on to the command. */
  readonly runnerImage: string | undefined;
  /** Whether standard error joins standard output. */
  readonly stderr: "merged" | "separate";
  /** Longest time the command may run, in milliseconds; no limit without it. */
  readonly timeoutMs: number | undefined;
  /** Time between the ending signal and SIGKILL, in milliseconds. */
  readonly graceMs: number;
  /** Most steps that run at once; `undefined` when nobody said. */
  readonly concurrency: number | undefined;
  /** What happens to the other steps when a required one has failed. */
  readonly failurePolicy: FailurePolicy;
  /** Names of the only steps that run; `undefined` for all. */
  readonly only: readonly string[] | undefined;
  /** Names of the steps with which the job begins; `undefined` for all. */
  readonly from: readonly string[] | undefined;
  /** Names of steps that do not run; `undefined` for none. */
  readonly skip: readonly string[] | undefined;
  /** Whether to wait while another job uses the workspace. */
  readonly wait: boolean;
  /** Whether the output of each step is printed in one piece. */
  readonly logGroup: boolean;
  /** Longest line of output, in bytes; `undefined` when nobody said. */
  readonly maxLineBytes: number | undefined;
  /** Variables of the runner that the job gets: all, none or those named. */
  readonly inheritEnv: boolean | readonly string[];
}

/** Something wrong with the configuration. */
export interface ConfigProblem {
  /** Key that is concerned. */
  readonly key: OptionName;
  /** What is wrong and what is allowed; tells no secret. */
  readonly message: string;
  /** Where the value came from; `undefined` when there is none. */
  readonly origin: string | undefined;
}

/** What judging a configuration gave. */
export interface ValidationResult {
  /** The configuration; `undefined` as soon as there is a problem. */
  readonly config: JobConfig | undefined;
  /** Everything that is wrong. */
  readonly problems: readonly ConfigProblem[];
  /** What is unusual, though not wrong. */
  readonly warnings: readonly string[];
}
