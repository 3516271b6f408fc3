import {
  isSystemName,
  SECRET_VARIABLES,
  Variable,
} from "../environment/variables.ts";
import type { Masker } from "./masker.ts";
import { decoded, secretsInText } from "../url_secrets.ts";

/** A value that is masked, and why. */
export interface KnownSecret {
  /** Name of the variable, or what else the value is called. */
  readonly name: string;
  /** The secret itself. */
  readonly value: string;
  /** What makes it a secret, in a few words. */
  readonly rule: string;
}

/** What {@linkcode collectSecrets} looks through. */
export interface SecretSources {
  /** Variables of the job's command. */
  readonly jobEnv: Readonly<Record<string, string>>;
  /** Environment of the runner. */
  readonly env: Readonly<Record<string, string>>;
  /** Names of variables that hold secrets. */
  readonly secretEnvNames: readonly string[];
  /** Patterns of the names of variables that hold secrets. */
  readonly secretEnvPatterns: readonly string[];
  /** Secrets themselves. */
  readonly secretValues: readonly string[];
  /** Whether all variables of the job are secret, as nothing says which are. */
  readonly hidesJobEnv: boolean;
}

/** Why a variable is masked of which nothing says whether it is secret. */
export const GUESS = "variable of the job";

/**
 * Has a secret masked.
 *
 * @returns Whether it is; a short one is not.
 */
export function maskSecret(
  masker: Pick<Masker, "add" | "addGuess">,
  { value, rule }: Pick<KnownSecret, "value" | "rule">,
): boolean {
  return rule === GUESS ? masker.addGuess(value) : masker.add(value);
}

/** Parts of a name that say so, alone and as a word of their own. */
const SECRET_WORD =
  /PASS|PWD|SECRET|TOKEN|KEY|CRED|AUTH|PRIVATE|SIGN|SALT|PHRASE|COOKIE|SESSION|CERT|BEARER|MNEMONIC|(?:^|_)(?:PIN|PW|OTP|TOTP|MFA|PSK|JWT|HMAC|SAS|SEED|DSN)(?:_|$)/i;

/** Why what is secret in a URL is a secret. */
export const IN_URL = "in a URL";

/** Values that no rule by itself takes for a secret: masking them hides nothing. */
const COMMON_VALUES: readonly string[] = [
  ...["true", "false", "null", "none", "yes", "no", "on", "off"],
];

/**
 * Finds what is to be masked before a job starts.
 *
 * - The values of the listed variables, of the job and of the runner, and of
 *   those whose names match a pattern.
 * - The listed values.
 * - Where nothing says which variables of the job are secret, every one whose
 *   name does not start with `REACTORCIDE_` or `RC_WF_`, but for words like
 *   `true`.
 * - Always the tokens and passwords of the runner itself, and the passwords,
 *   tokens and signatures in URLs and in headers for git and for collectors of
 *   OpenTelemetry, also in variables.
 *
 * @param sources Where to look.
 * @returns Secrets; the same value may have several names.
 */
export function collectSecrets(sources: SecretSources): KnownSecret[] {
  const { jobEnv, env, secretEnvNames, secretValues, hidesJobEnv } = sources;
  const all = [env, jobEnv].flatMap((values) => [
    ...namedSecrets(values, secretEnvNames, "listed name"),
    ...namedSecrets(values, SECRET_VARIABLES, "always secret"),
    ...matchingSecrets(values, sources.secretEnvPatterns),
    ...urlSecrets(values),
    ...headerSecrets(values),
    ...collectorSecrets(values),
  ]);
  for (const value of secretValues) {
    all.push({ name: "secret_values_list", value, rule: "listed value" });
  }
  if (hidesJobEnv) {
    for (const [name, value] of Object.entries(jobEnv)) {
      if (isSystemName(name) || isCommon(value)) continue;
      const rule = SECRET_WORD.test(name) ? "named like a secret" : GUESS;
      all.push({ name, value, rule });
    }
  }
  return withoutRepetition(all);
}

/**
 * Finds secrets by the names of their variables.
 *
 * @param values Variables.
 * @param names Names.
 * @param rule Why they are secret.
 * @returns Those that are there and not empty.
 */
export function namedSecrets(
  values: Readonly<Record<string, string>>,
  names: readonly string[],
  rule: string,
): KnownSecret[] {
  return names
    .filter((name) => Object.hasOwn(values, name) && values[name] !== "")
    .map((name) => ({ name, value: values[name], rule }));
}

/**
 * Finds secrets by patterns that the names of their variables match.
 *
 * @param values Variables.
 * @param patterns Patterns.
 * @returns Those that match, but for words like `true`.
 */
export function matchingSecrets(
  values: Readonly<Record<string, string>>,
  patterns: readonly string[],
): KnownSecret[] {
  const match = nameMatcher(patterns);
  return Object.entries(values).flatMap(([name, value]) => {
    const pattern = match(name);
    return pattern === undefined || isCommon(value)
      ? []
      : [{ name, value, rule: `name matches ${pattern}` }];
  });
}

/**
 * Finds what is secret in the URLs that variables hold: passwords, tokens,
 * signatures.
 *
 * @param values Variables.
 */
export function urlSecrets(
  values: Readonly<Record<string, string>>,
): KnownSecret[] {
  return Object.entries(values).flatMap(([name, text]) =>
    secretsInText(text).map((value) => ({ name, value, rule: IN_URL }))
  );
}

/**
 * Finds credentials in the headers that git is configured to send, by
 * `GIT_CONFIG_KEY_0=http.extraHeader` and the like.
 *
 * @param values Variables.
 * @returns Credentials as they are written and, of `Basic`, decoded.
 */
export function headerSecrets(
  values: Readonly<Record<string, string>>,
): KnownSecret[] {
  return Object.entries(values).flatMap(([name, key]) => {
    const [, index] = /^GIT_CONFIG_KEY_(\d+)$/.exec(name) ?? [];
    if (index === undefined || !/\.extraheader$/i.test(key)) return [];
    const variable = `GIT_CONFIG_VALUE_${index}`;
    const [, scheme = "", credential] =
      /^[^:]+:\s*(?:(\w+)\s+)?(\S+)\s*$/.exec(values[variable] ?? "") ?? [];
    if (credential === undefined || isCommon(credential)) return [];
    const found = /^basic$/i.test(scheme)
      ? [credential, ...passwordOf(credential)]
      : [credential];
    const rule = "in a header for git";
    return found.map((value) => ({ name: variable, value, rule }));
  });
}

/** Variables with headers for collectors of OpenTelemetry. */
const COLLECTOR_HEADERS = [
  Variable.otlpHeaders,
  Variable.otlpTracesHeaders,
  Variable.otlpMetricsHeaders,
  "OTEL_EXPORTER_OTLP_LOGS_HEADERS",
];

/** Minimum length of a header that may be a secret whatever its name is. */
const MIN_HEADER_LENGTH = 16;

/**
 * Finds credentials in the headers for collectors of OpenTelemetry.
 *
 * @param values Variables.
 * @returns Credentials as they are written and as they are sent, with and
 * without the scheme and, of `Basic`, the password.
 */
export function collectorSecrets(
  values: Readonly<Record<string, string>>,
): KnownSecret[] {
  const rule = "in a header for a collector";
  return COLLECTOR_HEADERS.flatMap((variable) => {
    if (!Object.hasOwn(values, variable)) return [];
    return headerList(values[variable])
      .filter(({ name, value }) => isCredential(name, value))
      .flatMap(({ written, value }) => {
        const [, scheme, credential] = /^(\w+)\s+(\S+)$/.exec(value) ?? [];
        if (credential === undefined) return [written, value];
        const bare = written.replace(/^\w+(?:%20|\s)+/i, "");
        const password = /^basic$/i.test(scheme) ? passwordOf(credential) : [];
        return [written, value, bare, credential, ...password];
      })
      .map((value) => ({ name: variable, value, rule }));
  });
}

/**
 * Checks whether a header for a collector is a credential, and not the name of
 * a tenant or a data set.
 */
export function isCredential(name: string, value: string): boolean {
  if (value.trim() === "") return false;
  return SECRET_WORD.test(name) || value.length >= MIN_HEADER_LENGTH;
}

/** A header as a variable lists it. */
export interface ListedHeader {
  /** Its name. */
  readonly name: string;
  /** Its value, percent-encoded. */
  readonly written: string;
  /** Its value. */
  readonly value: string;
}

/**
 * Reads a list `name=value,name=value` with percent-encoded values, as
 * variables of OpenTelemetry hold.
 */
export function headerList(text: string): ListedHeader[] {
  return text.split(",").flatMap((pair): ListedHeader[] => {
    const at = pair.indexOf("=");
    const name = pair.slice(0, at).trim();
    if (at < 0 || name === "") return [];
    const written = pair.slice(at + 1).trim();
    return [{ name, written, value: decoded(written) }];
  });
}

/** Password of `user:password` in base64. */
function passwordOf(credential: string): string[] {
  try {
    const [, ...password] = atob(credential).split(":");
    return password.join(":") === "" ? [] : [password.join(":")];
  } catch {
    // It is not base64: there is nothing else to find in it.
    return [];
  }
}

function isCommon(value: string): boolean {
  return value === "" || COMMON_VALUES.includes(value.toLowerCase());
}

function withoutRepetition(secrets: readonly KnownSecret[]): KnownSecret[] {
  const seen = new Set<string>();
  return secrets.filter(({ name, value }) => {
    const key = `${name}\0${value}`;
    return !seen.has(key) && seen.add(key);
  });
}

/** Finds the pattern that a name matches. */
export type NameMatcher = (name: string) => string | undefined;

/**
 * Creates a matcher of patterns in which `*` stands for any text, also for none.
 *
 * Every job looks through its whole environment, once; to compile regular
 * expressions for that would take longer than the rest of it.
 *
 * @param patterns Patterns; case does not matter.
 * @returns Finds the first pattern that a whole name matches.
 */
export function nameMatcher(patterns: readonly string[]): NameMatcher {
  const rules = patterns.map((pattern) => ({
    pattern,
    parts: pattern.toUpperCase().split("*"),
  }));
  return (name) => {
    const text = name.toUpperCase();
    return rules.find(({ parts }) => matches(text, parts))?.pattern;
  };
}

/** Checks whether a text is made of these parts with anything between them. */
function matches(text: string, parts: readonly string[]): boolean {
  if (parts.length === 1) return text === parts[0];
  const last = parts.at(-1)!;
  if (!text.startsWith(parts[0])) return false;
  let at = parts[0].length;
  for (const part of parts.slice(1, -1)) {
    const found = text.indexOf(part, at);
    if (found === -1) return false;
    at = found + part.length;
  }
  return text.length - last.length >= at && text.endsWith(last);
}
