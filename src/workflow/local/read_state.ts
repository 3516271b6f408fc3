import { isObject } from "../../json.ts";
import { osReason, RunnerError } from "../../errors.ts";
import { readUntrusted } from "../../fs/read_untrusted.ts";
import type { JobRecord } from "./workflow_state.ts";

/** Largest state or journal that is read, in bytes. */
const MAX_BYTES = 512 * 1024 * 1024;

/** What a state says besides its jobs. */
export interface StateHead {
  /** Version of the form. */
  readonly version: number;
  /** Id of the workflow. */
  readonly workflow: string;
  /** Id of the run, which its journal has, too. */
  readonly runId: string;
}

/**
 * Reads what an earlier run of a workflow has left, with its journal.
 *
 * @param path Absolute path of the state.
 * @param workflow Id of the workflow that is to go on.
 * @returns Records by the keys of jobs.
 * @throws {RunnerError} `invalid-workflow`, if there is none, or it is that of
 * another workflow; `output-failed`, if it is damaged or cannot be read.
 */
export async function readState(
  path: string,
  workflow: string,
): Promise<Map<string, JobRecord>> {
  const text = await readText(path);
  if (text === undefined) {
    throw new RunnerError(
      `Cannot resume the workflow: there is no "${path}"`,
      { code: "invalid-workflow" },
    );
  }
  const state = parse(text);
  if (!isState(state)) throw damaged(path);
  if (state.workflow !== workflow) {
    throw new RunnerError(
      `Cannot resume the workflow: "${path}" is of "${state.workflow}"`,
      { code: "invalid-workflow" },
    );
  }
  const records = new Map(Object.entries(state.jobs));
  const journal = await readText(`${path}.log`) ?? "";
  const [first, ...lines] = journal.split("\n").map(parse);
  // A journal of another run is older than the state.
  if (!isObject(first) || first.runId !== state.runId) return records;
  for (const line of lines) {
    // The last line is cut when the run was killed as it wrote.
    if (!isObject(line) || typeof line.key !== "string") break;
    records.set(line.key, line.record as JobRecord);
  }
  return records;
}

async function readText(path: string): Promise<string | undefined> {
  try {
    const bytes = await readUntrusted(path, { maxBytes: MAX_BYTES });
    return new TextDecoder().decode(bytes);
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) return undefined;
    throw new RunnerError(`Cannot read "${path}": ${osReason(cause)}`, {
      code: "output-failed",
      cause,
    });
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Told by what it is taken for.
    return undefined;
  }
}

function isState(
  value: unknown,
): value is StateHead & { jobs: Record<string, JobRecord> } {
  return isObject(value) && typeof value.workflow === "string" &&
    typeof value.runId === "string" && isObject(value.jobs);
}

function damaged(path: string): RunnerError {
  return new RunnerError(
    `Cannot resume the workflow: "${path}" is no state of one`,
    { code: "output-failed" },
  );
}
