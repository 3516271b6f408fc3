import { messageOf } from "../errors.ts";
import { readUntrusted } from "../fs/read_untrusted.ts";
import type { CommandOutputs } from "./step.ts";
import type { Masker } from "../secrets/masker.ts";
import type { Workspace } from "../workspace/layout.ts";
import {
  KEPT_OUTPUTS,
  ownDirectory,
  writeOwnFile,
} from "../workspace/own_files.ts";

/** Maximum size of the outputs that a step writes. */
const MAX_WRITTEN_BYTES = 1024 * 1024;

/** Pattern of the key of an output. */
export const OUTPUT_KEY: RegExp = /^[A-Za-z_][A-Za-z0-9_-]{0,99}$/;

/**
 * Reads what a step wrote to the file in `REACTORCIDE_OUTPUT`.
 *
 * @param path Absolute path of the file.
 * @returns The outputs; none without a file.
 * @throws {Error} If the file cannot be read or parsed, with the line number.
 */
export async function readOutputs(path: string): Promise<CommandOutputs> {
  let bytes: Uint8Array;
  try {
    bytes = await readUntrusted(path, { maxBytes: MAX_WRITTEN_BYTES });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return {};
    throw error;
  }
  return parseOutputs(decode(bytes));
}

/**
 * Parses outputs: lines `key=value`, and values of several lines between
 * `key<<WORD` and a line that is the word.
 *
 * @param text The whole text.
 * @returns The outputs; of a key that comes twice, the later value.
 * @throws {Error} If a line is neither; the message holds no values.
 */
export function parseOutputs(text: string): CommandOutputs {
  const outputs: Record<string, string> = Object.create(null);
  const lines = text.split("\n").map((line) => line.replace(/\r$/, ""));
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at];
    if (line.trim() === "") continue;
    const [, key, sign, rest] = /^(.*?)(=|<<)(.*)$/s.exec(line) ?? [];
    if (sign === undefined) {
      throw new Error(`line ${at + 1} is neither key=value nor key<<WORD`);
    }
    if (!OUTPUT_KEY.test(key)) {
      throw new Error(
        `line ${
          at + 1
        } has no valid key: letters, digits, "_" and "-" are allowed`,
      );
    }
    if (sign === "=") {
      outputs[key] = rest;
      continue;
    }
    const end = rest === "" ? -1 : lines.indexOf(rest, at + 1);
    if (end === -1) {
      throw new Error(`line ${at + 1} starts a value that does not end`);
    }
    outputs[key] = lines.slice(at + 1, end).join("\n");
    at = end;
  }
  return outputs;
}

/**
 * Formats an output as {@linkcode parseOutputs} reads it, whatever the value.
 *
 * @param key Valid key.
 * @param value Value.
 * @returns Lines; lines of the value that end with a carriage return lose it.
 */
export function outputLines(key: string, value: string): string {
  if (!/[\r\n]/.test(value)) return `${key}=${value}\n`;
  const word = `END_${crypto.randomUUID()}`;
  return `${key}<<${word}\n${value}\n${word}\n`;
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new Error("it is not UTF-8 text");
  }
}

/** Maximum size of kept outputs that a later run reads. */
const MAX_KEPT_BYTES = 16 * 1024 * 1024;

/**
 * Keeps outputs for a later run of selected steps. Outputs that contain a secret
 * are not written to disk.
 *
 * @param workspace The workspace.
 * @param outputs Outputs by the names of the steps.
 * @param masker Masker of the job.
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
 * @param workspace The workspace.
 * @param warn Called with the reason if there are none.
 * @returns Outputs by the names of the steps.
 */
export async function keptOutputs(
  workspace: Workspace,
  warn: (message: string) => void,
): Promise<ReadonlyMap<string, unknown>> {
  try {
    const path = `${await ownDirectory(workspace)}/${KEPT_OUTPUTS}`;
    const bytes = await readUntrusted(path, {
      base: workspace.base,
      maxBytes: MAX_KEPT_BYTES,
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
    // A function may return a value that JSON cannot represent.
    return undefined;
  }
}
