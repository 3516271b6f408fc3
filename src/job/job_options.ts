import type { PluginGrants } from "../config/plugin_grants.ts";
import type { StepEvent } from "../steps/step.ts";
import type { FailurePolicy } from "../config/step_config.ts";

/** When the queued follow-up jobs are handed over. */
export type FlushTriggers = "success" | "always" | "never";

/** How follow-up jobs are handed over. */
export type TriggerTransport = "auto" | "stdout" | "file" | "api";

/**
 * How code gets into the workspace: from a git, Mercurial or Subversion
 * repository, a directory, an archive, or in a way that was registered.
 */
export type SourceType =
  | "none"
  | "git"
  | "copy"
  | "tarball"
  | "hg"
  | "svn"
  // Completion of the words above needs a type that does not swallow them.
  | (string & Record<never, never>);

/** Options for {@linkcode Runner.runJob}. */
export interface RunJobOptions {
  /** Command of the job: text for `sh -c`, or a program and its arguments. */
  command?: string | readonly string[];
  /**
   * Where the source goes, and where the command runs unless `jobDir` says
   * otherwise: `/job` or a path below it. Outside a container, `/job` stands
   * for the directory `job` in the current one.
   *
   * @default {"/job/src"}
   */
  sourceDir?: string;
  /**
   * Where the command runs: `/job` or a path below it.
   *
   * @default {the source directory}
   */
  jobDir?: string;
  /**
   * Where the job leaves its artifacts: `/job` or a path below it.
   *
   * @default {"/job/artifacts"}
   */
  artifactsDir?: string;
  /**
   * How the source is prepared; also a type that was registered.
   *
   * @default {"none"}
   */
  sourceType?: SourceType;
  /** Repository, archive, or directory to copy. */
  sourceUrl?: string;
  /**
   * Branch, tag or commit of the source; `sha256:` and the checksum of an
   * archive.
   *
   * @default {the default branch}
   */
  sourceRef?: string;
  /**
   * How the trusted CI source, which goes to `/job/ci`, is prepared.
   *
   * @default {"none"}
   */
  ciSourceType?: SourceType;
  /** Repository, archive or directory of the trusted CI source. */
  ciSourceUrl?: string;
  /**
   * Branch, tag or commit of the trusted CI source, or checksum of an archive.
   *
   * @default {the default branch}
   */
  ciSourceRef?: string;
  /**
   * What a copied source leaves out, as patterns of `.gitignore`.
   *
   * @default {everything is copied}
   */
  copyIgnore?: readonly string[];
  /**
   * Whether an archive is unpacked without the one folder at its top.
   *
   * @default {false}
   */
  archiveStripTop?: boolean;
  /**
   * Most files, directories and links of an archive.
   *
   * @default {1_000_000}
   */
  archiveMaxEntries?: number;
  /**
   * Most bytes that an archive is unpacked to.
   *
   * @default {17_179_869_184}
   */
  archiveMaxBytes?: number;
  /**
   * Most times that an archive grows as it is unpacked.
   *
   * @default {200}
   */
  archiveMaxRatio?: number;
  /**
   * Longest time that the download of an archive takes, in milliseconds.
   *
   * @default {3_600_000}
   */
  archiveTimeoutMs?: number;
  /**
   * Whether the two sources of an evaluation share one repository.
   *
   * @default {"isolated"}
   */
  checkoutMode?: "isolated" | "shared";
  /**
   * Commits of history that git fetches; 0 for the whole history of every
   * branch and tag.
   *
   * @default {1}
   */
  fetchDepth?: number;
  /**
   * Filter of a partial clone: `blob:none`, `blob:limit=SIZE` or `tree:DEPTH`.
   * What it leaves out is fetched when it is needed.
   *
   * @default {everything is fetched at once}
   */
  gitFilter?: string;
  /**
   * Directories of the source that are checked out, beside the files around
   * them.
   *
   * @default {the whole tree}
   */
  sparsePaths?: readonly string[];
  /**
   * Whether submodules are checked out, and those of submodules as well.
   *
   * @default {"off"}
   */
  submodules?: "off" | "on" | "recursive";
  /**
   * Whether files in Git LFS are fetched; a repository with such files cannot
   * be checked out without `git-lfs` then.
   *
   * @default {"auto"}
   */
  gitLfs?: "auto" | "off";
  /**
   * Directory of bare repositories that are shared by runs, so that each
   * fetches only what is new. Nothing that is checked out depends on it.
   *
   * @default {no such directory}
   */
  gitMirror?: string;
  /** Variables of the command, added to those that the process has. */
  env?: Readonly<Record<string, string>>;
  /** Names of variables whose values are masked, with those of other sources. */
  secretEnvNames?: readonly string[];
  /** Values that are masked. */
  secretValues?: readonly string[];
  /**
   * Patterns of the names of variables, of the job and of this process, whose
   * values are masked: `*` stands for any text, and case does not matter.
   *
   * @default {["*_TOKEN", "*_PAT", "*_PASSWORD", "*_PASSWD", "*_PASSPHRASE", "*_SECRET", "*_PRIVATE_KEY", "*_ACCESS_KEY", "*_API_KEY", "*__AUTH", "*_AUTH_CONFIG", "*_CONNECTION_STRING"]}
   */
  secretEnvPatterns?: readonly string[];
  /**
   * Shortest value that is masked, in bytes, from 3 to 64.
   *
   * @default {4}
   */
  maskMinLength?: number;
  /**
   * Whether secrets are masked. Without it, they are printed as they are, and
   * the log begins by saying so.
   *
   * @default {true}
   */
  mask?: boolean;
  /** Directory of plugins: `plugin_*.ts`, `plugin_*.js`, `plugin_*.py`, programs. */
  pluginDir?: string;
  /** Plugins at addresses, with their hashes: `https://…#sha256-…` and so on. */
  plugins?: readonly string[];
  /** What plugins are granted, by their names. */
  pluginPermissions?: PluginGrants;
  /**
   * Longest time that a plugin may take in one phase, in milliseconds.
   *
   * @default {60_000, in `cleanup` 10_000}
   */
  pluginTimeoutMs?: number;
  /**
   * Whether plugins from files run in this process, with all of its
   * permissions, instead of each in a process of its own.
   *
   * @default {false}
   */
  trustPlugins?: boolean;
  /**
   * Where follow-up jobs are written: a path below `/job`.
   *
   * @default {"/job/triggers.json"}
   */
  triggersFile?: string;
  /**
   * How follow-up jobs are handed over: to the coordinator, by a file in the
   * workspace, or by a line on standard output for the worker.
   *
   * @default {"auto": to the coordinator if one is configured, else by a file}
   */
  triggerTransport?: TriggerTransport;
  /**
   * Longest time that one request to the coordinator may take, in milliseconds.
   *
   * @default {30_000}
   */
  coordinatorTimeoutMs?: number;
  /**
   * Whether standard error joins standard output, in true order.
   *
   * @default {"merged"}
   */
  stderr?: "merged" | "separate";
  /**
   * Longest time the command may run, in milliseconds.
   *
   * @default {no limit}
   */
  timeoutMs?: number;
  /**
   * Time between the signal that ends the command and SIGKILL, in milliseconds.
   *
   * @default {10_000}
   */
  graceMs?: number;
  /**
   * Most steps that run at the same time, from 1 to 1,024.
   *
   * @default {the number of processors}
   */
  concurrency?: number;
  /**
   * What happens to the other steps when a required one has failed: those
   * that run finish and no other starts, everything goes on, or those that
   * run are ended, too.
   *
   * @default {"finish"}
   */
  failurePolicy?: FailurePolicy;
  /** Names of the only steps that run. */
  only?: readonly string[];
  /** Names of steps that run together with those that depend on them. */
  from?: readonly string[];
  /** Names of steps that do not run. */
  skip?: readonly string[];
  /**
   * Whether to wait while another job uses the workspace.
   *
   * @default {false}
   */
  wait?: boolean;
  /**
   * Whether the output of each step is printed in one piece.
   *
   * @default {false}
   */
  logGroup?: boolean;
  /**
   * Longest line of output, in bytes, at least 80; longer ones are cut.
   *
   * @default {60_000 in a container, no limit elsewhere}
   */
  maxLineBytes?: number;
  /**
   * Variables of the runner's own environment that the job gets: all, none, or
   * those named.
   *
   * @default {true}
   */
  inheritEnv?: boolean | readonly string[];
  /** Path of a job file whose values are weaker than environment and options. */
  jobFile?: string;
  /** Cancels the job when aborted, as SIGTERM does. */
  signal?: AbortSignal;
  /**
   * Whether SIGTERM, SIGINT, SIGQUIT and SIGHUP cancel the job instead of
   * ending the process at once. A SIGHUP that the process was started to
   * ignore, as by `nohup`, stays ignored.
   *
   * @default {true}
   */
  handleSignals?: boolean;
  /**
   * When the queued follow-up jobs are handed over.
   *
   * @default {"success"}
   */
  flushTriggers?: FlushTriggers;
  /**
   * Judges the configuration, says what would be done, and does nothing.
   *
   * @default {false}
   */
  dryRun?: boolean;
  /**
   * Hears what happens to the steps of a job, as it happens.
   *
   * @param event What happened; its texts are masked.
   */
  onStepEvent?: (event: StepEvent) => void;
}
