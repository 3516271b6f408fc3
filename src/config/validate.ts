import { jobPathProblem, normalizeJobPath } from "../job_path.ts";
import { parseDuration } from "./duration.ts";
import type {
  ConfigProblem,
  SourceConfig,
  ValidationResult,
} from "./job_config.ts";
import { jobEnvWarnings, parseJobEnv, VARIABLE_NAME } from "./job_env.ts";
import {
  type ChoiceName,
  type ChoiceOf,
  configKey,
  type ConfigName,
} from "./keys.ts";
import type { Settings } from "./settings.ts";
import type { StepConfig } from "./step_config.ts";
import { readValue } from "./value_file.ts";

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
}

/** Least and greatest value of a number. */
type Range = { minimum: number; maximum: number };

/** Words that mean `true` or `false` elsewhere, and would be taken for a name. */
const NEARLY_BOOLEAN = /^(yes|no|on|off|true|false|y|n)$/i;

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
  const { cwd, steps, hasOwnSteps = false } = options;
  const problems: ConfigProblem[] = [];
  const check = new Checker(settings, problems);
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
    env,
    secretEnvNames: check.list("secret_env_names"),
    secretValues: check.secretValues(cwd),
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
    logGroup: check.isOn("log_group"),
    maxLineBytes: check.integer("max_line_bytes"),
    inheritEnv: check.inheritance(),
  };
  return {
    config: problems.length === 0 ? config : undefined,
    problems,
    warnings: [
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
    setting.origin !== configKey("job_command")?.env;
}

/** Reads settings one by one and gathers what is wrong with them. */
class Checker {
  readonly #settings: Settings;
  readonly #problems: ConfigProblem[];

  constructor(settings: Settings, problems: ConfigProblem[]) {
    this.#settings = settings;
    this.#problems = problems;
  }

  command(): string | readonly string[] {
    const value = this.#settings.get("job_command")?.value;
    if (value === undefined) this.#report("job_command", "is required");
    else if (
      typeof value === "string" ? value.trim() === "" : !Object.values(value)[0]
    ) {
      this.#report("job_command", "must not be empty");
    } else if ([value].flat().some((part) => String(part).includes("\0"))) {
      this.#report("job_command", "must not contain a NUL character");
    }
    return value as string | readonly string[];
  }

  text(key: ConfigName): string {
    const value = this.#settings.get(key)?.value ?? "";
    return typeof value === "string" ? value : Object.values(value).join(",");
  }

  optional(key: ConfigName): string | undefined {
    return this.text(key) || undefined;
  }

  jobPath(key: ConfigName): string {
    const path = this.text(key);
    const problem = jobPathProblem(path);
    if (path === "") this.#report(key, "must not be empty");
    else if (problem === undefined) return normalizeJobPath(path);
    else this.#report(key, `${problem}, not ${JSON.stringify(path)}`);
    return path;
  }

  choice<Name extends ChoiceName>(key: Name): ChoiceOf<Name> {
    const text = this.text(key);
    const { choices } = configKey(key)!.kind as { choices: readonly string[] };
    if (!choices.includes(text)) {
      const allowed = choices.map((one) => `"${one}"`).join(" or ");
      this.#report(key, `must be ${allowed}, not ${JSON.stringify(text)}`);
    }
    return text as ChoiceOf<Name>;
  }

  integer(key: ConfigName): number | undefined {
    const text = this.text(key);
    // A worker sets the variable to nothing when nobody said anything.
    if (text === "") return undefined;
    const { minimum, maximum } = configKey(key)!.kind as Range;
    const value = /^\d+$/.test(text) ? Number(text) : NaN;
    if (value >= minimum && value <= maximum) return value;
    this.#report(
      key,
      `must be a whole number from ${minimum} to ${maximum}, not ${
        JSON.stringify(text)
      }`,
    );
    return undefined;
  }

  isOn(key: ConfigName): boolean {
    const text = this.text(key);
    if (!["", "true", "false"].includes(text)) {
      this.#report(key, `must be true or false, not ${JSON.stringify(text)}`);
    }
    return text === "true";
  }

  duration(key: ConfigName): number {
    const text = this.text(key);
    const ms = parseDuration(text);
    if (ms !== undefined) return ms;
    this.#report(
      key,
      `must be a time such as "90s", "15m" or "2h", not ${
        JSON.stringify(text)
      }`,
    );
    return 0;
  }

  source(prefix: "" | "ci_"): SourceConfig {
    const key = `${prefix}source_type` as const;
    // A worker sets the variable to nothing when the job has no source.
    if (this.text(key) === "") return { type: "none" };
    const type = this.choice(key);
    if (type === "none") return { type };
    const url = this.text(`${prefix}source_url`);
    if (url === "" && (type === "git" || type === "copy")) {
      this.#report(`${prefix}source_url`, `is required for ${key} "${type}"`);
    }
    const ref = this.optional(`${prefix}source_ref`);
    return { type, url, ...ref === undefined ? {} : { ref } };
  }

  jobEnv(cwd: string): Record<string, string> {
    const merged: Record<string, string> = Object.create(null);
    for (const setting of this.#settings.all("job_env")) {
      const { env, problems } = parseJobEnv(setting, cwd);
      for (const message of problems) {
        this.#problems.push({
          key: "job_env",
          message,
          origin: setting.origin,
        });
      }
      Object.assign(merged, env);
    }
    return merged;
  }

  list(key: ConfigName): string[] | undefined {
    return this.#settings.get(key) && splitList(this.text(key), ",");
  }

  names(key: ConfigName): string[] | undefined {
    const names = this.list(key);
    return names?.length ? names : undefined;
  }

  inheritance(): boolean | readonly string[] {
    const value = this.#settings.get("inherit_env")?.value ?? "true";
    if (value === "true" || value === "false") return value === "true";
    const names = typeof value === "string"
      ? splitList(value, ",")
      : Object.values(value);
    const isWrong = value === "" ||
      names.some((name) => !VARIABLE_NAME.test(name)) ||
      NEARLY_BOOLEAN.test(String(value));
    if (isWrong) {
      this.#report(
        "inherit_env",
        `must be true, false or names of variables, not ${
          JSON.stringify(value)
        }`,
      );
    }
    return names;
  }

  secretValues(cwd: string): string[] | undefined {
    const value = this.#settings.get("secret_values_list")?.value;
    if (value === undefined) return undefined;
    // Values of the library come one by one: a secret may hold a comma.
    if (typeof value !== "string") return Object.values(value);
    const read = readValue(value, cwd);
    if ("problem" in read) {
      this.#report("secret_values_list", read.problem);
      return undefined;
    }
    return read.isFile
      ? splitList(read.text, "\n").filter((line) => !line.startsWith("#"))
      : splitList(read.text, ",");
  }

  #report(key: ConfigName, message: string): void {
    const origin = this.#settings.get(key)?.origin;
    this.#problems.push({ key, message, origin });
  }
}

function splitList(text: string, separator: string): string[] {
  return text.split(separator).map((part) => part.trim()).filter(Boolean);
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
