import { osReason, RunnerError } from "../errors.ts";
import { readUntrusted } from "../fs/untrusted_file.ts";
import { isObject, type JsonValue, parseJson } from "../json_value.ts";

/** Prefix of the output in which a job publishes its result. */
const RESULT_PREFIX = "result@";

/** Maximum length of a published error, in characters. */
const MAX_ERROR_LENGTH = 200;

/** State of a job. The coordinator does not list jobs that were not started. */
export type JobState =
  | "submitted"
  | "queued"
  | "running"
  | "cancelling"
  | "completed"
  | "failed"
  | "cancelled"
  | "timeout"
  | "skipped";

/** One instance of a job. */
export interface JobInstance {
  /** Name of the instance: that of the job, or `name[0]` in a fan-out. */
  readonly name: string;
  /** State of the instance. */
  readonly status: JobState;
  /** Exit code; `null` if there is none yet. */
  readonly exitCode: number | null;
  /** Reason of a failure, as reported by the coordinator; otherwise `null`. */
  readonly lastError: string | null;
  /** ID on the coordinator; `null` on a laptop. */
  readonly jobId: string | null;
  /** Start time, in the format of RFC 3339. */
  readonly startedAt: string | null;
  /** End time, in the format of RFC 3339. */
  readonly completedAt: string | null;
  /** Path of its logs on the coordinator; `null` on a laptop. */
  readonly logsUrl: string | null;
  /** Outputs; known only on a laptop. */
  readonly outputs?: { readonly [key: string]: JsonValue };
}

/**
 * Result of a job: its decisive instance, and all instances. A failed instance
 * takes precedence over a running one, and a running one over a successful one.
 */
export interface JobOutcome extends JobInstance {
  /** All instances of a fan-out; a single one for other jobs. */
  readonly instances: readonly JobInstance[];
}

/** States of a job that has not ended. */
const ACTIVE: ReadonlySet<JobState> = new Set([
  "submitted",
  "queued",
  "running",
  "cancelling",
]);

/** States in the order of precedence in a fan-out. */
const STATE_PRECEDENCE: readonly JobState[] = [
  ...["failed", "timeout", "cancelled"] as const,
  ...["cancelling", "running", "queued", "submitted"] as const,
  ...["completed", "skipped"] as const,
];

/** Checks whether an instance was submitted and has not ended. */
export function isActive({ status }: JobInstance): boolean {
  return ACTIVE.has(status);
}

/**
 * Checks whether a text is a state of a job.
 *
 * @param status Untrusted value.
 */
export function isJobState(status: unknown): status is JobState {
  return STATE_PRECEDENCE.includes(status as JobState);
}

/**
 * Combines the instances of a job.
 *
 * @param instances Distinct instances.
 * @returns The outcome; `null` without an instance.
 */
export function combineInstances(
  name: string,
  instances: readonly JobInstance[],
): JobOutcome | null {
  const ranked = instances.toSorted((a, b) =>
    STATE_PRECEDENCE.indexOf(a.status) - STATE_PRECEDENCE.indexOf(b.status)
  );
  if (ranked.length === 0) return null;
  return { ...ranked[0], name, instances };
}

/** Returns the name of the job of an instance: `build` for `build[0]`. */
export function withoutIndex(name: string): string {
  return name.replace(/\[\d+\]$/, "");
}

/** A result as published in the variables of a workflow. */
export interface PublishedResult {
  /** Outcome of the job. */
  readonly status: string;
  /** Exit code. */
  readonly exit_code: number;
  /** Reason of a failure. */
  readonly last_error?: string;
  /** ID on the coordinator. */
  readonly job_id?: string;
  /** Name of the instance. */
  readonly node_name?: string;
  /** Start time. */
  readonly started_at: string;
  /** End time; the newest result of an instance is used. */
  readonly completed_at: string;
}

/**
 * Returns the key of the output in which a job publishes its result.
 *
 * It is different for each run of a job, because setting a variable to a second
 * value would fail the whole workflow.
 *
 * @param runId ID of the run, from `RC_WF_RUN_ID`.
 */
export function resultKey(runId: string): string {
  return RESULT_PREFIX + runId;
}

/**
 * Converts the result of a job to the form for publishing.
 *
 * @returns The result with a truncated reason.
 */
export function publishedResult(result: PublishedResult): PublishedResult {
  const { last_error } = result;
  return last_error !== undefined && last_error.length > MAX_ERROR_LENGTH
    ? { ...result, last_error: `${last_error.slice(0, MAX_ERROR_LENGTH)}…` }
    : result;
}

/**
 * Finds the published results of a job, which requires no token.
 *
 * @param variables Variables of the workflow at the start of this job.
 * @param name Name of the job, or of one instance.
 * @returns Instances; none if the job has published no result.
 */
export function publishedInstances(
  variables: Readonly<Record<string, unknown>>,
  name: string,
): JobInstance[] {
  const newest = new Map<string, JobInstance>();
  const prefix = `${withoutIndex(name)}.${RESULT_PREFIX}`;
  for (const [key, value] of Object.entries(variables)) {
    if (!key.startsWith(prefix)) continue;
    const instance = parseInstance(value, withoutIndex(name));
    if (instance === undefined) continue;
    if (name !== withoutIndex(name) && instance.name !== name) continue;
    const other = newest.get(instance.name);
    const isNewer = other === undefined ||
      instance.completedAt! > other.completedAt!;
    if (isNewer) newest.set(instance.name, instance);
  }
  return [...newest.values()];
}

function parseInstance(value: unknown, job: string): JobInstance | undefined {
  if (!isObject(value)) return undefined;
  const result = value as Partial<PublishedResult>;
  if (!isJobState(result.status)) return undefined;
  if (typeof result.completed_at !== "string") return undefined;
  const { job_id } = result;
  return {
    name: typeof result.node_name === "string" ? result.node_name : job,
    status: result.status,
    exitCode: typeof result.exit_code === "number" ? result.exit_code : null,
    lastError: result.last_error ?? null,
    jobId: job_id ?? null,
    startedAt: result.started_at ?? null,
    completedAt: result.completed_at,
    logsUrl: job_id === undefined ? null : `/api/v1/jobs/${job_id}/logs`,
  };
}

/** State file of a local workflow, relative to the workspace. */
export const STATE_FILE = ".reactorcide/workflow-state.json";

/** Maximum size of a state file or journal, in bytes. */
const MAX_BYTES = 512 * 1024 * 1024;

type Properties = Readonly<Record<string, unknown>>;

/** State of the jobs of a local workflow. */
export interface LocalState {
  /** All instances that were started or skipped, by job name. */
  readonly jobs: ReadonlyMap<string, readonly JobInstance[]>;
}

/** Content of a state file and its journal. */
export interface SavedState {
  /** ID of the workflow. */
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
  // The state is read first, so that changes in between are in the journal.
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
    (state, cause) => readError(path, state, cause),
  );
  if (state === null) return null;
  const byName = new Map<string, JobInstance[]>();
  for (const [key, record] of state.records) {
    const instance = isObject(record) ? readInstance(key, record) : undefined;
    if (instance === undefined) continue;
    const { name } = record as Properties;
    const job = typeof name === "string" ? name : withoutIndex(key);
    byName.set(job, [...byName.get(job) ?? [], instance]);
  }
  return { jobs: byName };
}

/**
 * Finds the instances of a job.
 *
 * @param name Name of the job, or of one instance.
 */
export function localInstances(
  { jobs }: LocalState,
  name: string,
): readonly JobInstance[] {
  return jobs.get(name) ??
    [...jobs.values()].flat().filter((instance) => instance.name === name);
}

function readInstance(
  key: string,
  record: Properties,
): JobInstance | undefined {
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

function readError(path: string, state: string, cause?: unknown): RunnerError {
  return new RunnerError(`Cannot read "${path}": ${state}`, {
    code: "workspace",
    cause,
  });
}
