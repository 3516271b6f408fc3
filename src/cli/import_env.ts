import { RunnerError } from "../errors.ts";
import { osReason } from "../os_reason.ts";
import type { SecretStore } from "../secrets/store/store.ts";
import { addSecrets } from "../secrets/store/table.ts";
import type { CommandContext } from "./command.ts";
import { parseEnvFile } from "./env_file.ts";
import { readStandardInput, readText } from "./read_text.ts";
import { checkSecretPath, checkStandardInput } from "./secret_actions.ts";

/** Largest file that is read, in bytes. */
const LARGEST_FILE = 1024 * 1024;

/**
 * Sets a secret for each line of a file; all of them or none.
 *
 * @param context What the command got to work with.
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
  let reason = `it is no UTF-8 text of up to ${LARGEST_FILE} bytes`;
  try {
    const { readable } = await Deno.open(path);
    const text = await readText(readable, { limit: LARGEST_FILE });
    if (text !== undefined) return text;
  } catch (error) {
    reason = osReason(error);
  }
  throw new RunnerError(`Cannot read "${name}": ${reason}`, {
    code: "invalid-config",
  });
}
