import { osReason, RunnerError } from "../errors.ts";
import { readUntrusted } from "../fs/untrusted_file.ts";
import { isObject, type JsonValue, parseJson } from "../json_value.ts";
import { isJobState, type JobInstance, jobNameOf } from "./job_outcome.ts";

/** State file of a local workflow, relative to the workspace. */
export const STATE_FILE = ".reactorcide/workflow-state.json";

/** Maximum size of a state file or journal. */
const MAX_BYTES = 512 * 1024 * 1024;

type Properties = Readonly<Record<string, unknown>>;

/** State of the jobs of a local workflow. */
export interface LocalState {
  /** All instances that were started or skipped, by job name. */
  readonly jobs: ReadonlyMap<string, readonly JobInstance[]>;
}

/** Content of a state file and its journal. */
export interface SavedState {
  /** Id of the workflow. */
  readonly workflow: string;
  /** Records by job key. */
  readonly records: Map<string, unknown>;
}

/**
 * Reads a state file. Its journal contains the changes since the file was
 * written, if both belong to the same run.
 *
 * @param failure Creates the error for a file that is damaged or unreadable.
 * @returns The content; `null` if the file does not exist.
 */
export async function readStateFile(
  path: string,
  failure: (state: string, cause?: unknown) => RunnerError,
): Promise<SavedState | null> {
  // In this order, since changes in between are at the end of the journal.
  const text = await readText(path, failure);
  if (text === null) return null;
  const journal = await readText(`${path}.log`, failure) ?? "";
  const state = parseJson(text);
  if (!isObject(state)) throw failure("it is not the state of a workflow");
  const { workflow = "", runId, jobs } = state;
  if (!isObject(jobs) || typeof workflow !== "string") {
    throw failure("it is not the state of a workflow");
  }
  const records = new Map(Object.entries(jobs));
  const [first, ...lines] = journal.split("\n").map(parseJson);
  // A journal of another run is older than the state.
  if (!isObject(first) || first.runId !== runId) return { workflow, records };
  for (const line of lines) {
    // The last line is incomplete if the run was killed while writing.
    if (!isObject(line) || typeof line.key !== "string") break;
    records.set(line.key, line.record);
  }
  return { workflow, records };
}

/**
 * Reads the state of the jobs of a local workflow.
 *
 * @returns The state; `null` if the workflow does not exist.
 * @throws {RunnerError} `workspace` if it is damaged or cannot be read.
 */
export async function readLocalState(path: string): Promise<LocalState | null> {
  const state = await readStateFile(
    path,
    (state, cause) => unreadable(path, state, cause),
  );
  if (state === null) return null;
  const byName = new Map<string, JobInstance[]>();
  for (const [key, record] of state.records) {
    const instance = isObject(record) ? instanceOf(key, record) : undefined;
    if (instance === undefined) continue;
    const { name } = record as Properties;
    const job = typeof name === "string" ? name : jobNameOf(key);
    byName.set(job, [...byName.get(job) ?? [], instance]);
  }
  return { jobs: byName };
}

/**
 * Finds the instances of a job.
 *
 * @param state State of a local workflow.
 * @param name Name of the job, or of one instance.
 */
export function localInstances(
  { jobs }: LocalState,
  name: string,
): readonly JobInstance[] {
  return jobs.get(name) ??
    [...jobs.values()].flat().filter((instance) => instance.name === name);
}

function instanceOf(key: string, record: Properties): JobInstance | undefined {
  const { status, exitCode, outputs, reason } = record;
  // The coordinator calls this state "completed".
  const state = status === "success" ? "completed" : status;
  if (!isJobState(state)) return undefined;
  return {
    name: key,
    status: state,
    exitCode: typeof exitCode === "number" ? exitCode : null,
    lastError: typeof reason === "string" ? reason : null,
    jobId: null,
    startedAt: null,
    completedAt: null,
    logsUrl: null,
    outputs: isObject(outputs)
      ? outputs as { readonly [key: string]: JsonValue }
      : {},
  };
}

async function readText(
  path: string,
  failure: (state: string, cause?: unknown) => RunnerError,
): Promise<string | null> {
  try {
    const bytes = await readUntrusted(path, { maxBytes: MAX_BYTES });
    return new TextDecoder().decode(bytes);
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) return null;
    throw failure(osReason(cause), cause);
  }
}

function unreadable(path: string, state: string, cause?: unknown): RunnerError {
  return new RunnerError(`Cannot read "${path}": ${state}`, {
    code: "workspace",
    cause,
  });
}
