import type { JobConfig } from "../config/job_config.ts";
import {
  loadConfig,
  type LoadConfigOptions,
  type LoadedConfig,
  requireValidConfig,
} from "../config/load_config.ts";
import type { Layer } from "../config/settings.ts";
import {
  KnownSecrets,
  maskSecret,
  type SecretsInput,
  secretsOfSettings,
  type SettingsSecrets,
  setUpMasker,
} from "../runner/mask_secrets.ts";
import type { RunnerContext } from "../runner/runner_context.ts";
import type { CommandContext } from "./command.ts";
import { flagsLayer } from "./config_flags.ts";
import { findCommandJobFile, readJobFileFlag } from "./job_location.ts";

/** Configuration of a command that does not run a job. */
export interface CommandConfig extends LoadedConfig {
  /** Path or other name of the job file, if there is one. */
  readonly jobFile: string | undefined;
  /** Context of the runner. */
  readonly runner: RunnerContext;
  /** Settings and variables in which secrets are searched. */
  readonly secretsInput: SecretsInput;
  /** Returns the secrets in the settings. */
  readonly findSecrets: () => SettingsSecrets;
}

/** Options for {@linkcode loadCommandConfig}. */
export interface CommandConfigOptions extends LoadConfigOptions {
  /**
   * Context of the runner, if it works in another directory.
   *
   * @default {that of the command}
   */
  runner?: RunnerContext;
  /**
   * Layer that overrides all others.
   *
   * @default {the flags of the command}
   */
  layer?: Layer;
  /**
   * Whether to use the job file of the directory if no command is given.
   *
   * @default {false}
   */
  findsJobFile?: boolean;
}

/**
 * Loads the configuration of a command and masks the secrets in it. Invalid
 * values are not errors yet.
 *
 * @throws {RunnerError} `invalid-job-file` if the job file is invalid.
 */
export async function loadCommandConfig(
  context: CommandContext,
  options: CommandConfigOptions = {},
): Promise<CommandConfig> {
  const {
    runner = context.runner,
    layer = flagsLayer(context),
    findsJobFile = false,
    ...validation
  } = options;
  const { host: { env, cwd }, masker } = runner;
  const jobFile = findsJobFile
    ? await findCommandJobFile(context, layer, { env, cwd })
    : await readJobFileFlag(context);
  const loaded = await loadConfig({ env, cwd }, { jobFile, layer }, validation);
  const { settings, steps, error } = loaded;
  const secretsInput = { settings, env, cwd, steps };
  const findSecrets = () => secretsOfSettings(secretsInput);
  const { secrets, minBytes } = findSecrets();
  masker.minBytes = minBytes;
  for (const secret of secrets) maskSecret(masker, secret);
  if (error !== undefined) throw error;
  const name = typeof jobFile === "object" ? jobFile.name : jobFile;
  return { ...loaded, jobFile: name, runner, secretsInput, findSecrets };
}

/**
 * Returns the configuration of a command if it is valid, logs its warnings and
 * configures the masker.
 *
 * @param loaded The configuration, or its problems.
 * @throws {RunnerError} `invalid-config` with all problems.
 */
export function checkCommandConfig(
  loaded: CommandConfig,
): { config: JobConfig; secrets: KnownSecrets } {
  const { runner, findSecrets, warnings } = loaded;
  for (const warning of warnings) runner.logger.warn("config", warning);
  const config = requireValidConfig(loaded);
  setUpMasker(runner, config);
  const secrets = new KnownSecrets(runner);
  secrets.add(findSecrets().secrets);
  return { config, secrets };
}
