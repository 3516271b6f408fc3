import { Variable } from "../../environment/variables.ts";
import { osReason, RunnerError } from "../../errors.ts";
import { absolutePath } from "../../job_path.ts";
import { isSecretKey, isSecretPath } from "../../secrets/references.ts";
import { secretsDirectory } from "../../secrets/store/lookup.ts";
import {
  SecretStore,
  type SecretStoreOptions,
} from "../../secrets/store/store.ts";
import { addSecrets } from "../../secrets/store/store_table.ts";
import { printable } from "../../terminal/text.ts";
import { findAction } from "../actions.ts";
import type { CliCommand, CommandContext } from "../command.ts";
import { usageError } from "../parse_arguments.ts";
import {
  isPasswordOnStdin,
  PASSWORD_FD_FLAG,
  promptFor,
  readPassword,
  readStandardInput,
  readText,
} from "../read_input.ts";

/** An action and the names of its operands; those in brackets are optional. */
interface ActionEntry {
  readonly operands: readonly string[];
  readonly run: SecretAction;
}

const ACTIONS: Readonly<Record<string, ActionEntry>> = {
  init: { operands: [], run: initStore },
  set: { operands: ["PATH", "KEY"], run: setSecret },
  get: { operands: ["PATH", "KEY"], run: getSecret },
  list: { operands: ["[PATH]"], run: listSecrets },
  delete: { operands: ["PATH", "KEY"], run: deleteSecret },
  "import-env": { operands: ["FILE", "PATH"], run: importEnv },
};

export const secretsCommand: CliCommand = {
  usage: "ACTION [OPTIONS]",
  description:
    `Keeps secrets in an encrypted store on this machine. Variables of a job refer
to them as \${secret:PATH:KEY}.

Actions:
  init                  Create the store
  set PATH KEY          Set a secret; the value comes from standard input or a
                        prompt
  get PATH KEY          Print a secret, unmasked
  list [PATH]           List the paths, or the keys of a path
  delete PATH KEY       Delete a secret
  import-env FILE PATH  Set a secret for each NAME=VALUE line of a file; "-" is
                        standard input

The password comes from --password-fd, from ${Variable.secretsPassword}, or from
a prompt. The password and secrets are never passed as arguments, because other
programs can see them and shells keep them in their history. The line break at
the end of a single-line secret is removed; a multi-line secret is kept as it is.`,
  examples: [
    ["secrets init", "Create the store"],
    ["secrets set demo/app API_TOKEN", "Set a secret; prompts for the value"],
  ],
  flags: [PASSWORD_FD_FLAG],
  // Extra operands may be secrets, so the error must not quote them.
  takesSecrets: true,
  actions: Object.keys(ACTIONS),
  maxOperands: Infinity,
  run: (context) => runSecretAction(context),
};

/**
 * Runs an action of the command.
 *
 * @param options Cost of deriving the key, for tests.
 * @returns Exit code.
 */
export async function runSecretAction(
  context: CommandContext,
  options: Pick<SecretStoreOptions, "cost"> = {},
): Promise<number> {
  const { operands: [name, ...operands], runner: { host, logger } } = context;
  const action = findAction(ACTIONS, name, {
    command: "secrets",
    isSecret: true,
  });
  checkOperands(name, action, operands);
  const store = new SecretStore({
    directory: secretsDirectory(host.env),
    password: () => readPassword(context, action.run === initStore),
    ...options,
  });
  await action.run(context, store, ...operands);
  await logger.flush();
  return 0;
}

function checkOperands(
  name: string,
  action: ActionEntry,
  operands: readonly string[],
): void {
  const maxCount = action.operands.length;
  const minCount =
    action.operands.filter((operand) => !operand.startsWith("[")).length;
  if (name === "set" && operands.length > maxCount) {
    throw usageError(
      "Secrets cannot be arguments, because other programs can see arguments and shells keep them in their history; use standard input",
      "secrets",
    );
  }
  if (operands.length < minCount || operands.length > maxCount) {
    const usage = [name, ...action.operands].join(" ");
    throw usageError(
      `Wrong number of arguments; use "secrets ${usage}"`,
      "secrets",
    );
  }
}

/** An action on the secret store. */
type SecretAction = (
  context: CommandContext,
  store: SecretStore,
  ...operands: string[]
) => Promise<void>;

/**
 * Creates the store.
 *
 * @throws {RunnerError} As {@linkcode SecretStore.init}.
 */
async function initStore(
  _: CommandContext,
  store: SecretStore,
): Promise<void> {
  await store.init();
}

/**
 * Sets a secret to the text from standard input or a prompt.
 *
 * @throws {RunnerError} `usage` if a name or the secret cannot be used; as
 * {@linkcode SecretStore.update}.
 */
async function setSecret(
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
 * Prints a secret without masking it.
 *
 * @throws {RunnerError} `invalid-config` if it does not exist or is empty;
 * empty secrets count as missing in references as well.
 */
async function getSecret(
  context: CommandContext,
  store: SecretStore,
  path: string,
  key: string,
): Promise<void> {
  const { host, stdout } = context.runner;
  const value = (await store.read()).get(path)?.get(key);
  if (!value) throw missingSecretError("get", path, key);
  // Bypasses the masker: the user asked for the secret.
  const end = host.stdout.isTerminal() ? "\n" : "";
  await stdout.write(new TextEncoder().encode(value + end));
}

/**
 * Lists paths, or the keys of a path, but never values.
 *
 * @param path Path whose keys are listed.
 * @throws {RunnerError} `invalid-config` if the path does not exist.
 */
async function listSecrets(
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
 * Deletes a secret, and its path if it has no other secrets.
 *
 * @throws {RunnerError} `invalid-config` if it does not exist.
 */
async function deleteSecret(
  _: CommandContext,
  store: SecretStore,
  path: string,
  key: string,
): Promise<void> {
  await store.update((table) => {
    const keys = table.get(path);
    if (!keys?.delete(key)) throw missingSecretError("delete", path, key);
    if (keys.size === 0) table.delete(path);
  });
}

/**
 * Validates a path; references must be able to name it.
 *
 * @param path Path as typed.
 * @throws {RunnerError} `usage` if it is invalid.
 */
function checkSecretPath(path: string): void {
  if (isSecretPath(path)) return;
  throw usageError(
    `A path consists of letters, digits, "/", "_" and "-"`,
    "secrets",
  );
}

/**
 * Checks that standard input is not already used for the password.
 *
 * @throws {RunnerError} `usage` if it is.
 */
function checkStandardInput(context: CommandContext): void {
  if (!isPasswordOnStdin(context)) return;
  throw usageError(
    "Standard input cannot contain both the password and a secret",
    "secrets",
  );
}

async function readValue(context: CommandContext): Promise<string> {
  const { host, masker } = context.runner;
  const text = host.stdin?.isTerminal()
    ? await promptFor(host, "Secret:")
    : await readStandardInput(host, "secrets");
  // Strip the newline of a single line, which `echo` adds; key files keep
  // theirs.
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

function missingSecretError(
  action: string,
  path: string,
  key: string,
): RunnerError {
  return new RunnerError(`Cannot ${action} "${path}:${key}": no such secret`, {
    code: "invalid-config",
  });
}

/** Maximum size of a file that is read, in bytes. */
const MAX_FILE_BYTES = 1024 * 1024;

/**
 * Sets a secret for each line of a file, all of them or none.
 *
 * @param file Path of the file as typed; `-` is standard input.
 * @throws {RunnerError} `usage` if the path is invalid; `invalid-config` if the
 * file cannot be read or a line is invalid; as {@linkcode SecretStore.update}.
 */
async function importEnv(
  context: CommandContext,
  store: SecretStore,
  file: string,
  path: string,
): Promise<void> {
  const { print, runner: { host, masker, logger } } = context;
  checkSecretPath(path);
  if (file === "-") checkStandardInput(context);
  const text = file === "-"
    ? await readStandardInput(host, "secrets")
    : await readFile(absolutePath(file, host.cwd), file);
  const { values, empty } = parseEnvFile(text, file);
  for (const value of values.values()) masker.add(value);
  for (const name of empty) {
    logger.warn("secrets", `${name} has no value and is skipped`);
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

/** Result of {@linkcode parseEnvFile}. */
interface SecretLines {
  /** Values by name; the last value of a name counts. */
  readonly values: ReadonlyMap<string, string>;
  /** Names without a value. */
  readonly empty: readonly string[];
}

/**
 * Parses lines of the form `NAME=VALUE` or `export NAME=VALUE`.
 *
 * Blank lines and lines that start with `#` are ignored. Whitespace around a
 * value is removed, then one pair of quotes. There are no escapes, variables or
 * comments after values.
 *
 * @param name Name of the file in messages.
 * @throws {RunnerError} `invalid-config` with the numbers of all invalid lines,
 * but not their content.
 */
function parseEnvFile(text: string, name: string): SecretLines {
  const values = new Map<string, string>();
  const problems: string[] = [];
  for (const [at, raw] of text.split("\n").entries()) {
    const line = raw.trim();
    if (line === "" || line.startsWith("#")) continue;
    const [, key, value] = /^(?:export\s+)?([^=]*?)\s*=\s*(.*)$/s.exec(line) ??
      [];
    const problem = findProblem(key, value);
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

function findProblem(
  key: string | undefined,
  value: string | undefined,
): string | undefined {
  if (key === undefined || value === undefined) return `has no "="`;
  if (!isSecretKey(key)) {
    return `has a name that does not consist of letters, digits, "_" and "-"`;
  }
  if (value.includes("\0")) return "contains a NUL character";
  // A multi-line value: the following lines would be parsed as names and
  // values.
  return /^["']/.test(value) && unquote(value) === value
    ? "has an unclosed quote"
    : undefined;
}

function unquote(value: string): string {
  return /^(["'])(.*)\1$/s.exec(value)?.[2] ?? value;
}
