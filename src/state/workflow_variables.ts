/**
 * Variables and outputs of a workflow. A job reads the variables as of its
 * start, and writes variables and outputs, which the worker reads when the job
 * has ended.
 *
 * @module
 */

import { dirname } from "@std/path/posix/dirname";
import { type Environment, Variable } from "../environment/variables.ts";
import { messageOf, osReason, RunnerError } from "../errors.ts";
import { lockDirectory } from "../fs/file_lock.ts";
import { readUntrusted } from "../fs/untrusted_file.ts";
import { writeAtomic } from "../fs/write_atomic.ts";
import { isObject, type JsonValue, parseJson } from "../json_value.ts";
import { copyJson } from "../schema/copy_json.ts";
import { quote } from "../terminal/text.ts";

/** Maximum size of the variables, in bytes. */
const MAX_VARIABLES_BYTES = 64 * 1024 * 1024;

/** Maximum size of a file of outputs that workers read, in bytes. */
export const MAX_OUTPUT_BYTES = 1024 * 1024;

/** Variables of a workflow by name; outputs of jobs are named `job.key`. */
export type WorkflowVariables = { readonly [name: string]: JsonValue };

/** Options for {@linkcode readVariables}. */
export interface ReadVariablesOptions {
  /** Environment of the job. */
  readonly env: Environment;
  /** Absolute path of the file, for an environment without variables. */
  readonly path: string;
  /** Called with the reason if the variables are damaged. */
  readonly warn: (message: string) => void;
}

/** A variable of the workflow, or an output of the job. */
export interface WorkflowEntry {
  /** Whether it is a variable or an output. */
  readonly kind: "vars" | "outputs";
  /** Name of the variable, or key of the output. */
  readonly key: string;
  /** Any value that JSON can hold. */
  readonly value: unknown;
}

/** Options for {@linkcode writeOutput}. */
export interface WriteOutputOptions {
  /**
   * Locks the file while it is read and written.
   *
   * @default {locks its directory}
   */
  lock?: () => Promise<Disposable>;
  /**
   * Permission bits of the file.
   *
   * @default {0o644}
   */
  mode?: number;
}

/** Document that a worker reads after a job. */
interface OutputDocument {
  readonly [key: string]: JsonValue;
}

/**
 * Reads the variables of the workflow as of the start of the job.
 *
 * @returns The variables; none outside of a workflow, or if they are damaged.
 */
export async function readVariables(
  options: ReadVariablesOptions,
): Promise<WorkflowVariables> {
  const { env, path, warn } = options;
  const place = env[Variable.workflowVarsJson]
    ? Variable.workflowVarsJson
    : `"${path}"`;
  try {
    const text = env[Variable.workflowVarsJson] || await readLinked(path);
    const value = parseJson(text);
    if (isObject(value)) return value as WorkflowVariables;
    warn(
      `Cannot read workflow variables from ${place}: they are not a JSON object`,
    );
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) {
      warn(`Cannot read workflow variables from ${place}: ${messageOf(error)}`);
    }
  }
  return {};
}

/**
 * Adds a variable or an output to the file that the worker reads.
 *
 * Writers wait for one another; a reader sees either the old or the new file.
 *
 * @param path Absolute path of the file; its directory must exist.
 * @throws {TypeError} If the key is empty or the value is not plain JSON data.
 * @throws {RunnerError} `output-failed` if the file is not such a document,
 * would exceed 1 MiB, or cannot be read or written. In that case, the file is
 * not changed.
 */
export async function writeOutput(
  path: string,
  { kind, key: rawKey, value }: WorkflowEntry,
  options: WriteOutputOptions = {},
): Promise<void> {
  const { lock = () => lockDirectory(dirname(path)), mode } = options;
  const label = kind === "vars" ? "workflow variable" : "workflow output";
  const key = rawKey.trim();
  if (key === "") {
    throw new TypeError(`Cannot set a ${label}: its name is empty`);
  }
  const copy = copyJson(value, `The ${label} ${quote(key)}`, {
    allowsReservedKeys: true,
  });
  using _ = await lock();
  const document = await readDocument(path);
  const before = document[kind] as OutputDocument | null | undefined;
  const changed = { ...document, [kind]: { ...before, [key]: copy } };
  const bytes = new TextEncoder().encode(`${JSON.stringify(changed)}\n`);
  if (bytes.length > MAX_OUTPUT_BYTES) {
    throw new RunnerError(
      `Cannot set ${label} ${
        quote(key)
      }: "${path}" would exceed ${MAX_OUTPUT_BYTES} bytes`,
      { code: "output-failed" },
    );
  }
  await writeAtomic(path, bytes, { mode });
}

async function readDocument(path: string): Promise<OutputDocument> {
  let text: string;
  try {
    text = await readText(path, MAX_OUTPUT_BYTES);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return {};
    throw writeError(path, osReason(error), error);
  }
  const document = parseJson(text);
  const parts = isObject(document)
    ? [document.vars ?? {}, document.outputs ?? {}]
    : [null];
  if (parts.every(isObject)) return document as OutputDocument;
  throw writeError(path, "it is not a document of workflow outputs");
}

async function readLinked(path: string): Promise<string> {
  // Files that Kubernetes mounts are links.
  return await readText(await Deno.realPath(path), MAX_VARIABLES_BYTES);
}

async function readText(path: string, maxBytes: number): Promise<string> {
  return new TextDecoder().decode(await readUntrusted(path, { maxBytes }));
}

function writeError(path: string, state: string, cause?: unknown): RunnerError {
  return new RunnerError(`Cannot add to "${path}": ${state}`, {
    code: "output-failed",
    cause,
  });
}
