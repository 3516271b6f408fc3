import { decodeUtf8 } from "../bytes.ts";
import { findStateDirectory } from "../environment/child_environment.ts";
import type { Environment } from "../environment/variables.ts";
import { messageOf } from "../errors.ts";
import { pathExists } from "../fs/files.ts";
import { readUntrusted } from "../fs/untrusted_file.ts";
import type { Masker } from "../secrets/masker.ts";
import { realPath } from "../workspace/guard.ts";
import type { Workspace } from "../workspace/layout.ts";
import {
  KEPT_OUTPUTS,
  ownDirectory,
  writeOwnFile,
} from "../workspace/own_directory.ts";
import { removeIfEmpty, removeTree } from "../workspace/remove.ts";
import type { CommandOutputs } from "./step.ts";

/** Maximum size of a step's output file, in bytes. */
const MAX_WRITTEN_BYTES = 1024 * 1024;

/** Pattern of the key of an output. */
export const OUTPUT_KEY: RegExp = /^[A-Za-z_][A-Za-z0-9_-]{0,99}$/;

/**
 * Reads the outputs that a step wrote to the file in `REACTORCIDE_OUTPUT`.
 *
 * @param path Absolute path of the file.
 * @returns The outputs; none if the file does not exist.
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
  const text = decodeUtf8(bytes);
  if (text === undefined) throw new Error("it is not UTF-8 text");
  return parseOutputs(text);
}

/**
 * Parses outputs: lines `key=value`, and multi-line values between `key<<WORD`
 * and a line that consists of the word.
 *
 * @returns The outputs; the last value of a key counts.
 * @throws {Error} If a line is invalid; the message contains no values.
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
 * Formats an output for {@linkcode parseOutputs}.
 *
 * @param key Valid key.
 * @param value Any text. Carriage returns at the end of its lines are lost when
 * it is parsed.
 * @returns One or more lines.
 */
export function formatOutput(key: string, value: string): string {
  if (!/[\r\n]/.test(value)) return `${key}=${value}\n`;
  const word = `END_${crypto.randomUUID()}`;
  return `${key}<<${word}\n${value}\n${word}\n`;
}

/** Maximum size of the stored outputs that a later run reads, in bytes. */
const MAX_KEPT_BYTES = 16 * 1024 * 1024;

/**
 * Stores outputs for a later run of selected steps. Outputs that contain a
 * secret are not written to disk.
 *
 * @param outputs Outputs by step name.
 * @returns Names of the steps whose outputs contain a secret.
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
    const text = toJson(value);
    if (text === undefined) continue;
    // The name of a matrix step may contain secret values.
    const isSecret = [name, text].some((part) => masker.containsSecret(part));
    if (isSecret) secret.push(name);
    else kept.push(`${JSON.stringify(name)}: ${text}`);
  }
  await writeOwnFile(workspace, KEPT_OUTPUTS, `{${kept.join(",\n")}}\n`);
  return secret;
}

/** A workspace, and the environment that names the directory of the user. */
export interface OutputPlace {
  readonly workspace: Workspace;
  readonly host: { readonly env: Environment };
}

/**
 * Records that untrusted steps may change the stored outputs from now on. If this
 * run is killed before it stores its outputs, no later run uses those in the file.
 *
 * Without a directory for the state of the user, nothing is recorded.
 */
export async function distrustOutputs(place: OutputPlace): Promise<void> {
  const directory = distrustDirectory(place);
  if (directory === undefined) return;
  try {
    await Deno.mkdir(directory, { recursive: true, mode: 0o700 });
    const path = await distrustFile(directory, place);
    await Deno.writeTextFile(path, "", { mode: 0o600 });
  } catch {
    // The directory of the user is often read-only in containers.
  }
}

/** Records that the stored outputs are those of this run. */
export async function trustOutputs(place: OutputPlace): Promise<void> {
  const directory = distrustDirectory(place);
  if (!await areDistrusted(place) || directory === undefined) return;
  // If it cannot be removed, the next run has no outputs, and says so.
  await removeIfEmpty(await distrustFile(directory, place));
  await removeIfEmpty(directory);
}

/** Returns the directory with a file for each workspace. */
function distrustDirectory({ host: { env } }: OutputPlace): string | undefined {
  const state = findStateDirectory(env);
  return state === undefined ? undefined : `${state}/untrusted-runs`;
}

/** Returns the file that exists while the stored outputs are not trusted. */
async function distrustFile(
  directory: string,
  { workspace }: OutputPlace,
): Promise<string> {
  const base = new TextEncoder().encode(await realPath(workspace.base));
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", base));
  return `${directory}/${digest.toHex()}`;
}

/** Checks whether a run with untrusted steps was killed before it stored its outputs. */
async function areDistrusted(place: OutputPlace): Promise<boolean> {
  const directory = distrustDirectory(place);
  if (directory === undefined || !await pathExists(directory)) return false;
  return await pathExists(await distrustFile(directory, place));
}

/**
 * Reads the outputs of an earlier run.
 *
 * @param warn Called with the reason if no outputs can be read.
 * @returns Outputs by step name.
 */
export async function readKeptOutputs(
  place: OutputPlace,
  warn: (message: string) => void,
): Promise<ReadonlyMap<string, unknown>> {
  const { workspace } = place;
  try {
    if (await areDistrusted(place)) {
      throw new Error("the last run had untrusted steps and was killed");
    }
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
    warn(`Steps that do not run have no outputs: ${reason}`);
    return new Map();
  }
}

/** Removes stored outputs that contain a secret that has become known since. */
export async function forgetSecretOutputs(
  place: OutputPlace,
  masker: Masker,
): Promise<void> {
  const outputs = await readKeptOutputs(place, () => {});
  if (outputs.size > 0) await keepOutputs(place.workspace, outputs, masker);
}

/**
 * Removes the outputs of earlier runs, because they could be mistaken for those
 * of this run if it is killed.
 */
export async function forgetOutputs(workspace: Workspace): Promise<void> {
  await removeTree(`${await ownDirectory(workspace)}/${KEPT_OUTPUTS}`);
}

function toJson(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch {
    // A function may return a value that JSON cannot represent.
    return undefined;
  }
}
