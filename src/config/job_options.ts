// Written by `deno task docs` from the table of options in src/options/.
import type { SourceType } from "../options/source_options.ts";
import type { PluginGrants } from "./plugin_grants.ts";

/** Where the code comes from. */
export interface SourceOptions {
  /**
   * How the source is prepared. It may be a type that code registered.
   *
   * @default {"none"}
   */
  type?: SourceType;
  /** Repository, archive, or directory to copy. */
  url?: string;
  /**
   * Branch, tag or commit, or `sha256:HEX` of an archive.
   *
   * @default {the default branch}
   */
  ref?: string;
}

/** Where the trusted CI code comes from, which goes to `/job/ci`. */
export interface CiSourceOptions {
  /**
   * How the trusted CI source is prepared. It may be a type that code
   * registered.
   *
   * @default {"none"}
   */
  type?: SourceType;
  /** Repository, archive or directory of the trusted CI source. */
  url?: string;
  /**
   * Branch, tag or commit of the trusted CI source, or `sha256:HEX`.
   *
   * @default {the default branch}
   */
  ref?: string;
}

/** How code is checked out. */
export interface CheckoutOptions {
  /**
   * Whether both sources share one repository.
   *
   * @default {"isolated"}
   */
  mode?: "isolated" | "shared";
  /**
   * Commits of history that git fetches; 0 for all of every branch.
   *
   * @default {1}
   */
  fetchDepth?: number;
  /**
   * Objects that git fetches only when needed, such as `blob:none`. It is the
   * filter of a partial clone: `blob:none`, `blob:limit=SIZE` or `tree:DEPTH`.
   */
  filter?: string;
  /**
   * Directories of the source that are checked out. The files beside them are
   * checked out as well.
   *
   * @default {all}
   */
  sparsePaths?: readonly string[];
  /**
   * Whether git submodules are checked out, and theirs as well.
   *
   * @default {"off"}
   */
  submodules?: "off" | "on" | "recursive";
  /**
   * Whether files in Git LFS are fetched. With `auto`, a repository with such
   * files needs `git-lfs`.
   *
   * @default {"auto"}
   */
  lfs?: "auto" | "off";
  /**
   * Directory of bare repositories that runs share, to fetch less. Nothing
   * that is checked out depends on it.
   */
  mirror?: string;
}

/** How a directory is copied. */
export interface CopyOptions {
  /** What a copied source leaves out, as patterns of `.gitignore`. */
  ignore?: readonly string[];
}

/** How an archive is unpacked. */
export interface ArchiveOptions {
  /**
   * Unpack an archive without the one folder at its top.
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

/** What is secret, and how it is masked. */
export interface SecretsOptions {
  /**
   * Variables whose values are masked; none for no others than those that
   * match a pattern.
   */
  envNames?: readonly string[];
  /** Values that are masked. */
  values?: readonly string[];
  /**
   * Names of variables whose values are masked, with * for any text. They are
   * matched without regard to case with the variables of the job and of this
   * process.
   *
   * @default {["*_TOKEN","*_PAT","*_PASSWORD","*_PASSWD","*_PASSPHRASE","*_SECRET","*_PRIVATE_KEY","*_ACCESS_KEY","*_API_KEY","*__AUTH","*_AUTH_CONFIG","*_CONNECTION_STRING"]}
   */
  envPatterns?: readonly string[];
  /**
   * Shortest value that is masked, in bytes.
   *
   * @default {3}
   */
  minBytes?: number;
  /**
   * Whether secrets are masked. When they are not, the log says so in its
   * first line.
   *
   * @default {true}
   */
  mask?: boolean;
}

/** Which plugins are loaded, and what they may do. */
export interface PluginsOptions {
  /**
   * Directory of plugins: `plugin_*.ts`, `plugin_*.js`, `plugin_*.py`,
   * programs.
   */
  dir?: string;
  /** Plugins at https:, npm: or jsr: addresses, with their hashes. */
  urls?: readonly string[];
  /** Permissions of plugins, by name and kind. */
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
export interface TriggersOptions {
  /**
   * Where follow-up jobs are written; `/job` or below.
   *
   * @default {"/job/triggers.json"}
   */
  file?: string;
  /**
   * How follow-up jobs are submitted. With `auto`, they go to the coordinator
   * if one is configured, and to the file otherwise. With `stdout`, a line on
   * standard output is for the worker.
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

/** How long, and how much at once, a job runs. */
export interface LimitsOptions {
  /**
   * Time limit of the command, in milliseconds.
   *
   * @default {no limit}
   */
  timeoutMs?: number;
  /**
   * Time between the signal that ends the command and SIGKILL, in
   * milliseconds.
   *
   * @default {10_000}
   */
  graceMs?: number;
  /**
   * Maximum number of steps that run at once.
   *
   * @default {the number of processors}
   */
  concurrency?: number;
}

/** Which steps run. */
export interface SelectionOptions {
  /** Run these steps and no other. */
  only?: readonly string[];
  /** Run these steps and those that depend on them. */
  from?: readonly string[];
  /** Run every step but these. */
  skip?: readonly string[];
}

/** How the output of a job is printed. */
export interface OutputOptions {
  /**
   * Whether standard error joins standard output. Merged, the lines keep the
   * order in which they were written.
   *
   * @default {"merged"}
   */
  stderr?: "merged" | "separate";
  /**
   * Print the output of each step in one piece.
   *
   * @default {false}
   */
  group?: boolean;
  /**
   * Maximum length of a line of output, in bytes; longer ones are cut.
   *
   * @default {60000 in a container, no limit elsewhere}
   */
  maxLineBytes?: number;
}

/** Options of a job, in the groups of the table of options. */
export interface JobOptions {
  /**
   * Command that the job runs. A text is run by `sh -c`; a list is a program
   * and its arguments.
   */
  command?: string | readonly string[];
  /**
   * Where the source goes; `/job` or below. Outside a container, `/job` stands
   * for the directory `job` in the current one.
   *
   * @default {"/job/src"}
   */
  sourceDir?: string;
  /**
   * Where the command runs; `/job` or below.
   *
   * @default {the code directory}
   */
  cwd?: string;
  /**
   * Where the job leaves its artifacts; `/job` or below.
   *
   * @default {"/job/artifacts"}
   */
  artifactsDir?: string;
  /** Environment of the command. */
  env?: Readonly<Record<string, string>>;
  /**
   * What a failed step does to the others. Those that run finish and no other
   * starts, all of them run, or those that run are ended as well.
   *
   * @default {"finish"}
   */
  failurePolicy?: "finish" | "continue" | "kill";
  /**
   * Wait while another job uses the workspace, instead of failing.
   *
   * @default {false}
   */
  wait?: boolean;
  /**
   * Variables of the runner that the job gets.
   *
   * @default {true}
   */
  inheritEnv?: boolean | readonly string[];
  /** Where the code comes from. */
  source?: SourceOptions;
  /** Where the trusted CI code comes from, which goes to `/job/ci`. */
  ciSource?: CiSourceOptions;
  /** How code is checked out. */
  checkout?: CheckoutOptions;
  /** How a directory is copied. */
  copy?: CopyOptions;
  /** How an archive is unpacked. */
  archive?: ArchiveOptions;
  /** What is secret, and how it is masked. */
  secrets?: SecretsOptions;
  /** Which plugins are loaded, and what they may do. */
  plugins?: PluginsOptions;
  /** How follow-up jobs are submitted. */
  triggers?: TriggersOptions;
  /** How long, and how much at once, a job runs. */
  limits?: LimitsOptions;
  /** Which steps run. */
  selection?: SelectionOptions;
  /** How the output of a job is printed. */
  output?: OutputOptions;
}
