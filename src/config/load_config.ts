import { booleanVariable } from "../boolean.ts";
import { Variable } from "../environment/variables.ts";
import { RunnerError } from "../errors.ts";
import type { Host } from "../host.ts";
import type { OptionName, OptionValue } from "../options/options.ts";
import type { JobFileText } from "./job_file.ts";
import type {
  ConfigProblem,
  JobConfig,
  ValidationResult,
} from "./job_config.ts";
import { type ValidateOptions, validateSettings } from "./option_values.ts";
import {
  defaultLayer,
  environmentLayer,
  type Layer,
  Settings,
} from "./settings.ts";
import type { StepConfig } from "./step_config.ts";
import { OptionReader } from "./option_reader.ts";

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
  /**
   * Whether the job file says that the job must not run on a developer's
   * machine.
   */
  readonly disableRunLocal: boolean;
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
 *
 * @param host The process, with its environment and current directory.
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
 *
 * @param host The process, with its environment and current directory.
 */
export async function loadSettings(
  { env, cwd }: Pick<Host, "env" | "cwd">,
  { jobFile, layer = {} }: ConfigLayers,
): Promise<LoadedSettings> {
  const settings = new Settings();
  settings.add(defaultLayer());
  let steps: LoadedSettings["steps"];
  let disableRunLocal = false;
  let error: RunnerError | undefined;
  try {
    if (jobFile !== undefined) {
      const { parseJobFile, readJobFile } = await import("./job_file.ts");
      const file = typeof jobFile === "object"
        ? await parseJobFile(jobFile)
        : await readJobFile(
          jobFile.startsWith("/") ? jobFile : `${cwd}/${jobFile}`,
          jobFile,
        );
      settings.add(file.layer);
      ({ steps, disableRunLocal } = file);
    }
    // Validated early, because removing the credentials would be too late to
    // report an invalid value.
    booleanVariable(env, Variable.vcsAuthCleanup, { acceptsWorkerWords: true });
  } catch (thrown) {
    if (!(thrown instanceof RunnerError)) throw thrown;
    error = thrown;
  }
  settings.add(environmentLayer(env));
  settings.add(layer);
  return { settings, steps, disableRunLocal, error };
}

/**
 * Reads single options from all layers except a job file.
 *
 * @param host The process, with its environment and current directory.
 * @param names Names of the options.
 * @param layer The layer that overrides all others.
 * @returns Values by name.
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
  if (reader.problems.length > 0) throw invalidConfig(reader.problems);
  return values as { [One in Name]: OptionValue<One> };
}

/**
 * Returns the validated configuration.
 *
 * @throws {RunnerError} `invalid-config`, with all problems.
 */
export function validConfig(
  { config, problems }: Pick<ValidationResult, "config" | "problems">,
): JobConfig {
  if (config !== undefined) return config;
  throw invalidConfig(problems);
}

function invalidConfig(problems: readonly ConfigProblem[]): RunnerError {
  const lines = problems.map(({ key, message, origin }) =>
    `  ${key}: ${message}` + (origin === undefined ? "" : ` (from ${origin})`)
  );
  return new RunnerError(
    `Cannot use the configuration:\n${lines.join("\n")}`,
    { code: "invalid-config" },
  );
}
