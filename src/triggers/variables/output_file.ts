import { isObject } from "../../json.ts";
import { dirname } from "@std/path/posix/dirname";
import { osReason, RunnerError } from "../../errors.ts";
import { readUntrusted } from "../../fs/read_untrusted.ts";
import { writeAtomic } from "../../fs/write_atomic.ts";
import { lockDirectory } from "../../fs/lock.ts";
import { copyJson } from "../copy_json.ts";
import { quote } from "../printable.ts";
import type { JsonValue } from "../trigger.ts";

/** Largest file that a worker reads, in bytes. */
const MAX_BYTES = 1024 * 1024;

/** What a worker reads of a job. */
interface OutputDocument {
  readonly [key: string]: JsonValue;
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

/** What a job says to its workflow. */
export interface WorkflowEntry {
  /** Whether it is a variable of the workflow, or an output of the job. */
  readonly kind: "vars" | "outputs";
  /** Name of the variable, or key of the output. */
  readonly key: string;
  /** Any value that JSON can hold. */
  readonly value: unknown;
}

/**
 * Adds to what a worker reads of a job when the job is over.
 *
 * Several writers wait for one another; a reader sees the old or the new
 * file, never half of one.
 *
 * @param path Absolute path of the file; its directory must exist.
 * @param entry What the job says.
 * @param options Additional options.
 * @throws {TypeError} If the key is empty or the value is not plain JSON data.
 * @throws {RunnerError} `output-failed`, if the file holds anything else,
 * would exceed 1 MiB, or cannot be read or written. It is left as it is then.
 */
export async function writeOutput(
  path: string,
  { kind, key: given, value }: WorkflowEntry,
  options: WriteOutputOptions = {},
): Promise<void> {
  const { lock = () => lockDirectory(dirname(path)), mode } = options;
  const what = kind === "vars" ? "workflow variable" : "workflow output";
  const key = given.trim();
  if (key === "") {
    throw new TypeError(`Cannot set a ${what}: its name is empty`);
  }
  const copy = copyJson(value, `The ${what} ${quote(key)}`, {
    areKeysFree: true,
  });
  using _ = await lock();
  const document = await readDocument(path);
  const before = document[kind] as OutputDocument | null | undefined;
  const changed = { ...document, [kind]: { ...before, [key]: copy } };
  const bytes = new TextEncoder().encode(`${JSON.stringify(changed)}\n`);
  if (bytes.length > MAX_BYTES) {
    throw new RunnerError(
      `Cannot set ${what} ${
        quote(key)
      }: "${path}" would exceed ${MAX_BYTES} bytes`,
      { code: "output-failed" },
    );
  }
  await writeAtomic(path, bytes, { mode });
}

async function readDocument(path: string): Promise<OutputDocument> {
  const text = await readText(path);
  if (text === null) return {};
  const document = parse(text);
  const parts = isObject(document)
    ? [document.vars ?? {}, document.outputs ?? {}]
    : [null];
  if (parts.every(isObject)) return document as OutputDocument;
  throw unusable(path, "it is no document of workflow outputs");
}

async function readText(path: string): Promise<string | null> {
  try {
    const bytes = await readUntrusted(path, { maxBytes: MAX_BYTES });
    return new TextDecoder().decode(bytes);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw unusable(path, osReason(error), error);
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The message of the parser quotes the text, which may hold secrets.
    return undefined;
  }
}

function unusable(path: string, state: string, cause?: unknown): RunnerError {
  return new RunnerError(`Cannot add to "${path}": ${state}`, {
    code: "output-failed",
    cause,
  });
}
