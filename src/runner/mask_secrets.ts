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
  GUESS,
  IN_URL,
  type KnownSecret,
  maskSecret,
  matchingSecrets,
  urlSecrets,
} from "../secrets/collect.ts";
import type { Logger } from "../output/logger.ts";
import type { Masker } from "../secrets/masker.ts";
import type { Step, StepResult } from "../steps/step.ts";
import { suggest } from "../suggest.ts";
import { secretsInUrl } from "../url_secrets.ts";
import { OptionReader } from "../config/option_reader.ts";

/** What masking needs of a runner. */
interface MaskingContext {
  readonly masker: Masker;
  readonly logger: Logger;
  readonly host: Host;
}

/** What {@linkcode secretsOfSettings} looks through. */
export interface SecretSurroundings {
  /** Settings, which may be wrong: nothing has validated them yet. */
  readonly settings: Settings;
  /** Environment of the runner. */
  readonly env: Readonly<Record<string, string>>;
  /** Directory against which relative paths are read. */
  readonly cwd: string;
  /**
   * Variables of the job, which replace those of the settings.
   *
   * @default {those of the settings}
   */
  readonly jobEnv?: Readonly<Record<string, string>>;
  /**
   * Steps of the job, which have variables and commands of their own.
   *
   * @default {none}
   */
  readonly steps?: readonly Step[];
  /**
   * Whether every variable of the job is secret when no secrets are listed.
   * Without the job file it is not known whether there are.
   *
   * @default {true}
   */
  readonly hasJobFile?: boolean;
}

/** What is secret in the settings of a job. */
export interface SettingsSecrets {
  /** The secrets. */
  readonly secrets: readonly KnownSecret[];
  /** Names that `secret_env_names` lists, and no variable has. */
  readonly unknownNames: readonly string[];
  /** Minimum length of a secret that is masked, in bytes. */
  readonly minBytes: number;
}

/** Maximum size of a file of secrets that is looked through early, in bytes. */
const MAX_FILE_BYTES = 1024 * 1024;

/** What `secret_env_names` says, in any case, where an empty list cannot be written. */
const NO_NAMES = "none";

/** A value that is not the secret yet, but refers to it. */
const REFERENCE = /\$\{(?:secret|env):/;

/**
 * Finds what is secret in settings, valid or not: the error about an invalid one
 * must be masked, too.
 *
 * @param surroundings Settings and environment.
 */
export function secretsOfSettings(
  surroundings: SecretSurroundings,
): SettingsSecrets {
  const { settings, env, cwd, steps = [], hasJobFile = true } = surroundings;
  const otherNames = stepVariables(steps);
  const commands = steps.flatMap(({ run }) =>
    typeof run === "function" ? [] : run
  );
  // What is wrong is reported when the settings are validated.
  const reader = new OptionReader(settings, { cwd });
  const jobEnv = surroundings.jobEnv ?? reader.read("job_env");
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
 * Has what is secret in the environment masked, and in what the caller says.
 *
 * @param masker Masker.
 * @param host The process around the runner.
 * @param layer What the caller says.
 * @param options Whether these are all the settings that there are.
 */
export function maskEnvironment(
  masker: Masker,
  { env, cwd }: Pick<Host, "env" | "cwd">,
  layer: Layer,
  options: Pick<SecretSurroundings, "hasJobFile">,
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

/** What of the definition of a job may be secret. */
export interface DefinedJob {
  /** Its variables. */
  readonly env?: Readonly<Record<string, string>>;
  /** Its commands, and other texts that may hold URLs. */
  readonly texts: readonly (string | undefined)[];
}

/**
 * Has what is secret in the definitions of jobs masked, by the names of
 * variables and in URLs: they are shown, or handed over to a coordinator whose
 * answer may repeat them.
 *
 * @param parts The context of the runner.
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
 * Has the masker mask as the caller of the runner wants.
 *
 * @param parts The context of the runner.
 * @param config Configuration of the job.
 */
export function setUpMasker(
  { masker, logger }: Pick<MaskingContext, "masker" | "logger">,
  { secrets: { minBytes, mask } }: JobConfig,
): void {
  masker.minBytes = minBytes;
  masker.turn(mask);
  if (mask) return;
  // No level of the log is to hide this.
  logger.error("secrets", "MASKING IS OFF: secrets are printed as they are");
}

/**
 * Finds the names in `secret_env_names` that no variable has.
 *
 * @param surroundings Settings and environment, with the variables of the job.
 * @returns What is wrong with each, worded to follow the key.
 */
export function unknownSecretNames(surroundings: SecretSurroundings): string[] {
  const { env, jobEnv = {}, steps = [] } = surroundings;
  const { unknownNames } = secretsOfSettings(surroundings);
  const names = [...stepVariables(steps), ...Object.keys(jobEnv)];
  const others = Object.keys(env);
  return unknownNames.map((name) => {
    const near = suggest(name, names) ?? suggest(name, others);
    const hint = near !== undefined
      ? ` (did you mean ${JSON.stringify(near)}?)`
      : name.includes("*")
      ? " (patterns belong in secret_env_patterns)"
      : "";
    return `no variable has the name ${JSON.stringify(name)}${hint}`;
  });
}

/**
 * Warns about names in `secret_env_names` that no variable has.
 *
 * @param surroundings Settings and environment, with the variables of the job.
 * @param logger Logger of the runner.
 */
export function warnOfUnknownSecretNames(
  surroundings: SecretSurroundings,
  logger: Logger,
): void {
  for (const problem of unknownSecretNames(surroundings)) {
    logger.warn(
      "secrets",
      `secret_env_names: ${problem}; all variables of the job are masked`,
    );
  }
}

/** Maximum number of names in the note about guesses. */
const MAX_NAMES = 10;

/**
 * Logs which variables are masked only because nothing says which of them are
 * secret.
 */
export function noteGuesses(
  surroundings: SecretSurroundings,
  logger: Logger,
): void {
  const { secrets } = secretsOfSettings(surroundings);
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
  const hidden = names.length - MAX_NAMES;
  const shown = names.slice(0, MAX_NAMES).join(", ") +
    (hidden > 0 ? ` and ${hidden} more` : "");
  logger.info(
    "secrets",
    `Masked because no secrets are listed: ${shown}. List the secret ones with --secret-env-names or secret_env_names, or none`,
  );
}

/** Names of the variables that only steps have. */
function stepVariables(steps: readonly Step[]): string[] {
  return steps.flatMap(({ env = {}, forEach, itemVar = "ITEM", matrix }) => [
    ...Object.keys(env),
    ...forEach ? [itemVar] : [],
    ...Object.keys(matrix?.axes ?? {}),
    ...matrix?.include?.flatMap((one) => Object.keys(one)) ?? [],
  ]);
}

/** The secrets that a job knows before it starts, and what masks them. */
export class KnownSecrets {
  /** The secrets, and why they are secret. */
  readonly all: KnownSecret[] = [];
  readonly #parts: Pick<MaskingContext, "masker" | "logger">;
  readonly #keys = new Set<string>();
  /** Values that the masker has, since finding their forms takes time. */
  readonly #values = new Map<string, boolean>();

  /**
   * Creates an empty set.
   *
   * @param parts Masker and logger of the runner.
   */
  constructor(parts: Pick<MaskingContext, "masker" | "logger">) {
    this.#parts = parts;
  }

  /**
   * Masks secrets from here on, and warns about those that are too short.
   *
   * @param secrets Secrets; those that are known change nothing.
   */
  add(secrets: readonly KnownSecret[]): void {
    for (const secret of secrets) {
      const { name, value, rule } = secret;
      const key = `${name}\0${value}`;
      if (this.#keys.has(key)) continue;
      this.#keys.add(key);
      this.all.push(secret);
      // Of a URL, it is not known whether all that is hidden is secret.
      if (!this.mask(secret) && rule !== IN_URL) {
        this.#parts.logger.warn("secrets", `${name} is too short to mask`);
      }
    }
  }

  /**
   * Masks a secret, unless that was done before.
   *
   * @returns Whether it is masked; a short one is not.
   */
  mask(secret: KnownSecret): boolean {
    const { masker } = this.#parts;
    const key = `${masker.minBytes} ${secret.rule === GUESS} ${secret.value}`;
    const known = this.#values.get(key);
    if (known !== undefined) return known;
    const isMasked = maskSecret(masker, secret);
    this.#values.set(key, isMasked);
    return isMasked;
  }
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

/** The variables of a nested container's own file. */
function fileSecrets(settings: Settings, cwd: string): KnownSecret[] {
  const path = settings.get("secrets_file")?.value;
  if (typeof path !== "string" || path === "") return [];
  const text = readText(path.startsWith("/") ? path : `${cwd}/${path}`);
  const { env } = parseEnvLines(text);
  return Object.entries(env).filter(([, value]) => value !== "")
    .map(([name, value]) => ({ name, value, rule: "file of secrets" }));
}

/** The reader of the file reports what is wrong with it. */
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
 * @returns The result, itself if there is no reason in it.
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
