import { Checker } from "./checker.ts";
import type { ConfigProblem, ValidationResult } from "./job_config.ts";
import { jobEnvWarnings } from "./job_env.ts";
import { findOption } from "../options/options.ts";
import type { Settings } from "./settings.ts";
import type { StepConfig } from "./step_config.ts";

/** Options for {@linkcode validateSettings}. */
export interface ValidateOptions {
  /** Absolute path of the current directory, for values that name a file. */
  cwd: string;
  /**
   * Steps of the job file, judged already.
   *
   * @default {the job is one command}
   */
  steps?: readonly StepConfig[];
  /**
   * Whether the job has steps that come from elsewhere, and so no command.
   *
   * @default {false}
   */
  hasOwnSteps?: boolean;
  /**
   * Types of sources beside those of the runner; `any` while plugins may still
   * add some.
   *
   * @default {none}
   */
  sourceTypes?: readonly string[] | "any";
}

/**
 * Judges settings and gives them their types.
 *
 * Every problem is found, not only the first one.
 *
 * @param settings Settings of all layers.
 * @param options Additional options.
 * @returns Configuration, problems and warnings.
 */
export function validateSettings(
  settings: Settings,
  options: ValidateOptions,
): ValidationResult {
  const { cwd, steps, hasOwnSteps = false, sourceTypes = [] } = options;
  const problems: ConfigProblem[] = [];
  const check = new Checker(settings, problems, sourceTypes);
  const codeDir = check.jobPath("code_dir");
  const hasJobDir = (settings.get("job_dir")?.value ?? "") !== "";
  const env = check.jobEnv(cwd);
  const isCommand = !hasOwnSteps &&
    (steps === undefined || replacesSteps(settings));
  const config = {
    command: isCommand ? check.command() : undefined,
    ...isCommand ? {} : { steps },
    codeDir,
    jobDir: hasJobDir ? check.jobPath("job_dir") : codeDir,
    isJobDirChosen: settings.all("code_dir").length > 1 || hasJobDir,
    artifactsDir: check.jobPath("artifacts_dir"),
    triggersFile: check.jobPath("triggers_file"),
    triggerTransport: check.choice("trigger_transport"),
    coordinatorTimeoutMs: check.duration("coordinator_timeout"),
    source: check.source(""),
    ciSource: check.source("ci_"),
    checkout: {
      mode: check.choice("checkout_mode"),
      fetchDepth: check.integer("fetch_depth") ?? 1,
      filter: check.optional("git_filter"),
      sparsePaths: check.names("sparse_paths"),
      submodules: check.choice("submodules"),
      lfs: check.choice("git_lfs"),
      mirrorDirectory: check.optional("git_mirror"),
    },
    copyIgnore: check.names("copy_ignore"),
    archive: {
      stripTop: check.isOn("archive_strip_top"),
      maxEntryCount: check.integer("archive_max_entries") ?? 1_000_000,
      maxBytes: check.integer("archive_max_bytes") ?? 17_179_869_184,
      maxRatio: check.integer("archive_max_ratio") ?? 200,
      timeoutMs: check.duration("archive_timeout"),
    },
    env,
    secretEnvNames: check.unitedNames("secret_env_names"),
    secretValues: check.secretValues(cwd),
    secretEnvPatterns: check.list("secret_env_patterns") ?? [],
    maskMinBytes: check.integer("mask_min_length") ?? 4,
    isMasked: check.isOn("mask"),
    pluginDir: check.optional("plugin_dir"),
    runnerImage: check.optional("runner_image"),
    stderr: check.choice("stderr"),
    timeoutMs: settings.get("timeout") ? check.duration("timeout") : undefined,
    graceMs: check.duration("grace"),
    concurrency: check.integer("concurrency"),
    failurePolicy: check.choice("failure_policy"),
    only: check.names("only"),
    from: check.names("from"),
    skip: check.names("skip"),
    wait: check.isOn("wait"),
    logGroup: check.isOn("log_group"),
    maxLineBytes: check.integer("max_line_bytes"),
    inheritEnv: check.inheritance(),
  };
  check.isOn("trust_plugins");
  if (settings.get("plugin_timeout")) check.duration("plugin_timeout");
  return {
    config: problems.length === 0 ? config : undefined,
    problems,
    warnings: [
      ...check.warnings,
      ...steps !== undefined && isCommand
        ? ["job_command: replaces the steps of the job file"]
        : [],
      ...jobEnvWarnings(env),
      ...imageWarnings(config.runnerImage),
    ],
  };
}

/** A worker sets the variable for every job, so that only a command of somebody who runs this one counts. */
function replacesSteps(settings: Settings): boolean {
  const setting = settings.get("job_command");
  return setting !== undefined &&
    setting.origin !== findOption("job_command")?.env?.name;
}

function imageWarnings(image: string | undefined): string[] {
  if (image === undefined) return [];
  const warnings: string[] = [];
  if (/\s/.test(image)) warnings.push("runner_image: contains white space");
  const tag = image.slice(image.lastIndexOf("/") + 1);
  if (!tag.includes(":") || tag.endsWith(":latest")) {
    warnings.push("runner_image: is not pinned to a version");
  }
  return warnings;
}
