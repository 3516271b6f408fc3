import { dirname } from "@std/path/posix/dirname";
import { osReason, RunnerError } from "../../errors.ts";
import { writeAtomic } from "../../fs/write_atomic.ts";
import { readStateFile } from "../../state/job_outcome.ts";
import { openOwnFile } from "../../workspace/own_files.ts";
import { removeTree } from "../../workspace/remove.ts";
import type {
  JobRecords,
  LocalJobState,
  WorkflowState,
} from "./workflow_state.ts";
import { writeAll } from "../../fs/files.ts";

/**
 * Approximate number of times that the whole file is rewritten during a
 * workflow. The time of each write is proportional to the number of jobs.
 */
const SNAPSHOT_COUNT = 64;

/** Only the owner may read the outputs of jobs. */
const MODE = 0o600;

/** Options for {@linkcode openStateFile}. */
export interface OpenStateFileOptions {
  /** Id of the workflow; the state of another workflow is not resumed. */
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
    const isUnfit = error instanceof RunnerError &&
      error.code === "invalid-workflow";
    if (earlier === "wanted" && isUnfit) return new Map();
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
      throw unwritable(this.path, osReason(cause), cause);
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
    throw unwritable(path, osReason(cause), cause);
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

function unwritable(path: string, state: string, cause?: unknown): RunnerError {
  return new RunnerError(`Cannot write "${path}": ${state}`, {
    code: "output-failed",
    cause,
  });
}

/** Properties of a state other than its jobs. */
interface StateHead {
  /** Version of the format. */
  readonly version: number;
  /** Id of the workflow. */
  readonly workflow: string;
  /** Id of the run; the journal contains the same id. */
  readonly runId: string;
}

/**
 * Reads the state and the journal of an earlier run.
 *
 * @param path Absolute path of the state.
 * @throws {RunnerError} `invalid-workflow` if there is no state, or it belongs
 * to another workflow; `output-failed` if it is damaged or cannot be read.
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
