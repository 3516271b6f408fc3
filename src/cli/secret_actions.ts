import { osReason, RunnerError } from "../errors.ts";
import { printable } from "../terminal/text.ts";
import { isSecretKey, isSecretPath } from "../secrets/references.ts";
import type { SecretStore } from "../secrets/store/store.ts";
import { addSecrets } from "../secrets/store/table.ts";
import type { CommandContext } from "./command.ts";
import { usageError } from "./parse_arguments.ts";
import {
  isPasswordOnStdin,
  promptFor,
  readStandardInput,
  readText,
} from "./read_input.ts";

/** Something that can be done with the store of secrets. */
export type SecretAction = (
  context: CommandContext,
  store: SecretStore,
  ...operands: string[]
) => Promise<void>;

/**
 * Creates the store.
 *
 * @param _ Context of the command.
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
 * Sets a secret to the text from standard input or a prompt.
 *
 * @param context Context of the command.
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
      `A key consists of letters, digits, "_" and "-"`,
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
 * @param context Context of the command.
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
  // Bypasses the masker: the user asked for the secret.
  const end = host.stdout.isTerminal() ? "\n" : "";
  await stdout.write(new TextEncoder().encode(value + end));
}

/**
 * Lists the paths, or the keys of one, never a value.
 *
 * @param context Context of the command.
 * @param store Store.
 * @param path Path whose keys are listed.
 * @throws {RunnerError} `invalid-config` if the path does not exist.
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
 * @param _ Context of the command.
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
    `A path consists of letters, digits, "/", "_" and "-"`,
    "secrets",
  );
}

/**
 * Refuses to read secrets where the password comes from.
 *
 * @param context Context of the command.
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

/** Maximum size of a file that is read, in bytes. */
const MAX_FILE_BYTES = 1024 * 1024;

/**
 * Sets a secret for each line of a file; all of them or none.
 *
 * @param context Context of the command.
 * @param store Store.
 * @param file Path of the file as typed; `-` is standard input.
 * @param path Path of the secrets.
 * @throws {RunnerError} `usage` if the path cannot be used, `invalid-config` if
 * the file cannot be read or a line is wrong; as {@linkcode SecretStore.update}.
 */
export async function importEnv(
  context: CommandContext,
  store: SecretStore,
  file: string,
  path: string,
): Promise<void> {
  const { print, parts: { host, masker, logger } } = context;
  checkSecretPath(path);
  if (file === "-") checkStandardInput(context);
  const text = file === "-"
    ? await readStandardInput(host, "secrets")
    : await readFile(file.startsWith("/") ? file : `${host.cwd}/${file}`, file);
  const { values, empty } = parseEnvFile(text, file);
  for (const value of values.values()) masker.add(value);
  for (const name of empty) {
    logger.warn("secrets", `${name} has no value and is left out`);
  }
  await store.update((table) => addSecrets(table, path, values));
  const count = `${values.size} ${values.size === 1 ? "secret" : "secrets"}`;
  await print(`Imported ${count} into "${path}"`);
}

async function readFile(path: string, name: string): Promise<string> {
  let reason = `it is not UTF-8 text, or larger than ${MAX_FILE_BYTES} bytes`;
  try {
    const { readable } = await Deno.open(path);
    const text = await readText(readable, { limit: MAX_FILE_BYTES });
    if (text !== undefined) return text;
  } catch (error) {
    reason = osReason(error);
  }
  throw new RunnerError(`Cannot read "${name}": ${reason}`, {
    code: "invalid-config",
  });
}

/** What {@linkcode parseEnvFile} finds. */
export interface EnvFile {
  /** Values by name; the last one of several. */
  readonly values: ReadonlyMap<string, string>;
  /** Names that have no value. */
  readonly empty: readonly string[];
}

/**
 * Reads lines of the form `NAME=VALUE` or `export NAME=VALUE`.
 *
 * Blank lines and those that start with `#` are left out. White space around
 * a value goes, then one pair of quotation marks; nothing else is special: no
 * escapes, no variables, no comments behind a value.
 *
 * @param text Text of the file.
 * @param name What the file is called in messages.
 * @returns Names and values.
 * @throws {RunnerError} `invalid-config`, with the numbers of all lines that
 * are wrong, and nothing of what is in them.
 */
export function parseEnvFile(text: string, name: string): EnvFile {
  const values = new Map<string, string>();
  const problems: string[] = [];
  for (const [at, raw] of text.split("\n").entries()) {
    const line = raw.trim();
    if (line === "" || line.startsWith("#")) continue;
    const [, key, value] = /^(?:export\s+)?([^=]*?)\s*=\s*(.*)$/s.exec(line) ??
      [];
    const problem = problemOf(key, value);
    if (problem === undefined) values.set(key, unquote(value));
    else problems.push(`  line ${at + 1} ${problem}`);
  }
  if (problems.length > 0) {
    throw new RunnerError(`Cannot import "${name}":\n${problems.join("\n")}`, {
      code: "invalid-config",
    });
  }
  const empty = [...values].filter(([, value]) => value === "")
    .map(([key]) => key);
  for (const key of empty) values.delete(key);
  return { values, empty };
}

function problemOf(
  key: string | undefined,
  value: string | undefined,
): string | undefined {
  if (key === undefined || value === undefined) return `has no "="`;
  if (!isSecretKey(key)) {
    return `has a name that does not consist of letters, digits, "_" and "-"`;
  }
  if (value.includes("\0")) return "holds a NUL character";
  // The lines that follow would be taken for names and values.
  return /^["']/.test(value) && unquote(value) === value
    ? "has a quotation mark that is not closed at its end"
    : undefined;
}

function unquote(value: string): string {
  return /^(["'])(.*)\1$/s.exec(value)?.[2] ?? value;
}
