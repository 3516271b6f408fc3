import type { JobConfig } from "../config/job_config.ts";
import { parseEnvLines } from "../config/text_values.ts";
import {
  defaultLayer,
  environmentLayer,
  type Layer,
  Settings,
} from "../config/settings.ts";
import { Variable } from "../environment/variables.ts";
import type { Host } from "../host.ts";
import {
  collectSecrets,
  IN_URL,
  type KnownSecret,
  maskSecret,
  matchingSecrets,
  urlSecrets,
} from "../secrets/collect.ts";
import type { Logger } from "../output/logger.ts";
import type { Masker } from "../secrets/masker.ts";
import type { Step, StepResult } from "../steps/step.ts";
import { secretsInUrl } from "../url_secrets.ts";
import { OptionReader } from "../config/option_reader.ts";

/** Parts of a runner that masking needs. */
interface MaskingContext {
  readonly masker: Masker;
  readonly logger: Logger;
  readonly host: Host;
}

/** Input of {@linkcode secretsOfSettings}. */
export interface SecretsInput {
  /** Settings, which are not validated yet. */
  readonly settings: Settings;
  /** Environment of the runner. */
  readonly env: Readonly<Record<string, string>>;
  /** Base directory for relative paths. */
  readonly cwd: string;
  /**
   * Variables of the job.
   *
   * @default {the variables in the settings}
   */
  readonly jobEnv?: Readonly<Record<string, string>>;
  /**
   * Steps of the job, with their own variables and commands.
   *
   * @default {none}
   */
  readonly steps?: readonly Step[];
  /**
   * Whether the settings include the job file. If they do and list no secrets,
   * every variable of the job is secret.
   *
   * @default {true}
   */
  readonly hasJobFile?: boolean;
}

/** Secrets in the settings of a job. */
export interface SettingsSecrets {
  /** The secrets. */
  readonly secrets: readonly KnownSecret[];
  /** Names in `secret_env_names` that no variable has. */
  readonly unknownNames: readonly string[];
  /** Minimum length of a secret that is masked, in bytes. */
  readonly minBytes: number;
}

/**
 * Maximum size of a file of secrets that is read before validation, in bytes.
 */
const MAX_FILE_BYTES = 1024 * 1024;

/** Value of `secret_env_names` for an empty list, in any letter case. */
const NO_NAMES = "none";

/** Reference to a secret, which the value does not contain yet. */
const REFERENCE = /\$\{(?:secret|env):/;

/**
 * Finds the secrets in settings, which may be invalid: errors about them must
 * be masked as well.
 *
 * @param input Settings and environment.
 */
export function secretsOfSettings(
  input: SecretsInput,
): SettingsSecrets {
  const { settings, env, cwd, steps = [], hasJobFile = true } = input;
  const otherNames = stepVariables(steps);
  const commands = steps.flatMap(({ run }) =>
    typeof run === "function" ? [] : run
  );
  // Problems are reported when the settings are validated.
  const reader = new OptionReader(settings, { cwd });
  const jobEnv = input.jobEnv ?? reader.read("job_env");
  const secretEnvNames = reader.read("secret_env_names");
  const secretValues = reader.read("secret_values_list");
  const file = fileSecrets(settings, cwd);
  const saysNone = secretEnvNames?.length === 1 &&
    secretEnvNames[0].toLowerCase() === NO_NAMES;
  const unknownNames = saysNone
    ? []
    : (secretEnvNames ?? []).filter((name) =>
      ![env, jobEnv].some((variables) => Object.hasOwn(variables, name)) &&
      !otherNames.includes(name) && !file.some((one) => one.name === name) &&
      !name.startsWith(`${Variable.output}_`)
    );
  const hidesJobEnv = hasJobFile &&
    (unknownNames.length > 0 ||
      secretEnvNames === undefined && secretValues === undefined);
  const secrets = collectSecrets({
    env,
    jobEnv: withoutReferences(jobEnv),
    secretEnvNames: secretEnvNames ?? [],
    secretEnvPatterns: reader.read("secret_env_patterns"),
    secretValues: secretValues ?? [],
    hidesJobEnv,
  });
  const minBytes = reader.read("mask_min_length");
  return {
    secrets: [
      ...secrets,
      ...settingsSecrets(settings),
      ...urlSecrets({ command: commands.join("\n") }),
      ...file,
    ],
    unknownNames,
    minBytes,
  };
}

/**
 * Adds the secrets of the environment and of the caller's settings to a masker.
 *
 * @param masker Masker.
 * @param host The process around the runner.
 * @param layer Settings of the caller.
 * @param options Whether these are all settings.
 */
export function maskEnvironment(
  masker: Masker,
  { env, cwd }: Pick<Host, "env" | "cwd">,
  layer: Layer,
  options: Pick<SecretsInput, "hasJobFile">,
): void {
  const settings = new Settings();
  settings.add(defaultLayer());
  settings.add(environmentLayer(env));
  settings.add(layer);
  const { secrets, minBytes } = secretsOfSettings({
    settings,
    env,
    cwd,
    ...options,
  });
  masker.minBytes = minBytes;
  for (const secret of secrets) maskSecret(masker, secret);
}

/** Parts of a job definition that may contain secrets. */
export interface DefinedJob {
  /** Variables of the job. */
  readonly env?: Readonly<Record<string, string>>;
  /** Commands, and other texts that may contain URLs. */
  readonly texts: readonly (string | undefined)[];
}

/**
 * Masks the secrets in job definitions, which are found by the names of
 * variables and in URLs. Definitions are printed, or submitted to a coordinator
 * whose answer may quote them.
 *
 * @param jobs Definitions.
 */
export function maskDefinitions(
  { masker, host: { env, cwd } }: Pick<MaskingContext, "masker" | "host">,
  jobs: readonly DefinedJob[],
): void {
  const settings = new Settings();
  settings.add(defaultLayer());
  settings.add(environmentLayer(env));
  const reader = new OptionReader(settings, { cwd });
  const patterns = reader.read("secret_env_patterns");
  for (const { env = {}, texts } of jobs) {
    const variables = withoutReferences(env);
    const secrets = [
      ...matchingSecrets(variables, patterns),
      ...urlSecrets({ ...variables, texts: texts.join("\n") }),
    ];
    for (const { value } of secrets) masker.add(value);
  }
}

/**
 * Applies the configuration of masking.
 *
 * @param config Configuration of the job.
 */
export function setUpMasker(
  { masker, logger }: Pick<MaskingContext, "masker" | "logger">,
  { secrets: { minBytes, mask } }: JobConfig,
): void {
  masker.minBytes = minBytes;
  masker.setEnabled(mask);
  if (mask) return;
  // An error, so that it is printed at every log level.
  logger.error("secrets", "MASKING IS OFF: secrets are printed as they are");
}

/** Returns the names of variables that only steps have. */
export function stepVariables(steps: readonly Step[]): string[] {
  return steps.flatMap(({ env = {}, forEach, itemVar = "ITEM", matrix }) => [
    ...Object.keys(env),
    ...forEach ? [itemVar] : [],
    ...Object.keys(matrix?.axes ?? {}),
    ...matrix?.include?.flatMap((one) => Object.keys(one)) ?? [],
  ]);
}

function settingsSecrets(settings: Settings): KnownSecret[] {
  return settings.texts().flatMap(([name, text]) =>
    name.endsWith("_url")
      ? secretsInUrl(text).map((value) => ({ name, value, rule: IN_URL }))
      : urlSecrets({ [name]: text })
  );
}

function withoutReferences(
  variables: Readonly<Record<string, string>>,
): Record<string, string> {
  return Object.fromEntries(
    Object.entries(variables).filter(([, value]) => !REFERENCE.test(value)),
  );
}

/** Reads the variables of the secrets file of a nested container. */
function fileSecrets(settings: Settings, cwd: string): KnownSecret[] {
  const path = settings.get("secrets_file")?.value;
  if (typeof path !== "string" || path === "") return [];
  const text = readText(path.startsWith("/") ? path : `${cwd}/${path}`);
  const { env } = parseEnvLines(text);
  return Object.entries(env).filter(([, value]) => value !== "")
    .map(([name, value]) => ({ name, value, rule: "file of secrets" }));
}

/**
 * Returns an empty string for an unusable file; `readSecretsFile()` reports the
 * problem.
 */
function readText(path: string): string {
  try {
    const { isFile, size } = Deno.statSync(path);
    return isFile && size <= MAX_FILE_BYTES ? Deno.readTextFileSync(path) : "";
  } catch {
    return "";
  }
}

/**
 * Masks the reasons in the result of a step.
 *
 * @param result The result.
 * @param mask Masks a text.
 * @returns The masked result; the same object if it contains no reason.
 */
export function maskedResult(
  result: StepResult,
  mask: (text: string) => string,
): StepResult {
  const { reason, attemptResults } = result;
  if (reason === undefined && attemptResults.length < 2) return result;
  return {
    ...result,
    ...reason === undefined ? {} : { reason: mask(reason) },
    attemptResults: attemptResults.map((attempt) =>
      attempt.reason === undefined
        ? attempt
        : { ...attempt, reason: mask(attempt.reason) }
    ),
  };
}
