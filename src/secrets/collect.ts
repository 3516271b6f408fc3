/** A value that is masked, and why. */
export interface KnownSecret {
  /** Name of the variable, or what else the value is called. */
  readonly name: string;
  /** The secret itself. */
  readonly value: string;
}

/** What {@linkcode collectSecrets} looks through. */
export interface SecretSources {
  /** Variables of the job's command. */
  readonly jobEnv: Readonly<Record<string, string>>;
  /** Environment of the runner. */
  readonly env: Readonly<Record<string, string>>;
  /** Names of variables that hold secrets; `undefined` when nobody said. */
  readonly secretEnvNames: readonly string[] | undefined;
  /** Secrets themselves; `undefined` when nobody said. */
  readonly secretValues: readonly string[] | undefined;
  /** Addresses that may hold a user and a password. */
  readonly urls: readonly string[];
}

/** Values that no rule by itself takes for a secret: masking them hides nothing. */
const COMMON_VALUES = ["true", "false", "null", "none"];

/** What stands for a password in a URL whose user is a token. */
const NO_PASSWORDS = ["", "x-oauth-basic"];

/** Variables that hold a secret, whoever says what. */
const ALWAYS_SECRET = ["REACTORCIDE_API_TOKEN", "REACTORCIDE_SECRETS_PASSWORD"];

/**
 * Finds what is to be masked before a job starts.
 *
 * - The values of the listed variables, of the job and of the runner.
 * - The listed values.
 * - When neither was listed, every variable of the job whose name does not
 *   start with `REACTORCIDE_`, but for words like `true`.
 * - Always the token of the coordinator, the password of the store, and the
 *   passwords in addresses.
 *
 * @param sources Where to look.
 * @returns Secrets, possibly the same one more than once.
 */
export function collectSecrets(sources: SecretSources): KnownSecret[] {
  const { jobEnv, env, secretEnvNames, secretValues, urls } = sources;
  const secrets: KnownSecret[] = [];
  for (const name of [...secretEnvNames ?? [], ...ALWAYS_SECRET]) {
    for (const values of [env, jobEnv]) {
      const value = Object.hasOwn(values, name) && values[name];
      if (value) secrets.push({ name, value });
    }
  }
  for (const value of secretValues ?? []) {
    secrets.push({ name: "secret_values_list", value });
  }
  if (secretEnvNames === undefined && secretValues === undefined) {
    for (const [name, value] of Object.entries(jobEnv)) {
      if (name.startsWith("REACTORCIDE_")) continue;
      if (value !== "" && !COMMON_VALUES.includes(value.toLowerCase())) {
        secrets.push({ name, value });
      }
    }
  }
  for (const url of urls) secrets.push(...passwordsIn(url));
  return secrets;
}

function passwordsIn(url: string): KnownSecret[] {
  const authority = /^([a-z][a-z0-9+.-]*):\/\/([^/?#]*)@/i.exec(url);
  if (authority === null) return [];
  const [, scheme, userInfo] = authority;
  const [, user, password] = /^([^:]*):?(.*)$/s.exec(userInfo)!;
  // Without a password, a user of https is a token; one of ssh is just a name.
  const isToken = /^https?$/i.test(scheme) && NO_PASSWORDS.includes(password);
  const secret = isToken ? user : password;
  return [...new Set([secret, decoded(secret)])]
    .filter((value) => value !== "")
    .map((value) => ({ name: "password in a URL", value }));
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // Not percent-encoded: it is the password as it stands.
    return text;
  }
}
