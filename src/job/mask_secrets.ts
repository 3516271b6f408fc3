import { OptionReader } from "../config/option_values.ts";
import type { JobConfig } from "../config/job_config.ts";
import { parseJobEnv } from "../config/job_env.ts";
import { defaultLayer, environmentLayer } from "../config/settings.ts";
import { type Layer, Settings } from "../config/settings.ts";
import { Variable } from "../environment/variables.ts";
import type { Host } from "../host.ts";
import {
  collectSecrets,
  IN_URL,
  type KnownSecret,
  matchingSecrets,
  urlSecrets,
} from "../secrets/collect.ts";
import type { Masker } from "../secrets/masker.ts";
import { secretsInUrl } from "../url_secrets.ts";
import type { JobRun } from "./job_run.ts";
import type { RunnerParts } from "./runner_parts.ts";

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
   * Names of variables that only steps have, or that come later.
   *
   * @default {none}
   */
  readonly otherNames?: readonly string[];
  /**
   * Commands of steps, which may hold URLs.
   *
   * @default {none}
   */
  readonly texts?: readonly string[];
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
  /** Shortest secret that is masked, in bytes. */
  readonly minBytes: number;
}

/** Largest file of secrets that is looked through early, in bytes. */
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
  const { settings, env, cwd, otherNames = [], texts = [], hasJobFile = true } =
    surroundings;
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
      ...urlSecrets({ command: texts.join("\n") }),
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
  for (const { value } of secrets) masker.add(value);
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
 * @param parts What the runner owns.
 * @param jobs Definitions.
 */
export function maskDefinitions(
  { masker, host: { env, cwd } }: Pick<RunnerParts, "masker" | "host">,
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
 * @param parts What the runner owns.
 * @param config Configuration of the job.
 */
export function setUpMasker(
  { masker, logger }: RunnerParts,
  { secrets: { minBytes, mask } }: JobConfig,
): void {
  masker.minBytes = minBytes;
  masker.turn(mask);
  if (mask) return;
  // No level of the log is to hide this.
  logger.error("secrets", "MASKING IS OFF: secrets are printed as they are");
}

/**
 * Masks secrets from here on, and warns about those that are too short.
 *
 * @param run The run.
 * @param secrets Secrets; those that the run knows already change nothing.
 */
export function maskSecrets(
  run: JobRun,
  secrets: readonly KnownSecret[],
): void {
  const { parts: { logger }, secrets: known } = run;
  const keyOf = ({ name, value }: KnownSecret) => `${name}\0${value}`;
  const keys = new Set(known.map(keyOf));
  for (const secret of secrets) {
    if (keys.has(keyOf(secret))) continue;
    keys.add(keyOf(secret));
    known.push(secret);
    // Of a URL, it is not known whether all that is hidden is secret.
    if (!run.addSecret(secret.value) && secret.rule !== IN_URL) {
      logger.warn("secrets", `${secret.name} is too short to mask`);
    }
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
  // A line break in front: the text itself never is the name of a file.
  const { env } = parseJobEnv({ value: `\n${text}`, origin: path }, cwd);
  return Object.entries(env).filter(([, value]) => value !== "")
    .map(([name, value]) => ({ name, value, rule: "file of secrets" }));
}

/** Whoever needs the file says what is wrong with it. */
function readText(path: string): string {
  try {
    const { isFile, size } = Deno.statSync(path);
    return isFile && size <= MAX_FILE_BYTES ? Deno.readTextFileSync(path) : "";
  } catch {
    return "";
  }
}
