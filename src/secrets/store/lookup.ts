import { join } from "@std/path/posix/join";
import { Variable } from "../../environment/variables.ts";
import { RunnerError } from "../../errors.ts";
import type { SecretLookup } from "../references.ts";
import { SecretStore } from "./store.ts";
import type { SecretTable } from "./store_table.ts";

/** Options for {@linkcode storeLookup}. */
export interface StoreLookupOptions {
  /**
   * Cost of deriving the key; only tests change it.
   *
   * @default {SCRYPT_COST}
   */
  cost?: number;
}

/**
 * Creates a function that looks up secrets in the user's store.
 *
 * The store is opened once, when the first secret is looked up.
 *
 * @param env Environment of the runner, which determines the directory and
 * contains the password.
 * @returns The function; it throws a {@linkcode RunnerError} if the store
 * cannot be opened.
 */
export function storeLookup(
  env: Readonly<Record<string, string>>,
  options: StoreLookupOptions = {},
): SecretLookup {
  let table: Promise<SecretTable> | undefined;
  return async (path, key) => {
    table ??= open(env, options);
    return (await table).get(path)?.get(key);
  };
}

async function open(
  env: Readonly<Record<string, string>>,
  { cost }: StoreLookupOptions,
): Promise<SecretTable> {
  const directory = secretsDirectory(env);
  const password = () => {
    const value = env[Variable.secretsPassword];
    if (value) return value;
    throw new RunnerError(
      `Cannot open "${directory}": ${Variable.secretsPassword} is not set`,
      { code: "invalid-config" },
    );
  };
  return await new SecretStore({ directory, password, cost }).read();
}

/**
 * Returns the directory of the user's store: `reactorcide/secrets` in
 * `$XDG_CONFIG_HOME`, or in `~/.config` by default.
 *
 * @returns Absolute path of the directory.
 * @throws {RunnerError} `invalid-config` if neither `XDG_CONFIG_HOME` nor
 * `HOME` is an absolute path.
 *
 * @see {@link https://specifications.freedesktop.org/basedir-spec/latest/}
 */
export function secretsDirectory(
  env: Readonly<Record<string, string>>,
): string {
  const { XDG_CONFIG_HOME: config = "", HOME: home = "" } = env;
  // According to the specification, relative paths are ignored.
  if (config.startsWith("/")) return join(config, "reactorcide/secrets");
  if (home.startsWith("/")) return join(home, ".config/reactorcide/secrets");
  throw new RunnerError(
    `Cannot find the secret store: neither XDG_CONFIG_HOME nor HOME is an absolute path`,
    { code: "invalid-config" },
  );
}
