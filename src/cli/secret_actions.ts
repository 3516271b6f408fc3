import { RunnerError } from "../errors.ts";
import { printable } from "../printable.ts";
import { isSecretKey, isSecretPath } from "../secrets/references.ts";
import type { SecretStore } from "../secrets/store/store.ts";
import { addSecrets } from "../secrets/store/table.ts";
import type { CommandContext } from "./command.ts";
import { usageError } from "./parse_arguments.ts";
import { isPasswordOnStdin, promptFor } from "./read_password.ts";
import { readStandardInput } from "./read_text.ts";

/** Something that can be done with the store of secrets. */
export type SecretAction = (
  context: CommandContext,
  store: SecretStore,
  ...operands: string[]
) => Promise<void>;

/**
 * Makes the store.
 *
 * @param _ What the command got to work with.
 * @param store Store.
 * @throws {RunnerError} As {@linkcode SecretStore.init}.
 */
export async function initStore(
  _: CommandContext,
  store: SecretStore,
): Promise<void> {
  await store.init();
}

/**
 * Sets a secret to what standard input or a person says.
 *
 * @param context What the command got to work with.
 * @param store Store.
 * @param path Path of the secret.
 * @param key Key of the secret.
 * @throws {RunnerError} `usage` if a name or the secret cannot be used; as
 * {@linkcode SecretStore.update}.
 */
export async function setSecret(
  context: CommandContext,
  store: SecretStore,
  path: string,
  key: string,
): Promise<void> {
  checkSecretPath(path);
  if (!isSecretKey(key)) {
    throw usageError(
      `A key is made of letters, digits, "_" and "-"`,
      "secrets",
    );
  }
  checkStandardInput(context);
  const value = await readValue(context);
  await store.update((table) => addSecrets(table, path, [[key, value]]));
}

/**
 * Prints a secret as it is, not masked.
 *
 * @param context What the command got to work with.
 * @param store Store.
 * @param path Path of the secret.
 * @param key Key of the secret.
 * @throws {RunnerError} `invalid-config` if there is none, or it is empty: such a
 * one is missing for references, too.
 */
export async function getSecret(
  context: CommandContext,
  store: SecretStore,
  path: string,
  key: string,
): Promise<void> {
  const { host, stdout } = context.parts;
  const value = (await store.read()).get(path)?.get(key);
  if (!value) throw noSecret("get", path, key);
  // Past the masker: to see the secret is what was asked for.
  const end = host.stdout.isTerminal() ? "\n" : "";
  await stdout.write(new TextEncoder().encode(value + end));
}

/**
 * Lists the paths, or the keys of one, never a value.
 *
 * @param context What the command got to work with.
 * @param store Store.
 * @param path Path whose keys are listed.
 * @throws {RunnerError} `invalid-config` if there is no such path.
 */
export async function listSecrets(
  context: CommandContext,
  store: SecretStore,
  path?: string,
): Promise<void> {
  const table = await store.read();
  const names = path === undefined ? table : table.get(path);
  if (names === undefined) {
    throw new RunnerError(`Cannot list "${path}": no such path`, {
      code: "invalid-config",
    });
  }
  for (const name of [...names.keys()].sort()) {
    await context.print(printable(name));
  }
}

/**
 * Deletes a secret, and its path with the last one.
 *
 * @param _ What the command got to work with.
 * @param store Store.
 * @param path Path of the secret.
 * @param key Key of the secret.
 * @throws {RunnerError} `invalid-config` if there is none.
 */
export async function deleteSecret(
  _: CommandContext,
  store: SecretStore,
  path: string,
  key: string,
): Promise<void> {
  await store.update((table) => {
    const keys = table.get(path);
    if (!keys?.delete(key)) throw noSecret("delete", path, key);
    if (keys.size === 0) table.delete(path);
  });
}

/**
 * Refuses a path that no reference could name.
 *
 * @param path Path as typed.
 * @throws {RunnerError} `usage`.
 */
export function checkSecretPath(path: string): void {
  if (isSecretPath(path)) return;
  throw usageError(
    `A path is made of letters, digits, "/", "_" and "-"`,
    "secrets",
  );
}

/**
 * Refuses to read secrets where the password comes from.
 *
 * @param context What the command got to work with.
 * @throws {RunnerError} `usage`.
 */
export function checkStandardInput(context: CommandContext): void {
  if (!isPasswordOnStdin(context)) return;
  throw usageError(
    "Standard input cannot give both the password and a secret",
    "secrets",
  );
}

async function readValue(context: CommandContext): Promise<string> {
  const { host, masker } = context.parts;
  const text = host.stdin?.isTerminal()
    ? await promptFor(host, "Secret:")
    : await readStandardInput(host, "secrets");
  // The line break behind one line is that of `echo`; a key file needs its own.
  const value = text?.replace(/^(.*?)\r?\n$/, "$1") ?? "";
  if (value === "" || value.includes("\0")) {
    throw usageError(
      "A secret is required on standard input, without NUL characters",
      "secrets",
    );
  }
  masker.add(value);
  return value;
}

function noSecret(action: string, path: string, key: string): RunnerError {
  return new RunnerError(`Cannot ${action} "${path}:${key}": no such secret`, {
    code: "invalid-config",
  });
}
