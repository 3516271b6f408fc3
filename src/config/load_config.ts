import { readBoolean } from "../boolean.ts";
import {
  type Environment,
  findVariable,
  SYSTEM_PREFIX,
  Variable,
} from "../environment/variables.ts";
import { RunnerError } from "../errors.ts";
import type { Host } from "../host.ts";
import { absolutePath } from "../job_path.ts";
import type { Option } from "../options/option.ts";
import {
  findOption,
  type OptionName,
  OPTIONS,
  type OptionValue,
} from "../options/options.ts";
import type { When } from "../schema/when.ts";
import { suggest } from "../suggest.ts";
import type {
  ConfigProblem,
  JobConfig,
  ValidationResult,
} from "./job_config.ts";
import type { JobFileText } from "./job_file.ts";
import { OptionReader, type OptionReaderOptions } from "./option_reader.ts";
import {
  defaultLayer,
  environmentLayer,
  type Layer,
  Settings,
} from "./settings.ts";
import type { StepConfig } from "./step_config.ts";
import { checkImage, checkJobEnv } from "./text_values.ts";

/**
 * Layers of the configuration in addition to the defaults and the environment.
 */
export interface ConfigLayers {
  /**
   * Path or text of a job file, which overrides only the defaults.
   *
   * @default {no job file}
   */
  jobFile?: string | JobFileText;
  /**
   * The layer that overrides all others: flags, or options of the library.
   *
   * @default {nothing}
   */
  layer?: Layer;
}

/** Settings of all layers before validation. */
export interface LoadedSettings {
  readonly settings: Settings;
  /** Steps of the job file, if it has any. */
  readonly steps: readonly StepConfig[] | undefined;
  /** Condition of the job file on the event. */
  readonly when: When | undefined;
  /**
   * Whether the job file says that the job must not run on a developer's
   * machine.
   */
  readonly disableRunLocal: boolean;
  /** Whether the job file names artifacts. */
  readonly hasArtifacts: boolean;
  /**
   * Why the job file or a variable is invalid. The settings still have all
   * other layers, so that their secrets can be masked before the error is
   * reported.
   */
  readonly error: RunnerError | undefined;
}

/**
 * The configuration: settings of all layers, and the validated values or their
 * problems.
 */
export interface LoadedConfig extends LoadedSettings, ValidationResult {}

/** Options for {@linkcode loadConfig}. */
export type LoadConfigOptions = Pick<
  ValidateOptions,
  "needsCommand" | "sourceTypes"
>;

/**
 * Loads the configuration from all layers and validates it. Nothing is run,
 * printed or thrown; the result contains all problems.
 */
export async function loadConfig(
  host: Pick<Host, "env" | "cwd">,
  layers: ConfigLayers,
  options: LoadConfigOptions = {},
): Promise<LoadedConfig> {
  const loaded = await loadSettings(host, layers);
  const { settings, steps } = loaded;
  const { cwd, env } = host;
  return {
    ...loaded,
    ...validateSettings(settings, { cwd, env, steps, ...options }),
  };
}

/**
 * Loads the settings of all layers: options override variables, which override
 * the job file, which overrides the defaults.
 */
export async function loadSettings(
  { env, cwd }: Pick<Host, "env" | "cwd">,
  { jobFile, layer = {} }: ConfigLayers,
): Promise<LoadedSettings> {
  const settings = new Settings();
  settings.add(defaultLayer());
  let steps: LoadedSettings["steps"];
  let when: LoadedSettings["when"];
  let disableRunLocal = false;
  let hasArtifacts = false;
  let error: RunnerError | undefined;
  try {
    if (jobFile !== undefined) {
      const { parseJobFile, readJobFile } = await import("./job_file.ts");
      const file = typeof jobFile === "object"
        ? await parseJobFile(jobFile)
        : await readJobFile(
          absolutePath(jobFile, cwd),
          jobFile,
        );
      settings.add(file.layer);
      ({ steps, when, disableRunLocal, hasArtifacts } = file);
    }
    // Validated early, because removing the credentials would be too late to
    // report an invalid value.
    readBoolean(env, Variable.vcsAuthCleanup, { acceptsWorkerWords: true });
  } catch (thrown) {
    if (!(thrown instanceof RunnerError)) throw thrown;
    error = thrown;
  }
  settings.add(environmentLayer(env));
  settings.add(layer);
  return { settings, steps, when, disableRunLocal, hasArtifacts, error };
}

/**
 * Reads single options from all layers except a job file.
 *
 * @param layer The layer that overrides all others.
 * @throws {RunnerError} `invalid-config`, if one of them is invalid.
 */
export function readOptions<Name extends OptionName>(
  { env, cwd }: Pick<Host, "env" | "cwd">,
  names: readonly Name[],
  layer: Layer = {},
): { readonly [One in Name]: OptionValue<One> } {
  const settings = new Settings();
  for (const one of [defaultLayer(), environmentLayer(env), layer]) {
    settings.add(one);
  }
  const reader = new OptionReader(settings, { cwd });
  const values = Object.fromEntries(
    names.map((name) => [name, reader.read(name)]),
  );
  if (reader.problems.length > 0) throw configError(reader.problems);
  return values as { [One in Name]: OptionValue<One> };
}

/**
 * Returns the validated configuration.
 *
 * @throws {RunnerError} `invalid-config`, with all problems.
 */
export function requireValidConfig(
  { config, problems }: Pick<ValidationResult, "config" | "problems">,
): JobConfig {
  if (config !== undefined) return config;
  throw configError(problems);
}

function configError(problems: readonly ConfigProblem[]): RunnerError {
  const lines = problems.map(({ key, message, origin }) =>
    `  ${key}: ${message}` + (origin === undefined ? "" : ` (from ${origin})`)
  );
  return new RunnerError(
    `Cannot use the configuration:\n${lines.join("\n")}`,
    { code: "invalid-config" },
  );
}

/** Options for {@linkcode validateSettings}. */
export interface ValidateOptions extends OptionReaderOptions {
  /**
   * Environment of the runner, which is checked for misspelled names.
   *
   * @default {none}
   */
  env?: Environment;
  /**
   * Validated steps of the job file.
   *
   * @default {the job has one command}
   */
  steps?: readonly StepConfig[];
  /**
   * Whether the job has steps from elsewhere, and therefore no command.
   *
   * @default {false}
   */
  hasOwnSteps?: boolean;
  /**
   * Whether a command is required if there are no steps.
   *
   * @default {true}
   */
  needsCommand?: boolean;
}

/**
 * Validates settings and converts them to their types.
 *
 * It reports all problems, not only the first one.
 *
 * @param settings Settings of all layers.
 */
export function validateSettings(
  settings: Settings,
  options: ValidateOptions,
): ValidationResult {
  const { steps, hasOwnSteps = false, needsCommand = true, env = {} } = options;
  const reader = new OptionReader(settings, options);
  const isCommand = !hasOwnSteps &&
    (steps === undefined || replacesSteps(settings));
  const values = readAll(reader);
  const command = isCommand ? reader.readCommand(needsCommand) : undefined;
  const config: JobConfig = {
    ...values,
    command,
    ...isCommand ? {} : { steps },
    cwd: values.cwd ?? values.sourceDir,
    isCwdChosen: settings.all("code_dir").length > 1 ||
      values.cwd !== undefined,
    source: reader.readSource(""),
    ciSource: reader.readSource("ci_"),
    runnerImage: reader.read("runner_image"),
  };
  const { problems } = reader;
  return {
    config: problems.length === 0 ? config : undefined,
    problems,
    warnings: [
      ...findMisspelledVariables(env).map(([name, near]) =>
        `${name} is not a variable of runnerlib; did you mean ${near}?`
      ),
      ...reader.warnings,
      ...steps !== undefined && isCommand
        ? ["job_command: replaces the steps of the job file"]
        : [],
      ...checkJobEnv(config.env),
      ...checkImage(config.runnerImage),
    ],
  };
}

/** Option types that {@linkcode validateSettings} reads together. */
const READ_WITH_OTHERS: readonly string[] = ["command", "source", "ciSource"];

type Values = Omit<JobConfig, "cwd"> & { readonly cwd: string | undefined };

/** Reads all options of the library into their groups. */
function readAll(reader: OptionReader): Values {
  const values: Record<string, unknown> = {};
  const options: readonly (Option & { name: OptionName })[] = OPTIONS;
  for (const { name, option } of options) {
    if (option === undefined) continue;
    const [first, second] = option.split(".");
    if (READ_WITH_OTHERS.includes(first)) continue;
    if (second === undefined) values[first] = reader.read(name);
    else {
      const group = (values[first] ??= {}) as Record<string, unknown>;
      group[second] = reader.read(name);
    }
  }
  return values as unknown as Values;
}

/**
 * A worker sets the variable for every job, so only a command from the caller
 * counts.
 */
function replacesSteps(settings: Settings): boolean {
  const setting = settings.get("job_command");
  return setting !== undefined &&
    setting.origin !== findOption("job_command")?.env?.name;
}

/**
 * Finds variables whose names are probably misspelled.
 *
 * A variable that is not similar to a known one may come from a newer worker.
 *
 * @returns Pairs of the name and the known name that it resembles.
 */
function findMisspelledVariables(env: Environment): [string, string][] {
  const unknown = Object.keys(env).filter((name) =>
    name.startsWith(SYSTEM_PREFIX) && findVariable(name) === undefined
  );
  if (unknown.length === 0) return [];
  const known = Object.values(Variable).flatMap((name) =>
    name.startsWith(SYSTEM_PREFIX) ? [name.slice(SYSTEM_PREFIX.length)] : []
  );
  return unknown.flatMap((name): [string, string][] => {
    const near = suggest(name.slice(SYSTEM_PREFIX.length), known);
    return near === undefined ? [] : [[name, SYSTEM_PREFIX + near]];
  });
}
