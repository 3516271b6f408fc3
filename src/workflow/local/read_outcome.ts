import { messageOf, RunnerError } from "../../errors.ts";
import { readUntrusted } from "../../fs/untrusted_file.ts";
import { isDeeperThan, isObject, parseJson } from "../../json_value.ts";
import { copyJson } from "../../schema/copy_json.ts";
import { checkTriggers } from "../../triggers/check_triggers.ts";
import { sortTriggers } from "../../triggers/trigger_graph.ts";
import type { Trigger } from "../../triggers/trigger_options.ts";
import { MAX_DOCUMENT_BYTES } from "../../triggers/triggers_file.ts";
import type {
  JobOutputs,
  JsonObject,
  TriggeredWorkflow,
} from "./workflow_state.ts";

/** Maximum size of outputs, in bytes. */
const MAX_OUTPUT_BYTES = 1024 * 1024;

/** Maximum depth of the values that a job writes. */
const MAX_DEPTH = 1_000;

/** Keys of jobs that evaluations write for the coordinator only. */
const EVALUATION_KEYS: readonly string[] = ["ci_origin", "execution_profile"];

/**
 * Reads the variables and outputs that a job wrote.
 *
 * @param path Absolute path of the file, which may be missing.
 * @throws {RunnerError} `output-failed` if the file is invalid.
 */
export async function readJobOutputs(path: string): Promise<JobOutputs> {
  const document = await readDocument(path, MAX_OUTPUT_BYTES);
  if (document === undefined) return {};
  const { vars = null, outputs = null } = document;
  for (const [name, value] of Object.entries({ vars, outputs })) {
    if (value !== null && !isObject(value)) {
      throw resultError(path, `"${name}" must be an object`);
    }
  }
  return { vars: vars as JsonObject, outputs: outputs as JsonObject };
}

/**
 * Reads the follow-up jobs that a job wrote.
 *
 * @param path Absolute path of the file, which may be missing.
 * @returns Workflows; a document with plain jobs is a single workflow.
 * @throws {RunnerError} `output-failed` if the file is invalid, or contains
 * jobs that the coordinator would not run.
 */
export async function readTriggered(
  path: string,
): Promise<TriggeredWorkflow[]> {
  const document = await readDocument(path, MAX_DOCUMENT_BYTES);
  if (document === undefined) return [];
  if (document.type !== "trigger_job") {
    throw resultError(path, 'its type is not "trigger_job"');
  }
  const { workflows, workflow, jobs } = document;
  const batches = Array.isArray(workflows) && workflows.length > 0
    ? workflows
    : [{ ...isObject(workflow) ? workflow : {}, jobs }];
  try {
    return batches.map(parseBatch).filter(({ jobs }) => jobs.length > 0);
  } catch (cause) {
    throw resultError(path, messageOf(cause), cause);
  }
}

function parseBatch(batch: unknown): TriggeredWorkflow {
  if (!isObject(batch)) throw new TypeError("a workflow must be an object");
  const { name, vars, jobs } = batch;
  return {
    ...typeof name === "string" ? { name } : {},
    ...isObject(vars) ? { vars: copyJson(vars, "vars") as JsonObject } : {},
    jobs: parseTriggers(jobs ?? []),
  };
}

function parseTriggers(jobs: unknown): readonly Trigger[] {
  if (!Array.isArray(jobs)) throw new TypeError("its jobs must be a list");
  const known = jobs.map((job: unknown) =>
    isObject(job)
      ? Object.fromEntries(
        Object.entries(job).filter(([key]) => !EVALUATION_KEYS.includes(key)),
      )
      : job
  );
  return sortTriggers(checkTriggers(known, { isWire: true }));
}

async function readDocument(
  path: string,
  maxBytes: number,
): Promise<Record<string, unknown> | undefined> {
  let bytes: Uint8Array;
  try {
    bytes = await readUntrusted(path, { maxBytes });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw resultError(path, messageOf(error));
  }
  const document = parseJson(new TextDecoder().decode(bytes));
  if (isDeeperThan(document, MAX_DEPTH)) {
    throw resultError(path, `it is nested deeper than ${MAX_DEPTH} levels`);
  }
  if (isObject(document)) return document;
  throw resultError(
    path,
    document === undefined
      ? "it is not valid JSON"
      : "it must be a JSON object",
  );
}

function resultError(
  path: string,
  state: string,
  cause?: unknown,
): RunnerError {
  return new RunnerError(`Cannot use "${path}": ${state}`, {
    code: "output-failed",
    cause,
  });
}
