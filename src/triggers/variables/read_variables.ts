import { Variable } from "../../environment/variables.ts";
import { messageOf } from "../../errors.ts";
import { readUntrusted } from "../../fs/read_untrusted.ts";
import type { JsonValue } from "../trigger.ts";

/** Largest file of variables that is read, in bytes. */
const MAX_BYTES = 64 * 1024 * 1024;

/** Variables of a workflow by their names; outputs of jobs are `job.key`. */
export type WorkflowVariables = { readonly [name: string]: JsonValue };

/** Options for {@linkcode readVariables}. */
export interface ReadVariablesOptions {
  /** Environment of the job. */
  readonly env: Readonly<Record<string, string>>;
  /** Absolute path of the file, for when the environment holds no variables. */
  readonly path: string;
  /** Hears why there are none though there should be. */
  readonly warn: (message: string) => void;
}

/**
 * Reads the variables of the workflow, as they were when the job was started.
 *
 * @param options Where they are.
 * @returns The variables; none if there is no workflow, or they are damaged.
 */
export async function readVariables(
  options: ReadVariablesOptions,
): Promise<WorkflowVariables> {
  const { env, path, warn } = options;
  const place = env[Variable.workflowVarsJson]
    ? Variable.workflowVarsJson
    : `"${path}"`;
  try {
    const text = env[Variable.workflowVarsJson] || await readText(path);
    const value = parse(text);
    if (value !== undefined) return value;
    warn(
      `Cannot read workflow variables from ${place}: they are no object of JSON`,
    );
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) {
      warn(`Cannot read workflow variables from ${place}: ${messageOf(error)}`);
    }
  }
  return {};
}

async function readText(path: string): Promise<string> {
  // Files that Kubernetes mounts are links.
  const target = await Deno.realPath(path);
  const bytes = await readUntrusted(target, { maxBytes: MAX_BYTES });
  return new TextDecoder().decode(bytes);
}

function parse(text: string): WorkflowVariables | undefined {
  try {
    const value = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? value
      : undefined;
  } catch {
    // The message of the parser quotes the text, which may hold secrets.
    return undefined;
  }
}
