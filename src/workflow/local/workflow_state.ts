import { dirname } from "@std/path/posix/dirname";
import type { SavedArtifact } from "../../artifacts/artifact.ts";
import { osReason, RunnerError } from "../../errors.ts";
import { writeAll } from "../../fs/files.ts";
import { writeAtomic } from "../../fs/write_atomic.ts";
import { goJson, isObject, type JsonValue } from "../../json_value.ts";
import { readStateFile } from "../../state/job_outcome.ts";
import type { Trigger } from "../../triggers/trigger_options.ts";
import { openOwnFile } from "../../workspace/own_directory.ts";
import { removeTree } from "../../workspace/remove.ts";
import type { NodeStatus } from "./node_states.ts";

/**
 * Approximate number of times that the whole file is rewritten during a
 * workflow. The time of each write is proportional to the number of jobs.
 */
const SNAPSHOT_COUNT = 64;

/** Only the owner may read the outputs of jobs. */
const MODE = 0o600;

/** Follow-up jobs of a job, as a separate workflow. */
export interface TriggeredWorkflow {
  /** Name of the workflow, if the job set one. */
  readonly name?: string;
  /** Initial variables. */
  readonly vars?: JsonObject;
  /** The jobs. */
  readonly jobs: readonly Trigger[];
}

/** Saved state of a job of a local workflow. */
export interface LocalJobState {
  /** Status of the job. */
  readonly status: NodeStatus;
  /** Exit code, or `null` if there is none yet. */
  readonly exitCode: number | null;
  /** Outputs of the job. */
  readonly outputs: JsonObject;
  /** Name of the job, without the index of a fan-out. */
  readonly name: string;
  /** Variables of the workflow that the job set. */
  readonly vars?: JsonObject;
  /**
   * Key of the job that triggered this one; `undefined` for jobs of the
   * workflow file.
   */
  readonly origin?: string;
  /** Follow-up jobs of the job. */
  readonly triggers?: readonly TriggeredWorkflow[];
  /** Artifacts of the job. */
  readonly artifacts?: readonly SavedArtifact[];
  /** Why the job failed or was skipped; unset if it is not known. */
  readonly reason?: string;
}

/** Records by job key. */
export type JobRecords = ReadonlyMap<string, LocalJobState>;

/** Saved state of a local workflow, from which it can be resumed. */
export interface WorkflowState {
  /** State of the earlier run that this one resumes. */
  readonly earlier: JobRecords;
  /** Saves the state of a job. */
  record(key: string, record: LocalJobState): Promise<void>;
}

/**
 * Assigns a unique key to each job: its display name, if it is not taken.
 *
 * Jobs keep their keys when the workflow is resumed, even if they run in a
 * different order.
 */
export class JobKeys {
  readonly #keys = new Map<string, string>();
  readonly #usedKeys = new Set<string>();

  /**
   * Adopts the keys of an earlier run.
   *
   * @param earlier Records of the earlier run.
   */
  constructor(earlier: JobRecords) {
    for (const [key, { origin, name }] of earlier) {
      this.#usedKeys.add(key);
      const displayName = name + (/\[\d+\]$/.exec(key)?.[0] ?? "");
      if (origin !== undefined) {
        this.#keys.set(`${origin}\0${displayName}`, key);
      }
    }
  }

  /**
   * Returns the key of a job of the workflow file.
   *
   * @returns The display name, which is reserved for this job.
   */
  reserve(displayName: string): string {
    this.#usedKeys.add(displayName);
    return displayName;
  }

  /**
   * Returns the key of a triggered job.
   *
   * @param origin Key of the job that triggered it.
   * @returns The key; the same for each call with the same arguments.
   */
  keyForTriggered(origin: string, displayName: string): string {
    const id = `${origin}\0${displayName}`;
    const existing = this.#keys.get(id);
    if (existing !== undefined) return existing;
    let key = displayName;
    if (this.#usedKeys.has(key)) key = `${origin}/${displayName}`;
    this.#keys.set(id, key);
    this.#usedKeys.add(key);
    return key;
  }
}

/** JSON values by name. */
export type JsonObject = Readonly<Record<string, JsonValue>>;

/** Variables and outputs that a job passes to later jobs. */
export interface JobOutputs {
  /** Variables of the workflow. */
  readonly vars?: JsonObject | null;
  /** Outputs, available to other jobs as `<job>.<key>`. */
  readonly outputs?: JsonObject | null;
}

/** Variables of a workflow, which jobs can extend. */
export class VariableStore {
  readonly #values = new Map<string, JsonValue>();
  #text: string | undefined;

  /** Creates the variables of a workflow. */
  constructor(initial: JsonObject = {}) {
    this.#merge("", initial);
  }

  /**
   * Adds the variables and outputs of a job.
   *
   * Setting an existing variable to the same value is allowed. A different
   * value is a conflict; variables that were added before the conflict are
   * kept.
   *
   * @param job Name of the job, without the index of a fan-out.
   * @returns Name of the conflicting variable; `undefined` if there is none.
   */
  add(job: string, { vars, outputs }: JobOutputs): string | undefined {
    return this.#merge("", vars ?? {}) ?? this.#merge(`${job}.`, outputs ?? {});
  }

  /** All variables as JSON. */
  get text(): string {
    return this.#text ??= JSON.stringify(Object.fromEntries(this.#values));
  }

  #merge(prefix: string, added: JsonObject): string | undefined {
    for (const [key, value] of Object.entries(added)) {
      if (key.trim() === "") continue;
      const name = prefix + key.trim();
      const present = this.#values.get(name);
      if (present === undefined) {
        this.#values.set(name, value);
        this.#text = undefined;
      } else if (!isSame(present, value)) return name;
    }
    return undefined;
  }
}

/** Compares like the coordinator, which ignores the order of keys. */
function isSame(a: JsonValue, b: JsonValue): boolean {
  return goJson(unwrapValue(a)) === goJson(unwrapValue(b));
}

/** Unwraps `{"value": …}`, which the coordinator treats like the value itself. */
function unwrapValue(value: JsonValue): JsonValue {
  if (!isObject(value)) return value;
  const keys = Object.keys(value);
  return keys.length === 1 && keys[0] === "value"
    ? (value as JsonObject).value
    : value;
}

/** Options for {@linkcode openStateFile}. */
export interface OpenStateFileOptions {
  /** ID of the workflow; the state of another workflow is not resumed. */
  workflow: string;
  /**
   * Whether to resume the state of an earlier run: `required` fails if there is
   * none, `wanted` uses it if it exists and belongs to this workflow.
   */
  earlier: "required" | "wanted" | "none";
}

/** The saved state of a local workflow. */
export interface StateFile extends WorkflowState, AsyncDisposable {
  /** Absolute path of the file. */
  readonly path: string;
}

/**
 * Opens the state file of a local workflow.
 *
 * The file is always complete, because it is replaced atomically. Later changes
 * are appended to the journal `<path>.log`, so that the cost of a change does
 * not depend on the number of jobs, and a killed run loses nothing. Only one
 * run at a time may open the file.
 *
 * @param path Absolute path of the file; its directory is created if missing.
 * @returns The state, which is closed when disposed.
 * @throws {RunnerError} `output-failed` if the file is damaged or cannot be
 * written; `invalid-workflow` if no state can be resumed, or it belongs to
 * another workflow.
 */
export async function openStateFile(
  path: string,
  options: OpenStateFileOptions,
): Promise<StateFile> {
  const { workflow } = options;
  const journal = await openJournal(path);
  try {
    const earlier = await readEarlier(path, options);
    const head = { version: 1, workflow, runId: crypto.randomUUID() };
    const records = new Map<string, LocalJobState>(earlier);
    await removeDirectory(path);
    await writeState(path, head, records);
    await journal.truncate();
    const state = new JournaledState(path, { head, earlier, records, journal });
    await state.append(JSON.stringify({ runId: head.runId }));
    return state;
  } catch (error) {
    journal.close();
    throw error;
  }
}

/** Removes a directory at the path; a rename would not replace it. */
async function removeDirectory(path: string): Promise<void> {
  const info = await Deno.lstat(path).catch(() => undefined);
  if (info?.isDirectory) await removeTree(path);
}

async function readEarlier(
  path: string,
  { workflow, earlier }: OpenStateFileOptions,
): Promise<JobRecords> {
  if (earlier === "none") return new Map();
  try {
    return await readState(path, workflow);
  } catch (error) {
    const isUnusable = error instanceof RunnerError &&
      error.code === "invalid-workflow";
    if (earlier === "wanted" && isUnusable) return new Map();
    throw error;
  }
}

interface StateParts {
  readonly head: StateHead;
  readonly earlier: JobRecords;
  readonly records: Map<string, LocalJobState>;
  readonly journal: Deno.FsFile;
}

class JournaledState implements StateFile {
  readonly path: string;
  readonly #parts: StateParts;
  #lines: string[] = [];
  #writing: Promise<void> | undefined;
  #changeCount = 0;

  constructor(path: string, parts: StateParts) {
    this.path = path;
    this.#parts = parts;
  }

  get earlier(): JobRecords {
    return this.#parts.earlier;
  }

  record(key: string, record: LocalJobState): Promise<void> {
    this.#parts.records.set(key, record);
    this.#changeCount++;
    return this.append(JSON.stringify({ key, record }));
  }

  /** Batches lines that are added during a write. */
  async append(line: string): Promise<void> {
    this.#lines.push(line);
    const before = this.#writing;
    if (before !== undefined) await before;
    // The first waiting call writes the lines of all waiting calls.
    this.#writing ??= this.#write().finally(() => this.#writing = undefined);
    await this.#writing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { head, records, journal } = this.#parts;
    try {
      await this.#writing;
      await writeState(this.path, head, records);
    } finally {
      journal.close();
    }
  }

  async #write(): Promise<void> {
    const { head, records, journal } = this.#parts;
    const lines = this.#lines;
    if (lines.length === 0) return;
    this.#lines = [];
    try {
      await writeAll(
        journal,
        new TextEncoder().encode(`${lines.join("\n")}\n`),
      );
    } catch (cause) {
      throw writeError(this.path, osReason(cause), cause);
    }
    if (this.#changeCount * SNAPSHOT_COUNT < records.size) return;
    this.#changeCount = 0;
    await writeState(this.path, head, records);
  }
}

async function openJournal(path: string): Promise<Deno.FsFile> {
  try {
    await Deno.mkdir(dirname(path), { recursive: true });
    const { file } = await openOwnFile(
      () => Promise.resolve(`${path}.log`),
      { append: true, mode: MODE },
    );
    return file;
  } catch (cause) {
    throw writeError(path, osReason(cause), cause);
  }
}

async function writeState(
  path: string,
  head: StateHead,
  records: JobRecords,
): Promise<void> {
  const state = { ...head, jobs: Object.fromEntries(records) };
  await writeAtomic(path, `${JSON.stringify(state)}\n`, { mode: MODE });
}

function writeError(path: string, state: string, cause?: unknown): RunnerError {
  return new RunnerError(`Cannot write "${path}": ${state}`, {
    code: "output-failed",
    cause,
  });
}

/** Properties of a state other than its jobs. */
interface StateHead {
  /** Version of the format. */
  readonly version: number;
  /** ID of the workflow. */
  readonly workflow: string;
  /** ID of the run; the journal contains the same ID. */
  readonly runId: string;
}

/**
 * Reads the state and the journal of an earlier run.
 *
 * @param path Absolute path of the state.
 * @throws {RunnerError} `invalid-workflow` if the state does not exist or is from
 * another workflow; `output-failed` if it is damaged or cannot be read.
 */
async function readState(
  path: string,
  workflow: string,
): Promise<Map<string, LocalJobState>> {
  const state = await readStateFile(
    path,
    (reason, cause) =>
      new RunnerError(`Cannot read "${path}": ${reason}`, {
        code: "output-failed",
        cause,
      }),
  );
  if (state === null) {
    throw new RunnerError(
      `Cannot resume the workflow: "${path}" does not exist`,
      { code: "invalid-workflow" },
    );
  }
  if (state.workflow !== workflow) {
    throw new RunnerError(
      `Cannot resume the workflow: "${path}" belongs to workflow "${state.workflow}"`,
      { code: "invalid-workflow" },
    );
  }
  return state.records as Map<string, LocalJobState>;
}
