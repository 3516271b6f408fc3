import type { KeyParts, OutputFile } from "../../cache/step_entry.ts";
import { sha256Hex } from "../../fs/files.ts";
import { findVariable } from "../../environment/variables.ts";
import type { Masker } from "../../secrets/masker.ts";
import { VERSION } from "../../package_version.ts";
import type { Step, StepStatus } from "../step.ts";

/** The parts of a dependency that the result of a step depends on. */
export interface KeyNeed {
  readonly name: string;
  /** Its conclusion in the job; missing for a service or a list. */
  readonly conclusion?: StepStatus;
  /** Its outputs. */
  readonly value?: unknown;
  /** Outputs of all steps that its definition expands to. */
  readonly list?: unknown;
  /** Hash of the files that it created, if it is cached. */
  readonly files?: string;
  /** Definition of a service. */
  readonly service?: unknown;
}

/** Input of {@linkcode keyParts}. */
export interface KeyInput {
  readonly definition: Step;
  /** Hash of the command. */
  readonly command: string;
  /** Directory of the step, relative to that of the job. */
  readonly directory: string;
  /** Image of the container; empty without a container. */
  readonly image: string;
  /** Environment of the step. */
  readonly env: Readonly<Record<string, string>>;
  /** Names of the variables that the result depends on. */
  readonly variables: readonly string[];
  readonly secrets: SecretCheck;
  readonly needs: readonly KeyNeed[];
  /** Hashes of the output of commands, by command. */
  readonly tools: ReadonlyMap<string, string>;
  /** Descriptions of files by path. */
  readonly inputs: ReadonlyMap<string, string>;
}

/** Computes the parts of the key of a step. */
export async function keyParts(input: KeyInput): Promise<KeyParts> {
  const { definition, env, secrets } = input;
  const { shell, untrusted, permissions, cache } = definition;
  const parts: Record<string, string> = Object.create(null);
  Object.assign(parts, {
    system: Deno.build.os,
    architecture: Deno.build.arch,
    runner: VERSION,
    image: input.image,
    directory: input.directory,
    trust: untrusted ? "untrusted" : "trusted",
    command: input.command,
    shell: await valueHash(shell ?? ["sh"]),
    permissions: await valueHash(permissions ?? {}),
    outputs: await valueHash(cache?.outputs ?? []),
  });
  for (const name of input.variables) {
    const value = env[name];
    // A hash of a short secret would reveal it.
    if (value !== undefined && secrets.isSecret(name, value)) continue;
    parts[`variable:${name}`] = value === undefined
      ? "unset"
      : await valueHash(value);
  }
  for (const [command, hash] of input.tools) parts[`tool:${command}`] = hash;
  for (const need of input.needs) {
    Object.assign(parts, await describeNeed(need));
  }
  for (const [path, file] of input.inputs) parts[`input:${path}`] = file;
  return parts;
}

async function describeNeed(
  { name, conclusion, value, list, files, service }: KeyNeed,
): Promise<Record<string, string>> {
  const parts: Record<string, string> = {};
  if (conclusion !== undefined) parts[`need:${name}`] = conclusion;
  if (service !== undefined) {
    parts[`service:${name}`] = await valueHash(service);
  }
  if (list !== undefined) parts[`need output:${name}`] = await valueHash(list);
  if (files !== undefined) parts[`need files:${name}`] = files;
  const values = typeof value === "object" && value !== null
    ? Object.entries(value)
    : [["", value]];
  for (const [key, part] of values) {
    if (part === undefined || part === null) continue;
    const output = key === "" ? name : `${name}.${key}`;
    parts[`need output:${output}`] = await valueHash(part);
  }
  return parts;
}

/** Computes a hash of the files that a step created. */
export async function filesHash(
  outputs: readonly OutputFile[],
): Promise<string> {
  return await valueHash(
    outputs.map(({ path, type, mode, content }) => [path, type, mode, content]),
  );
}

/** Hashes of short texts, such as the shell, which many steps share. */
const hashes = new Map<string, string>();

/** Maximum number of these texts. */
const MAX_CACHED_COUNT = 10_000;

/** Maximum length of each of them, in characters. */
const MAX_CACHED_LENGTH = 1_000;

/** Computes the hash of a value as JSON. */
export async function valueHash(value: unknown): Promise<string> {
  const text = JSON.stringify(value) ?? "";
  const cached = hashes.get(text);
  if (cached !== undefined) return cached;
  const hash = await sha256Hex(text);
  const isCacheable = text.length <= MAX_CACHED_LENGTH &&
    hashes.size < MAX_CACHED_COUNT;
  if (isCacheable) hashes.set(text, hash);
  return hash;
}

/** Checks variables for secrets, each value once. */
export class SecretCheck {
  readonly #masker: Masker;
  readonly #results = new Map<string, boolean>();
  #formTotal = 0;

  constructor(masker: Masker) {
    this.#masker = masker;
  }

  /** Checks whether a variable is a secret, by its name or its value. */
  isSecret(name: string, value: string): boolean {
    if (value === "") return false;
    return findVariable(name)?.isSecret === true || this.containsSecret(value);
  }

  /** Checks whether a text contains a known secret. */
  containsSecret(text: string): boolean {
    const { formTotal } = this.#masker;
    if (formTotal === 0) return false;
    if (formTotal !== this.#formTotal) this.#results.clear();
    this.#formTotal = formTotal;
    const cached = this.#results.get(text);
    if (cached !== undefined) return cached;
    const holds = this.#masker.containsSecret(text);
    this.#results.set(text, holds);
    return holds;
  }

  /**
   * Finds a secret in the input of a step.
   *
   * @param ignored Names of variables to ignore.
   * @returns Where the secret is, such as `variable "TOKEN"`.
   */
  givenSecret(
    { run }: Pick<Step, "run">,
    env: Readonly<Record<string, string>>,
    ignored: readonly string[],
  ): string | undefined {
    const words = typeof run === "function" ? [] : [run].flat();
    if (words.some((word) => this.containsSecret(word))) return "its command";
    const variable = Object.entries(env)
      .find(([name, value]) =>
        !ignored.includes(name) && this.isSecret(name, value)
      );
    return variable && `the variable ${JSON.stringify(variable[0])}`;
  }
}
