// Written by `deno task docs` from the table of options in src/options/.
import type { SourceType } from "../options/source_options.ts";
import type { SecretProviderOptions } from "./secret_providers.ts";
import type { PluginGrants } from "./text_values.ts";

/** Source of the code. */
export interface JobSourceOptions {
  /**
   * Type of the source. Can also be a type that was registered with
   * `registerSource()`.
   *
   * @default {"none"}
   */
  type?: SourceType;
  /** Repository, archive or directory of the source. */
  url?: string;
  /**
   * Branch, tag or commit; for an archive, its checksum as `sha256:HEX`.
   *
   * @default {the default branch}
   */
  ref?: string;
}

/** Source of the trusted CI code in `/job/ci`. */
export interface JobCiSourceOptions {
  /**
   * Type of the trusted CI source. Can also be a type that was registered with
   * `registerSource()`.
   *
   * @default {"none"}
   */
  type?: SourceType;
  /** Repository, archive or directory of the trusted CI source. */
  url?: string;
  /**
   * Branch, tag or commit of the trusted CI source; for an archive,
   * `sha256:HEX`.
   *
   * @default {the default branch}
   */
  ref?: string;
}

/** Git checkout. */
export interface JobCheckoutOptions {
  /**
   * Whether both sources share one repository.
   *
   * @default {"isolated"}
   */
  mode?: "isolated" | "shared";
  /**
   * Number of commits that git fetches; 0 for the whole history of every
   * branch.
   *
   * @default {1}
   */
  fetchDepth?: number;
  /**
   * Objects that git fetches only when needed, such as `blob:none`. A filter
   * of a partial clone: `blob:none`, `blob:limit=SIZE` or `tree:DEPTH`.
   */
  filter?: string;
  /**
   * Directories of the source to check out. Files in their parent directories
   * are also checked out.
   *
   * @default {all}
   */
  sparsePaths?: readonly string[];
  /**
   * Whether to check out git submodules.
   *
   * @default {"off"}
   */
  submodules?: "off" | "on" | "recursive";
  /**
   * Whether to fetch files in Git LFS. With `auto`, a repository with such
   * files needs `git-lfs`.
   *
   * @default {"auto"}
   */
  lfs?: "auto" | "off";
  /**
   * Directory of git mirrors shared between runs. Checkouts do not depend on
   * it.
   */
  mirror?: string;
}

/** Copies of directories. */
export interface JobCopyOptions {
  /** Files to leave out of a copied source, as `.gitignore` patterns. */
  ignore?: readonly string[];
}

/** Archives. */
export interface JobArchiveOptions {
  /**
   * Unpack an archive without its top-level directory.
   *
   * @default {false}
   */
  stripTop?: boolean;
  /**
   * Maximum number of files, directories and links in an archive.
   *
   * @default {1_000_000}
   */
  maxEntries?: number;
  /**
   * Maximum size of an unpacked archive, in bytes.
   *
   * @default {17_179_869_184}
   */
  maxBytes?: number;
  /**
   * Maximum compression ratio of an archive.
   *
   * @default {200}
   */
  maxRatio?: number;
  /**
   * Time limit for the download of an archive, in milliseconds.
   *
   * @default {3_600_000}
   */
  timeoutMs?: number;
}

/** Secrets and masking. */
export interface JobSecretsOptions {
  /**
   * Variables whose values are masked; "none" masks only those that match a
   * pattern.
   */
  envNames?: readonly string[];
  /** Values to mask. */
  values?: readonly string[];
  /**
   * Programs and files that provide secrets, by name. Variables of the job
   * refer to a secret as `${secret:NAME:PATH:KEY}`.
   */
  providers?: string | SecretProviderOptions;
  /**
   * Names of variables whose values are masked, with * for any text. Patterns
   * ignore case. They apply to the variables of the job and of this process.
   *
   * @default {["*TOKEN","*_PAT","*PASSWORD","*PASSWD","*PASSPHRASE","*SECRET","*PRIVATE_KEY","*ACCESS_KEY","*API_KEY","*__AUTH","*_AUTH_CONFIG","*_CONNECTION_STRING"]}
   */
  envPatterns?: readonly string[];
  /**
   * Minimum length of a masked value, in bytes.
   *
   * @default {3}
   */
  minBytes?: number;
  /**
   * Whether secrets are masked. If not, the first line of the log says so.
   *
   * @default {true}
   */
  mask?: boolean;
}

/** Plugins and their permissions. */
export interface JobPluginsOptions {
  /**
   * Directory of plugins: `plugin_*.ts`, `plugin_*.js`, `plugin_*.py` and
   * executables.
   */
  dir?: string;
  /** Plugins at https:, npm: or jsr: URLs, with their hashes. */
  urls?: readonly string[];
  /** Permissions granted to plugins. */
  permissions?: PluginGrants;
  /**
   * Time limit of a plugin in each phase, in milliseconds.
   *
   * @default {60s, in cleanup 10s}
   */
  timeoutMs?: number;
  /**
   * Run plugins from files in this process, with all of its permissions.
   *
   * @default {false}
   */
  trust?: boolean;
}

/** How follow-up jobs are submitted. */
export interface JobTriggersOptions {
  /**
   * File for follow-up jobs: `/job` or below.
   *
   * @default {"/job/triggers.json"}
   */
  file?: string;
  /**
   * How follow-up jobs are submitted. With `auto`, they go to the coordinator
   * if one is configured, and to the file otherwise. With `stdout`, they are
   * printed as a line for the worker.
   *
   * @default {"auto"}
   */
  transport?: "auto" | "stdout" | "file" | "api";
  /**
   * Time limit of one request to the coordinator, in milliseconds.
   *
   * @default {30_000}
   */
  coordinatorTimeoutMs?: number;
}

/** Time limits and concurrency. */
export interface JobLimitsOptions {
  /**
   * Time limit of the command, in milliseconds.
   *
   * @default {no limit}
   */
  timeoutMs?: number;
  /**
   * Time between the termination signal and SIGKILL, in milliseconds.
   *
   * @default {10_000}
   */
  graceMs?: number;
  /**
   * Maximum number of concurrent steps.
   *
   * @default {the number of processors}
   */
  concurrency?: number;
}

/** Selection of steps. */
export interface JobSelectionOptions {
  /** Run only these steps. */
  only?: readonly string[];
  /** Run these steps and those that depend on them. */
  from?: readonly string[];
  /** Run all steps except these. */
  skip?: readonly string[];
  /**
   * Run the steps that failed in the last run, and their dependents. The
   * record of the last run and the outputs of its steps are read from the
   * workspace. A step without a failure runs again only if its outputs are
   * needed and were not kept.
   *
   * @default {false}
   */
  rerunFailed?: boolean;
}

/** Shells for debugging. */
export interface JobDebugOptions {
  /**
   * Open a shell on the terminal when a step has failed.
   *
   * @default {false}
   */
  shellOnFailure?: boolean;
  /** Open a shell on the terminal before or after this step. */
  breakpoints?: readonly string[];
}

/** Output. */
export interface JobOutputOptions {
  /**
   * Whether to merge standard error into standard output. When merged, lines
   * keep the order in which they were written.
   *
   * @default {"merged"}
   */
  stderr?: "merged" | "separate";
  /**
   * Print the output of each step as one block.
   *
   * @default {false}
   */
  group?: boolean;
  /**
   * Prefix each line of output with the time of day, in UTC.
   *
   * @default {false}
   */
  timestamps?: boolean;
  /**
   * Maximum length of a line of output, in bytes; longer lines are truncated.
   *
   * @default {60000 in a container, no limit elsewhere}
   */
  maxLineBytes?: number;
  /**
   * File for the record of the run; `off` for none.
   *
   * @default {`run.jsonl` in the directory for artifacts, if the job has steps or a source}
   */
  record?: string;
  /**
   * Reports to write after the run. Without a path, a report goes into the
   * directory for artifacts. With `prometheus=URL`, the metrics go to a push
   * gateway.
   *
   * @default {[]}
   */
  reports?: readonly string[];
  /**
   * Record of an earlier run to compare this one with in the HTML report.
   *
   * @default {the record that the run replaces, if it is of the same job}
   */
  compareWith?: string;
  /**
   * CI system in which failed steps are annotated. With `auto`, GitHub
   * Actions, GitLab, Buildkite, TeamCity and Azure Pipelines are detected by
   * their variables.
   *
   * @default {"auto"}
   */
  annotate?:
    | "auto"
    | "github"
    | "gitlab"
    | "buildkite"
    | "teamcity"
    | "azure"
    | "off";
  /**
   * Problem matcher files in GitHub's format. A path is relative to the
   * current directory; below `/job`, it is in the workspace.
   *
   * @default {[]}
   */
  problemMatchers?: readonly string[];
  /**
   * Print a profile of the run at its end. For an earlier run, `runnerlib
   * report --format profile` prints the same.
   *
   * @default {false}
   */
  profile?: boolean;
  /**
   * Export the run to an OpenTelemetry collector. Setting
   * `OTEL_EXPORTER_OTLP_ENDPOINT` has the same effect. Without that variable,
   * the collector is at `http://localhost:4318`.
   *
   * @default {false}
   */
  otel?: boolean;
  /**
   * Also export the output of steps to the collector. Requires `--otel`, or
   * the address of a collector in `OTEL_EXPORTER_OTLP_ENDPOINT` or
   * `OTEL_EXPORTER_OTLP_LOGS_ENDPOINT`.
   *
   * @default {false}
   */
  otelLogs?: boolean;
}

/** Cache. */
export interface JobCacheOptions {
  /**
   * Whether results of steps are restored from the cache and saved.
   *
   * @default {"read-write"}
   */
  mode?: "read-write" | "read-only" | "write-only" | "off";
  /**
   * Print why steps run, or are restored from the cache.
   *
   * @default {false}
   */
  explain?: boolean;
  /**
   * Run steps even if their results are cached, and compare the two.
   *
   * @default {false}
   */
  audit?: boolean;
  /**
   * Store of the cache: the path of a directory, or a file:, https: or s3:
   * URL.
   *
   * @default {`reactorcide/cache` in the user's cache directory}
   */
  store?: string;
  /**
   * Maximum size of the cache, and of one unpacked entry, in bytes.
   *
   * @default {10_737_418_240}
   */
  maxBytes?: number;
  /**
   * Namespace of the cache to read and write.
   *
   * @default {"local"}
   */
  namespace?: string;
  /** Other namespaces of the cache to read, but not write. */
  readFrom?: readonly string[];
}

/** Options of a job. */
export interface JobOptions {
  /**
   * Command that the job runs. A string is run with `sh -c`; a list is a
   * program and its arguments.
   */
  command?: string | readonly string[];
  /**
   * Default shell of the command and the steps. The named shells stop at the
   * first error: `sh` is `/bin/sh -e`, and `bash` is `bash -eo pipefail`.
   * Without a shell, a command is run with `sh -c`, which does not stop at
   * errors.
   *
   * @default {sh}
   */
  shell?: readonly string[];
  /**
   * Directory for the source: `/job` or below. Outside a container, `/job` is
   * the directory `job` in the current one.
   *
   * @default {"/job/src"}
   */
  sourceDir?: string;
  /**
   * Working directory of the command: `/job` or below.
   *
   * @default {the code directory}
   */
  cwd?: string;
  /**
   * Directory for artifacts: `/job` or below.
   *
   * @default {"/job/artifacts"}
   */
  artifactsDir?: string;
  /** Environment variables of the command. */
  env?: Readonly<Record<string, string>>;
  /**
   * What happens to other steps when one fails. With `finish`, running steps
   * finish and no others start. With `continue`, all other steps run. With
   * `kill`, running steps are stopped.
   *
   * @default {"finish"}
   */
  failurePolicy?: "finish" | "continue" | "kill";
  /**
   * Fail the job if a step succeeds only after a retry.
   *
   * @default {false}
   */
  failOnFlaky?: boolean;
  /**
   * Wait while another job uses the workspace instead of failing.
   *
   * @default {false}
   */
  wait?: boolean;
  /**
   * Variables of the runner that the job inherits.
   *
   * @default {true}
   */
  inheritEnv?: boolean | readonly string[];
  /** Source of the code. */
  source?: JobSourceOptions;
  /** Source of the trusted CI code in `/job/ci`. */
  ciSource?: JobCiSourceOptions;
  /** Git checkout. */
  checkout?: JobCheckoutOptions;
  /** Copies of directories. */
  copy?: JobCopyOptions;
  /** Archives. */
  archive?: JobArchiveOptions;
  /** Secrets and masking. */
  secrets?: JobSecretsOptions;
  /** Plugins and their permissions. */
  plugins?: JobPluginsOptions;
  /** How follow-up jobs are submitted. */
  triggers?: JobTriggersOptions;
  /** Time limits and concurrency. */
  limits?: JobLimitsOptions;
  /** Selection of steps. */
  selection?: JobSelectionOptions;
  /** Shells for debugging. */
  debug?: JobDebugOptions;
  /** Output. */
  output?: JobOutputOptions;
  /** Cache. */
  cache?: JobCacheOptions;
}
