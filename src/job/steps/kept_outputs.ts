import { messageOf } from "../../errors.ts";
import { readUntrusted } from "../../fs/read_untrusted.ts";
import type { Masker } from "../../secrets/masker.ts";
import type { Workspace } from "../../workspace/layout.ts";
import {
  KEPT_OUTPUTS,
  ownDirectory,
  writeOwnFile,
} from "../../workspace/own_directory.ts";

/** Most bytes of outputs that are read again. */
const MAX_BYTES = 16 * 1024 * 1024;

/**
 * Keeps outputs for a later run of some of the steps. What holds a secret is
 * not written to the disk.
 *
 * @param workspace Where the job's files are.
 * @param outputs What each step gave, by name.
 * @param masker Knows the secrets.
 * @returns Names of the steps whose outputs are not kept.
 * @throws {RunnerError} `output-failed` or `workspace`.
 */
export async function keepOutputs(
  workspace: Workspace,
  outputs: ReadonlyMap<string, unknown>,
  masker: Masker,
): Promise<string[]> {
  const kept: string[] = [];
  const secret: string[] = [];
  for (const [name, value] of outputs) {
    const text = textOf(value);
    if (text === undefined) continue;
    // The name of a step may be made of values that are secret.
    const isSecret = [name, text].some((part) => masker.holdsSecret(part));
    if (isSecret) secret.push(name);
    else kept.push(`${JSON.stringify(name)}: ${text}`);
  }
  await writeOwnFile(workspace, KEPT_OUTPUTS, `{${kept.join(",\n")}}\n`);
  return secret;
}

/**
 * Reads the outputs of an earlier run.
 *
 * @param workspace Where the job's files are.
 * @param warn Hears why there are none.
 * @returns What each step gave, by name.
 */
export async function keptOutputs(
  workspace: Workspace,
  warn: (message: string) => void,
): Promise<ReadonlyMap<string, unknown>> {
  try {
    const path = `${await ownDirectory(workspace)}/${KEPT_OUTPUTS}`;
    const bytes = await readUntrusted(path, {
      base: workspace.base,
      maxBytes: MAX_BYTES,
    });
    return new Map(Object.entries(JSON.parse(new TextDecoder().decode(bytes))));
  } catch (error) {
    const reason = error instanceof Deno.errors.NotFound
      ? "none were kept"
      : messageOf(error);
    warn(`Steps that do not run give no outputs: ${reason}`);
    return new Map();
  }
}

function textOf(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch {
    // A function of a pipeline may give what no file can hold.
    return undefined;
  }
}
