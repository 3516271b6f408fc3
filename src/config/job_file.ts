import { parse } from "@std/yaml/parse";
import { messageOf, RunnerError } from "../errors.ts";
import { osReason } from "../os_reason.ts";
import { suggest } from "../suggest.ts";
import { CONFIG_KEYS, type ConfigName } from "./keys.ts";
import type { Layer } from "./settings.ts";

/** Largest job file that is read, in bytes. */
const MAX_BYTES = 1024 * 1024;

/** Keys of a job file and the keys of the configuration that they mean. */
const MEANINGS: ReadonlyMap<string, ConfigName> = new Map(Object.entries({
  ...Object.fromEntries(CONFIG_KEYS.map(({ name }) => [name, name])),
  command: "job_command",
  image: "runner_image",
  environment: "job_env",
  working_dir: "job_dir",
  timeout_seconds: "timeout",
  "source.type": "source_type",
  "source.url": "source_url",
  "source.ref": "source_ref",
  "ci_source.type": "ci_source_type",
  "ci_source.url": "ci_source_url",
  "ci_source.ref": "ci_source_ref",
  "checkout.mode": "checkout_mode",
  "job.command": "job_command",
  "job.image": "runner_image",
  "job.timeout": "timeout",
  "job.code_dir": "code_dir",
  "job.job_dir": "job_dir",
  "job.working_dir": "job_dir",
}));

/** Keys that only a worker or a coordinator reads; the runner leaves them alone. */
const FOREIGN = [
  ...["name", "description", "triggers", "paths", "source.path"],
  ...[
    "command_prefix",
    "capabilities",
    "image_pull_secrets",
    "cpu_limit",
    "memory_limit",
    "run_as",
    "disable_run_local",
    "run_local",
    "characteristics",
    "worker_class",
    "resources",
    "priority",
  ].flatMap((key) => [key, `job.${key}`]),
  ...["raw_command", "depends_on", "condition", "for_each", "item_var"]
    .map((key) => `job.${key}`),
];

const GROUPS = ["source", "ci_source", "checkout", "job"];

/** A problem and the way of keys to its place. */
interface FileProblem {
  path: readonly string[];
  message: string;
}

/**
 * Reads a job file, YAML or JSON, as a layer of the configuration.
 *
 * Scalars keep the text that was written: `1.0`, `yes` and `0x10` reach the
 * environment of a job unchanged.
 *
 * @param path Absolute path of the file.
 * @param name Path as the user gave it, for messages.
 * @returns The layer.
 * @throws {RunnerError} With code `invalid-job-file`, if the file cannot be
 * read or understood; the message tells all problems with line and column.
 */
export async function readJobFile(path: string, name: string): Promise<Layer> {
  const text = await readBounded(path, name);
  const document = parseText(text, name);
  const layer: Layer = {};
  const problems: FileProblem[] = [];
  if (isMapping(document)) readMapping(document, [], layer, problems, name);
  else problems.push({ path: [], message: "must be a mapping of keys" });
  if (problems.length === 0) return layer;
  const { locate } = await import("./locate.ts");
  const lines = problems.map(({ path, message }) => {
    const place = locate(text, path);
    return `${name}:${place.line}:${place.column}: ${message}`;
  });
  throw new RunnerError(
    `Cannot use job file "${name}": ${lines.length} problem${
      lines.length > 1 ? "s" : ""
    }\n${lines.join("\n")}`,
    { code: "invalid-job-file" },
  );
}

async function readBounded(path: string, name: string): Promise<string> {
  let reason: string;
  try {
    const { size, isFile } = await Deno.stat(path);
    if (!isFile) reason = "it is not a file";
    else if (size > MAX_BYTES) reason = `it is larger than ${MAX_BYTES} bytes`;
    else return decodeText(await Deno.readFile(path));
  } catch (error) {
    reason = osReason(error);
  }
  throw unreadable(name, reason);
}

function decodeText(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new Error("it is not UTF-8 text");
  }
}

/**
 * Scalars stay text. Only a plain `null`, which the schema that knows it tells
 * from a quoted one, becomes nothing.
 */
function parseText(text: string, name: string): unknown {
  try {
    const typed = parse(text, { schema: "core", allowDuplicateKeys: true });
    return nullWhere(typed, parse(text, { schema: "failsafe" }));
  } catch (error) {
    // The parser quotes the file, which may hold a secret: so does the error
    // itself, which is why it does not become the cause.
    const [reason] = messageOf(error).split("\n", 1);
    throw unreadable(name, reason.replace(/ ".*"| !?<.*>|:$/g, ""));
  }
}

function nullWhere(typed: unknown, text: unknown, depth = 0): unknown {
  if (typed === null) return null;
  // No key of a job file stands deeper; an alias may lead back to itself.
  if (depth > 3 || !isMapping(text) || !isMapping(typed)) return text;
  for (const key of Object.keys(text)) {
    text[key] = nullWhere(typed[key], text[key], depth + 1);
  }
  return text;
}

function unreadable(name: string, reason: string): RunnerError {
  return new RunnerError(`Cannot read job file "${name}": ${reason}`, {
    code: "invalid-job-file",
  });
}

function readMapping(
  mapping: Readonly<Record<string, unknown>>,
  parents: readonly string[],
  layer: Layer,
  problems: FileProblem[],
  origin: string,
): void {
  for (const [key, value] of Object.entries(mapping)) {
    const path = [...parents, key];
    const dotted = path.join(".");
    const name = MEANINGS.get(dotted);
    if (name === "job_env") {
      if (typeof value === "string") layer.job_env = { value, origin };
      else readVariables(value, path, layer, problems, origin);
    } else if (name !== undefined) {
      // Said twice, as `command` and `job.command`: the later one wins.
      if (typeof value === "string") layer[name] = { value, origin };
      else if (value !== null) {
        problems.push({ path, message: `${dotted} must be a single value` });
      }
    } else if (parents.length === 0 && GROUPS.includes(key)) {
      if (isMapping(value)) readMapping(value, path, layer, problems, origin);
      else if (value !== null) {
        problems.push({ path, message: `${dotted} must be a mapping of keys` });
      }
    } else if (!FOREIGN.includes(dotted)) {
      problems.push({ path, message: unknownKey(path) });
    }
  }
}

function readVariables(
  value: unknown,
  path: readonly string[],
  layer: Layer,
  problems: FileProblem[],
  origin: string,
): void {
  const env: Record<string, string> = Object.create(null);
  if (value !== null && !isMapping(value)) {
    problems.push({
      path,
      message: `${path.join(".")} must map names to values`,
    });
    return;
  }
  for (const [name, text] of Object.entries(value ?? {})) {
    if (text === null) env[name] = "";
    else if (typeof text === "string") env[name] = text;
    else {
      problems.push({
        path: [...path, name],
        message: `${path.join(".")}.${name} must be a single value`,
      });
    }
  }
  layer.job_env = { value: env, origin };
}

function unknownKey(path: readonly string[]): string {
  const prefix = path.slice(0, -1).map((part) => `${part}.`).join("");
  const known = [...MEANINGS.keys(), ...FOREIGN, ...GROUPS]
    .filter((key) => key.startsWith(prefix))
    .map((key) => key.slice(prefix.length))
    .filter((key) => !key.includes("."));
  const near = suggest(path.at(-1)!, known);
  return `unknown key "${path.join(".")}"` +
    (near === undefined ? "" : `; did you mean "${prefix}${near}"?`);
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
