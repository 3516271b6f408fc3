import type { Logger } from "../output/logger.ts";
import {
  GUESS,
  IN_URL,
  type KnownSecret,
  maskSecret,
} from "../secrets/collect.ts";
import { suggest } from "../suggest.ts";
import {
  type SecretsInput,
  secretsOfSettings,
  stepVariables,
} from "./mask_secrets.ts";
import type { RunnerContext } from "./runner_context.ts";

/** Secrets that are known before the job starts, and their masking. */
export class KnownSecrets {
  /** The secrets, with the rules that found them. */
  readonly all: KnownSecret[] = [];
  readonly #runner: Pick<RunnerContext, "masker" | "logger">;
  readonly #keys = new Set<string>();
  /**
   * Results for values that were masked before, since computing their encoded
   * forms takes time.
   */
  readonly #values = new Map<string, boolean>();

  /**
   * Creates an empty set.
   *
   * @param runner Masker and logger of the runner.
   */
  constructor(runner: Pick<RunnerContext, "masker" | "logger">) {
    this.#runner = runner;
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
 * Describes the names in `secret_env_names` that no variable has.
 *
 * @param input Settings and environment, with the variables of the job.
 * @returns A problem for each name, phrased to follow the key.
 */
export function unknownSecretNames(input: SecretsInput): string[] {
  const { env, jobEnv = {}, steps = [] } = input;
  const { unknownNames } = secretsOfSettings(input);
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

/** Maximum number of names that {@linkcode logGuessedSecrets} prints. */
const MAX_NAMES = 10;

/** Logs which variables are masked only because no secrets are listed. */
export function logGuessedSecrets(
  input: SecretsInput,
  logger: Logger,
): void {
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
  const hidden = names.length - MAX_NAMES;
  const shown = names.slice(0, MAX_NAMES).join(", ") +
    (hidden > 0 ? ` and ${hidden} more` : "");
  logger.info(
    "secrets",
    `Masked because no secrets are listed: ${shown}. List the secret ones with --secret-env-names or secret_env_names, or none`,
  );
}
