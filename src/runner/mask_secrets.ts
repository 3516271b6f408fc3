import type { JobConfig } from "../config/job_config.ts";
import { OptionReader } from "../config/option_reader.ts";
import {
  defaultLayer,
  environmentLayer,
  type Layer,
  Settings,
} from "../config/settings.ts";
import { parseEnvLines } from "../config/text_values.ts";
import { Variable } from "../environment/variables.ts";
import type { Host } from "../host.ts";
import { absolutePath } from "../job_path.ts";
import { getDefault } from "../options/options.ts";
import type { Logger } from "../output/logger.ts";
import {
  collectSecrets,
  GUESS,
  IN_URL,
  type KnownSecret,
  nameMatcher,
  urlSecrets,
  withoutReferences,
} from "../secrets/collect.ts";
import type { Masker } from "../secrets/masker.ts";
import type { Step } from "../steps/step.ts";
import { listed, suggest } from "../suggest.ts";
import { secretsInUrl } from "../url_secrets.ts";

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
  /** Variables of the job. */
  readonly jobEnv: Readonly<Record<string, string>>;
}

/**
 * Maximum size of a secrets file that is read before validation, in bytes.
 */
const MAX_FILE_BYTES = 1024 * 1024;

/** Maximum number of names that {@linkcode logGuessedSecrets} prints. */
const MAX_NAMES = 10;

/** Rule for variables of the secrets file. */
export const IN_SECRETS_FILE = "in the secrets file";

/** Value of `secret_env_names` for an empty list, in any letter case. */
const NO_NAMES = "none";

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
  const otherNames = listStepVariables(steps);
  const commands = steps.flatMap(({ run }) =>
    typeof run === "function" ? [] : run
  );
  // Problems are reported when the settings are validated.
  const reader = new OptionReader(settings, { cwd });
  const jobEnv = input.jobEnv ?? reader.read("job_env");
  const secretEnvNames = reader.read("secret_env_names");
  const secretValues = reader.read("secret_values_list");
  const file = readFileSecrets(settings, cwd);
  const unknownNames = isNone(secretEnvNames)
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
    secretEnvPatterns: effectivePatterns(
      reader.read("secret_env_patterns"),
      [...Object.keys(env), ...Object.keys(jobEnv), ...otherNames],
    ),
    secretValues: secretValues ?? [],
    hidesJobEnv,
  });
  const minBytes = reader.read("mask_min_length");
  return {
    secrets: [
      ...secrets,
      ...findSettingSecrets(settings),
      ...urlSecrets({ command: commands.join("\n") }),
      ...file,
    ],
    unknownNames,
    minBytes,
    jobEnv,
  };
}

/** Checks whether a list is empty on purpose. */
function isNone(names: readonly string[] = []): boolean {
  return names.length === 1 && names[0].toLowerCase() === NO_NAMES;
}

/**
 * Adds the default patterns if no variable matches the given ones: they are
 * probably misspelled, and must not unmask what is masked without them.
 */
function effectivePatterns(
  patterns: readonly string[],
  names: readonly string[],
): readonly string[] {
  if (patterns.length === 0 || isNone(patterns)) return [];
  const defaults = getDefault("secret_env_patterns");
  if (patterns.join() === defaults) return patterns;
  const match = nameMatcher(patterns);
  if (names.some((name) => match(name) !== undefined)) return patterns;
  return [...patterns, ...defaults.split(",")];
}

/**
 * Adds the secrets of the environment and of the caller's settings to a masker.
 *
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

/** Applies the configuration of masking. */
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

/** Lists the names of variables that only steps have. */
function listStepVariables(steps: readonly Step[]): string[] {
  return steps.flatMap(({ env = {}, forEach, itemVar = "ITEM", matrix }) => [
    ...Object.keys(env),
    ...forEach ? [itemVar] : [],
    ...Object.keys(matrix?.axes ?? {}),
    ...matrix?.include?.flatMap((one) => Object.keys(one)) ?? [],
  ]);
}

function findSettingSecrets(settings: Settings): KnownSecret[] {
  return settings.texts().flatMap(([name, text]) =>
    name.endsWith("_url")
      ? secretsInUrl(text).map((value) => ({ name, value, rule: IN_URL }))
      : urlSecrets({ [name]: text })
  );
}

/** Reads the variables of the secrets file of a nested container. */
function readFileSecrets(settings: Settings, cwd: string): KnownSecret[] {
  const path = settings.get("secrets_file")?.value;
  if (typeof path !== "string" || path === "") return [];
  const text = readText(absolutePath(path, cwd));
  const { env } = parseEnvLines(text);
  return Object.entries(env).filter(([, value]) => value !== "")
    .map(([name, value]) => ({ name, value, rule: IN_SECRETS_FILE }));
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

/** The state of a run from which its secrets are collected. */
interface MaskedRun {
  readonly runner: MaskingContext;
  readonly settings: Settings;
  readonly isValidated: boolean;
  readonly jobEnv: Readonly<Record<string, string>>;
  readonly secrets: KnownSecrets;
  readonly ownSteps: readonly Step[] | undefined;
  readonly steps: readonly Step[] | undefined;
  readonly addedSteps: readonly Step[];
}

/**
 * Adds all known secrets of a run to the masker. Until the settings are
 * validated, their secrets are found in the raw values.
 */
export function fillMasker(run: MaskedRun): void {
  const { secrets, minBytes } = run.secrets.find(secretsInput(run));
  if (run.isValidated) return run.secrets.add(secrets);
  run.runner.masker.minBytes = minBytes;
  for (const secret of secrets) run.secrets.mask(secret);
}

/** Returns the settings, variables and steps in which to find secrets. */
export function secretsInput(run: MaskedRun): SecretsInput {
  const { settings, isValidated, jobEnv, runner: { host: { env, cwd } } } = run;
  return {
    settings,
    env,
    cwd,
    ...isValidated ? { jobEnv } : {},
    steps: allSteps(run),
  };
}

/** Returns all known steps, including those of plugins. */
function allSteps(
  { ownSteps, steps, addedSteps }: MaskedRun,
): readonly Step[] {
  return [...ownSteps ?? steps ?? [], ...addedSteps];
}

/** Secrets of a job without steps, and what they were found in. */
interface FoundSecrets {
  readonly settings: Settings;
  readonly changeCount: number;
  readonly found: SettingsSecrets;
}

/** Secrets that are known before the job starts, and their masking. */
export class KnownSecrets {
  /** The secrets, with the rules that found them. */
  readonly all: KnownSecret[] = [];
  readonly #runner: Pick<MaskingContext, "masker" | "logger">;
  readonly #keys = new Set<string>();
  /**
   * Results for values that were masked before, since computing their encoded
   * forms takes time.
   */
  readonly #values = new Map<string, boolean>();
  #last: FoundSecrets | undefined;

  /**
   * Creates an empty set.
   *
   * @param runner Masker and logger of the runner.
   */
  constructor(runner: Pick<MaskingContext, "masker" | "logger">) {
    this.#runner = runner;
  }

  /**
   * Finds the secrets in settings of the run, again only if something has
   * changed since the last time. Steps and files are always read again.
   */
  find(input: SecretsInput): SettingsSecrets {
    const { settings, steps = [], jobEnv } = input;
    const { changeCount } = settings;
    const last = this.#last;
    const isUnchanged = last?.settings === settings &&
      last.changeCount === changeCount && steps.length === 0 &&
      JSON.stringify(jobEnv) === JSON.stringify(last.found.jobEnv) &&
      settings.get("secrets_file") === undefined;
    if (isUnchanged) return last.found;
    const found = secretsOfSettings(input);
    this.#last = steps.length === 0
      ? { settings, changeCount, found }
      : undefined;
    return found;
  }

  /**
   * Masks secrets from now on, and warns about those that are too short.
   *
   * @param secrets Secrets; known ones are ignored.
   */
  add(secrets: readonly KnownSecret[]): void {
    for (const secret of secrets) {
      const { name, value, rule } = secret;
      const key = `${name}\0${value}`;
      if (this.#keys.has(key)) continue;
      this.#keys.add(key);
      this.all.push(secret);
      // A masked part of a URL is not necessarily a secret.
      if (!this.mask(secret) && rule !== IN_URL) {
        this.#runner.logger.warn("secrets", `${name} is too short to mask`);
      }
    }
  }

  /**
   * Masks a secret, unless it is masked already.
   *
   * @returns Whether the secret is masked; a short one is not.
   */
  mask(secret: KnownSecret): boolean {
    const { masker } = this.#runner;
    const key = `${masker.minBytes} ${secret.rule === GUESS} ${secret.value}`;
    const known = this.#values.get(key);
    if (known !== undefined) return known;
    const isMasked = maskSecret(masker, secret);
    this.#values.set(key, isMasked);
    return isMasked;
  }
}

/**
 * Describes the names in `secret_env_names` without a variable.
 *
 * @param input Settings and environment, with the variables of the job.
 * @returns A problem for each name, phrased to follow the key.
 */
export function unknownSecretNames(input: SecretsInput): string[] {
  const { env, jobEnv = {}, steps = [], settings } = input;
  if (settings.get("secret_env_names") === undefined) return [];
  const { unknownNames } = secretsOfSettings(input);
  const names = [...listStepVariables(steps), ...Object.keys(jobEnv)];
  const others = Object.keys(env);
  return unknownNames.map((name) => {
    const near = suggest(name, names) ?? suggest(name, others);
    const hint = near !== undefined
      ? ` (did you mean ${JSON.stringify(near)}?)`
      : name.includes("*")
      ? " (patterns belong in secret_env_patterns)"
      : "";
    return `there is no variable ${JSON.stringify(name)}${hint}`;
  });
}

/**
 * Warns about names in `secret_env_names` without a variable.
 *
 * @param input Settings and environment, with the variables of the job.
 * @param logger Logger of the runner.
 */
export function warnOfUnknownSecretNames(
  input: SecretsInput,
  logger: Logger,
): void {
  for (const problem of unknownSecretNames(input)) {
    logger.warn(
      "secrets",
      `secret_env_names: ${problem}; all variables of the job are masked`,
    );
  }
}

/** Logs which variables are masked only because no secrets are listed. */
export function logGuessedSecrets(
  input: SecretsInput,
  logger: Logger,
): void {
  const { jobEnv = {} } = input;
  if (Object.keys(jobEnv).length === 0) return;
  const { secrets } = secretsOfSettings(input);
  const certain = new Set(
    secrets.flatMap(({ name, rule }) => rule === GUESS ? [] : [name]),
  );
  const names = [
    ...new Set(
      secrets.flatMap(({ name, rule }) =>
        rule === GUESS && !certain.has(name) ? [name] : []
      ),
    ),
  ];
  if (names.length === 0) return;
  const shown = listed(names, MAX_NAMES);
  logger.info(
    "secrets",
    `Masked because no secrets are listed: ${shown}. List the secret ones with --secret-env-names or secret_env_names, or none`,
  );
}

/**
 * Adds a secret to the masker.
 *
 * @returns Whether the secret is masked; short ones are not.
 */
export function maskSecret(
  masker: Pick<Masker, "add" | "addGuess">,
  { value, rule }: Pick<KnownSecret, "value" | "rule">,
): boolean {
  return rule === GUESS ? masker.addGuess(value) : masker.add(value);
}
