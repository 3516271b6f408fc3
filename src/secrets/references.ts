import { messageOf, RunnerError } from "../errors.ts";
import {
  referencePattern,
  referenceProblem,
  variablePattern,
} from "../schema/reference.ts";
import type { KnownSecret } from "./collect.ts";

/** Maximum length of a path or key that is passed to a provider. */
const MAX_PATH_LENGTH = 1_024;

/** A reference in a text. */
export type Reference =
  | {
    /** Reference to a secret. */
    readonly kind: "secret";
    /** Name of the provider; absent for a secret in the store. */
    readonly provider?: string;
    /** Path as written; a `${env:NAME}` in it is not yet resolved. */
    readonly path: string;
    /** Key as written. */
    readonly key: string;
  }
  | {
    /** Reference to a variable of the runner's environment. */
    readonly kind: "env";
    /** Name of the variable. */
    readonly name: string;
  };

/**
 * Returns a secret of the given provider, or of the store if none is given;
 * `undefined` or an empty string if the secret does not exist.
 */
export type SecretLookup = (
  path: string,
  key: string,
  provider?: string,
) => string | undefined | Promise<string | undefined>;

/** Options for {@linkcode resolveReferences}. */
export interface ResolveReferencesOptions {
  /** Returns a secret; called once for each secret that is referenced. */
  lookup: SecretLookup;
  /** Environment of the runner, for `${env:NAME}`. */
  env: Readonly<Record<string, string>>;
}

/** Result of {@linkcode resolveReferences}. */
export interface ResolvedReferences {
  /** Values with references replaced. */
  values: Record<string, string>;
  /** All inserted secrets, to be masked; named by their references. */
  secrets: KnownSecret[];
  /** Missing variables, and the names of variables that refer to them. */
  missing: ReadonlyMap<string, ReadonlySet<string>>;
}

/** A referenced secret, and the variables that refer to it. */
interface RequestedSecret {
  readonly provider: string | undefined;
  readonly path: string;
  readonly key: string;
  readonly names: Set<string>;
  value?: string;
}

/**
 * Finds the references in a text.
 *
 * @returns References from left to right; a variable inside a reference to a
 * secret follows it.
 */
export function findReferences(text: string): Reference[] {
  return [...text.matchAll(referencePattern())].flatMap(
    ([whole, path, key, provider, providedPath, providedKey]) => {
      const names = [...whole.matchAll(variablePattern())]
        .map(([env]): Reference => ({ kind: "env", name: parseVariable(env) }));
      if (path !== undefined) return [{ kind: "secret", path, key }, ...names];
      return provider === undefined ? names : [
        { kind: "secret", provider, path: providedPath, key: providedKey },
        ...names,
      ];
    },
  );
}

/**
 * Checks whether a reference can name a path.
 *
 * @returns Whether it consists of letters, digits, `/`, `_` and `-`.
 */
export function isSecretPath(path: string): boolean {
  return /^[\w/-]+$/.test(path);
}

/**
 * Checks whether a reference can name a key.
 *
 * @returns Whether it consists of letters, digits, `_` and `-`.
 */
export function isSecretKey(key: string): boolean {
  return /^[\w-]+$/.test(key);
}

/**
 * Checks whether a path and a key can be passed to a provider. A program may
 * resolve `..`, so a variable in the path could lead to another secret.
 */
export function isProviderReference(path: string, key: string): boolean {
  return path.length <= MAX_PATH_LENGTH && /^[\w/.:@+=-]+$/.test(path) &&
    !path.split("/").some((part) => part === "." || part === "..") &&
    key.length <= MAX_PATH_LENGTH && /^[\w.-]+$/.test(key);
}

/**
 * Replaces `${secret:PATH:KEY}`, `${secret:PROVIDER:PATH:KEY}` and
 * `${env:NAME}` in the values of variables. Secrets are looked up together.
 *
 * References can occur anywhere in a value, and several times; a variable can be
 * part of a path or key. References cannot be escaped, and malformed ones are
 * errors. A missing variable is empty. An empty secret counts as missing, as on
 * the coordinator, so that a job does not succeed here and fail there.
 *
 * Inserted values are not expanded again: a commit message in a variable must
 * not gain access to a secret.
 *
 * @param values Values by variable name.
 * @param options Sources of secrets and variables.
 * @returns Resolved values, and the secrets in them.
 * @throws {RunnerError} `invalid-config` with all malformed references, all
 * missing secrets, or the reason why a lookup failed.
 */
export async function resolveReferences(
  values: Readonly<Record<string, string>>,
  options: ResolveReferencesOptions,
): Promise<ResolvedReferences> {
  const { lookup, env } = options;
  const requested = new Map<string, RequestedSecret>();
  const missing = new Map<string, Set<string>>();
  const malformed: string[] = [];
  for (const [name, text] of Object.entries(values)) {
    const problem = referenceProblem(text);
    if (problem !== undefined) {
      malformed.push(`${JSON.stringify(name)} ${problem}`);
    }
    for (const reference of findReferences(text)) {
      if (reference.kind !== "env" || Object.hasOwn(env, reference.name)) {
        continue;
      }
      const names = missing.get(reference.name) ?? new Set();
      missing.set(reference.name, names.add(name));
    }
    replaceReferences(text, env, (path, key, provider) => {
      const isValid = provider === undefined
        ? isSecretPath(path) && isSecretKey(key)
        : isProviderReference(path, key);
      if (!isValid) {
        malformed.push(
          `${
            JSON.stringify(name)
          } has a reference whose path or key is empty or invalid once its variables are filled in`,
        );
        return "";
      }
      const reference = referenceTo(path, key, provider);
      const request = requested.get(reference) ??
        { provider, path, key, names: new Set() };
      requested.set(reference, request);
      request.names.add(name);
      return "";
    });
  }
  if (malformed.length > 0) {
    throw new RunnerError(
      `Cannot resolve references:\n${
        malformed.map((problem) => `  ${problem}`).join("\n")
      }`,
      { code: "invalid-config" },
    );
  }
  await lookUp(requested, lookup);
  const resolved: Record<string, string> = Object.create(null);
  for (const [name, text] of Object.entries(values)) {
    resolved[name] = replaceReferences(
      text,
      env,
      (...parts) => requested.get(referenceTo(...parts))!.value!,
    );
  }
  const secrets = [...requested]
    .map(([name, { value }]) => ({ name, value: value!, rule: "reference" }));
  return { values: resolved, secrets, missing };
}

function replaceReferences(
  text: string,
  env: Readonly<Record<string, string>>,
  getSecret: (path: string, key: string, provider?: string) => string,
): string {
  const replaceVariables = (part: string) =>
    part.replace(variablePattern(), (reference) => {
      const name = parseVariable(reference);
      return Object.hasOwn(env, name) ? env[name] : "";
    });
  return text.replace(
    referencePattern(),
    (whole, ...parts: (string | undefined)[]) => {
      const [path, key, provider, providedPath, providedKey] = parts;
      if (path !== undefined) {
        return getSecret(replaceVariables(path), replaceVariables(key!));
      }
      return provider === undefined ? replaceVariables(whole) : getSecret(
        replaceVariables(providedPath!),
        replaceVariables(providedKey!),
        provider,
      );
    },
  );
}

/**
 * Looks up all secrets and sets their values. Waits for all lookups before it
 * reports the first failure.
 */
async function lookUp(
  requested: ReadonlyMap<string, RequestedSecret>,
  lookup: SecretLookup,
): Promise<void> {
  const all = [...requested.values()];
  const results = await Promise.allSettled(
    all.map(async ({ path, key, provider }) =>
      await lookup(path, key, provider)
    ),
  );
  const missing: string[] = [];
  for (const [index, secret] of all.entries()) {
    const { path, key, provider, names } = secret;
    const where = [...names].map((name) => JSON.stringify(name)).join(", ");
    const description = `key "${key}" of path "${path}"` +
      (provider === undefined ? "" : ` of secret provider "${provider}"`);
    const result = results[index];
    if (result.status === "rejected") {
      const cause = result.reason;
      // The job was cancelled.
      if (cause instanceof DOMException) throw cause;
      throw new RunnerError(
        `Cannot look up ${description} for ${where}: ${messageOf(cause)}`,
        { code: "invalid-config", cause },
      );
    }
    secret.value = result.value;
    if (!secret.value) missing.push(`  ${where}: no value for ${description}`);
  }
  if (missing.length === 0) return;
  throw new RunnerError(
    `Cannot resolve references to secrets:\n${missing.join("\n")}`,
    { code: "invalid-config" },
  );
}

function parseVariable(reference: string): string {
  return reference.slice("${env:".length, -"}".length);
}

/** Writes the reference to a secret. */
export function referenceTo(
  path: string,
  key: string,
  provider?: string,
): string {
  const start = provider === undefined ? "" : `${provider}:`;
  return `\${secret:${start}${path}:${key}}`;
}
