import type { Environment } from "../environment/variables.ts";
import type { Option } from "../options/option.ts";
import { findOption, type OptionName, OPTIONS } from "../options/options.ts";
import type { JobConfig, ValidationResult } from "./job_config.ts";
import { misspelledVariables } from "./misspelled_variables.ts";
import type { Settings } from "./settings.ts";
import type { StepConfig } from "./step_config.ts";
import { imageWarnings, jobEnvWarnings } from "./text_values.ts";
import { OptionReader, type OptionReaderOptions } from "./option_reader.ts";

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
  const command = isCommand ? reader.command(needsCommand) : undefined;
  const config: JobConfig = {
    ...values,
    command,
    ...isCommand ? {} : { steps },
    cwd: values.cwd ?? values.sourceDir,
    isCwdChosen: settings.all("code_dir").length > 1 ||
      values.cwd !== undefined,
    source: reader.source(""),
    ciSource: reader.source("ci_"),
    runnerImage: reader.read("runner_image"),
  };
  const { problems } = reader;
  return {
    config: problems.length === 0 ? config : undefined,
    problems,
    warnings: [
      ...misspelledVariables(env).map(([name, near]) =>
        `${name} is not a variable of runnerlib; did you mean ${near}?`
      ),
      ...reader.warnings,
      ...steps !== undefined && isCommand
        ? ["job_command: replaces the steps of the job file"]
        : [],
      ...jobEnvWarnings(config.env),
      ...imageWarnings(config.runnerImage),
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
