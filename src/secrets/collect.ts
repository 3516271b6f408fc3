import {
  isSystemName,
  SECRET_VARIABLES,
  Variable,
} from "../environment/variables.ts";
import { decoded, secretsInText } from "../url_secrets.ts";

/** A value to mask, and the reason. */
export interface KnownSecret {
  /** Name of the variable, or of another source of the value. */
  readonly name: string;
  /** The secret. */
  readonly value: string;
  /** Short description of the rule that makes it a secret. */
  readonly rule: string;
}

/** Input of {@linkcode collectSecrets}. */
export interface SecretSources {
  /** Variables of the job's command. */
  readonly jobEnv: Readonly<Record<string, string>>;
  /** Environment of the runner. */
  readonly env: Readonly<Record<string, string>>;
  /** Names of variables that contain secrets. */
  readonly secretEnvNames: readonly string[];
  /** Patterns for names of variables that contain secrets. */
  readonly secretEnvPatterns: readonly string[];
  /** Values of secrets. */
  readonly secretValues: readonly string[];
  /** Whether to treat all variables of the job as secrets. */
  readonly hidesJobEnv: boolean;
}

/** Rule for variables that may or may not be secret. */
export const GUESS = "variable of the job";

/** Parts of names that suggest a secret; short ones must be whole words. */
const SECRET_WORD =
  /PASS|PWD|SECRET|TOKEN|KEY|CRED|AUTH|PRIVATE|SIGN|SALT|PHRASE|COOKIE|SESSION|CERT|BEARER|MNEMONIC|(?:^|_)(?:PIN|PW|OTP|TOTP|MFA|PSK|JWT|HMAC|SAS|SEED|DSN)(?:_|$)/i;

/** Rule for secrets in URLs. */
export const IN_URL = "in a URL";

/** Common values that are masked only if they are listed explicitly. */
const COMMON_VALUES = "true false null none yes no on off".split(" ");

/**
 * Finds the secrets to mask before a job starts.
 *
 * - Values of variables of the job and the runner that are listed, or whose
 *   names match a pattern.
 * - Listed values.
 * - If {@linkcode SecretSources.hidesJobEnv} is set, all variables of the job
 *   except those whose names start with `REACTORCIDE_` or `RC_WF_`, and except
 *   words like `true`.
 * - Always: tokens and passwords of the runner itself; and passwords, tokens
 *   and signatures in URLs and in headers for git and OpenTelemetry collectors,
 *   including those in variables.
 *
 * @param sources Variables, names and values.
 * @returns Secrets; the same value may have several names.
 */
export function collectSecrets(sources: SecretSources): KnownSecret[] {
  const { jobEnv, env, secretEnvNames, secretValues, hidesJobEnv } = sources;
  const all = [env, jobEnv].flatMap((values) => [
    ...namedSecrets(values, secretEnvNames, "listed name"),
    ...namedSecrets(values, SECRET_VARIABLES, "always secret"),
    ...foundSecrets(values, sources.secretEnvPatterns),
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
  return removeDuplicates(all);
}

/**
 * Secrets found in variables; the environment of a runner hardly ever changes.
 */
const foundInVariables = new WeakMap<
  object,
  { readonly text: string; readonly secrets: readonly KnownSecret[] }
>();

/**
 * Finds secrets by the names of their variables, and those that are parts of
 * values, such as URLs and headers.
 */
function foundSecrets(
  values: Readonly<Record<string, string>>,
  patterns: readonly string[],
): readonly KnownSecret[] {
  const text = [...Object.entries(values).flat(), "", ...patterns].join("\0");
  const known = foundInVariables.get(values);
  if (known?.text === text) return known.secrets;
  const secrets = [
    ...matchingSecrets(values, patterns),
    ...urlSecrets(values),
    ...headerSecrets(values),
    ...collectorSecrets(values),
  ];
  foundInVariables.set(values, { text, secrets });
  return secrets;
}

/**
 * Finds secrets by the names of their variables.
 *
 * @param rule Rule that makes them secret.
 * @returns Variables that exist and are not empty.
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

/** Reference to a secret, which the value does not contain yet. */
const REFERENCE = /\$\{(?:secret|env):/;

/** Removes the variables that refer to secrets. */
export function withoutReferences(
  variables: Readonly<Record<string, string>>,
): Record<string, string> {
  return Object.fromEntries(
    Object.entries(variables).filter(([, value]) => !REFERENCE.test(value)),
  );
}

/**
 * Finds secrets by patterns for the names of their variables.
 *
 * @returns Variables that match, except words like `true`.
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
 * Finds secrets in the URLs that variables contain: passwords, tokens and
 * signatures.
 */
export function urlSecrets(
  values: Readonly<Record<string, string>>,
): KnownSecret[] {
  return Object.entries(values).flatMap(([name, text]) =>
    secretsInText(text).map((value) => ({ name, value, rule: IN_URL }))
  );
}

/**
 * Finds credentials in headers that git is configured to send, with variables
 * such as `GIT_CONFIG_KEY_0=http.extraHeader`.
 *
 * @returns Credentials as written, and the decoded password for `Basic`.
 */
function headerSecrets(
  values: Readonly<Record<string, string>>,
): KnownSecret[] {
  return Object.entries(values).flatMap(([name, key]) => {
    const [, index] = /^GIT_CONFIG_KEY_(\d+)$/.exec(name) ?? [];
    if (index === undefined || !/\.extraheader$/i.test(key)) return [];
    const variable = `GIT_CONFIG_VALUE_${index}`;
    const [, content = ""] = /^[^:]+:\s*(.*?)\s*$/s
      .exec(values[variable] ?? "") ?? [];
    const found = headerCredentials(content).filter((value) =>
      !isCommon(value)
    );
    const rule = "in a header for git";
    return found.map((value) => ({ name: variable, value, rule }));
  });
}

/** Minimum length of a secret among several in a header. */
const MIN_PART_LENGTH = 8;

/**
 * Finds the credentials in a header: a word, also after the name of a scheme,
 * or several values, such as those of cookies.
 */
function headerCredentials(content: string): string[] {
  const [, scheme = "", credential] = /^(?:(\w+)\s+)?(\S+)$/.exec(content) ??
    [];
  const password = /^basic$/i.test(scheme) ? decodePassword(credential) : [];
  const parts = Array.from(
    content.matchAll(/(?<==\s*"?)[^\s=",;][^\s",;]*/g),
    ([part]) => part,
  ).filter((part) => part.length >= MIN_PART_LENGTH);
  return [credential ?? content, ...password, ...parts];
}

/** Variables with headers for OpenTelemetry collectors. */
const COLLECTOR_HEADERS = [
  Variable.otlpHeaders,
  Variable.otlpTracesHeaders,
  Variable.otlpMetricsHeaders,
  Variable.otlpLogsHeaders,
];

/** Minimum length of a header value that is a secret regardless of its name. */
const MIN_HEADER_LENGTH = 16;

/**
 * Finds credentials in headers for OpenTelemetry collectors.
 *
 * @returns Credentials as written and as sent, with and without the scheme, and
 * the password for `Basic`.
 */
function collectorSecrets(
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
        const password = /^basic$/i.test(scheme)
          ? decodePassword(credential)
          : [];
        return [written, value, bare, credential, ...password];
      })
      .map((value) => ({ name: variable, value, rule }));
  });
}

/**
 * Checks whether a header for a collector is a credential, rather than the name
 * of a tenant or a data set.
 */
export function isCredential(name: string, value: string): boolean {
  if (value.trim() === "") return false;
  return SECRET_WORD.test(name) || value.length >= MIN_HEADER_LENGTH;
}

/** A header in the list of a variable. */
export interface ListedHeader {
  /** Name of the header. */
  readonly name: string;
  /** Percent-encoded value, as written. */
  readonly written: string;
  /** Decoded value. */
  readonly value: string;
}

/**
 * Parses a list `name=value,name=value` with percent-encoded values, as in
 * variables of OpenTelemetry.
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

/** Decodes `user:password` in base64, and returns the password, if any. */
function decodePassword(credential: string): string[] {
  try {
    const [, ...password] = atob(credential).split(":");
    return password.join(":") === "" ? [] : [password.join(":")];
  } catch {
    // It is not base64, so there is no password in it.
    return [];
  }
}

function isCommon(value: string): boolean {
  return value === "" || COMMON_VALUES.includes(value.toLowerCase());
}

function removeDuplicates(secrets: readonly KnownSecret[]): KnownSecret[] {
  const seen = new Set<string>();
  return secrets.filter(({ name, value }) => {
    const key = `${name}\0${value}`;
    return !seen.has(key) && seen.add(key);
  });
}

/** Finds the pattern that a name matches. */
export type NameMatcher = (name: string) => string | undefined;

/**
 * Creates a matcher for patterns in which `*` matches any text, including none.
 *
 * Each job checks its whole environment once. Compiling regular expressions for
 * that would take longer than the matching.
 *
 * @param patterns Case-insensitive patterns.
 * @returns Function that returns the first pattern that matches a whole name.
 */
export function nameMatcher(patterns: readonly string[]): NameMatcher {
  const rules = patterns.map((pattern) => ({
    pattern,
    parts: pattern.toUpperCase().split("*"),
  }));
  // Most patterns have the form `*_TOKEN`.
  const ends = rules.map(({ parts }) =>
    parts.length === 2 && parts[0] === "" ? parts[1] : undefined
  );
  return (name) => {
    const text = name.toUpperCase();
    for (let at = 0; at < rules.length; at++) {
      const end = ends[at];
      const isMatch = end === undefined
        ? matchesParts(text, rules[at].parts)
        : text.endsWith(end);
      if (isMatch) return rules[at].pattern;
    }
    return undefined;
  };
}

/** Checks whether a text consists of these parts with any text between them. */
export function matchesParts(text: string, parts: readonly string[]): boolean {
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
