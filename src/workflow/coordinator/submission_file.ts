import { messageOf, RunnerError } from "../../errors.ts";
import { readUntrusted } from "../../fs/untrusted_file.ts";
import { writeAtomic } from "../../fs/write_atomic.ts";
import { isObject, parseJson } from "../../json_value.ts";
import { removeTree } from "../../workspace/remove.ts";
import type { WorkflowDefinition } from "../definition/definition.ts";
import type { LocalWorkflow } from "../local/local_job.ts";
import type { LocalJobState } from "../local/workflow_state.ts";
import type { PreparedWorkflow } from "./submission_document.ts";

/** Maximum size of a file, in bytes: the document, and the workflow twice. */
const MAX_BYTES = 64 * 1024 * 1024;

/** Version of the format. */
const VERSION = 1;

/**
 * A workflow that is being submitted, or has been submitted.
 *
 * It is saved before and after each request that changes something. After a runner
 * was killed, the next one therefore knows which requests may have been sent, and
 * repeats only requests that the coordinator recognizes.
 */
export interface Submission extends PreparedWorkflow {
  /** Version of the format. */
  readonly version: typeof VERSION;
  /** Id of the document, by which the coordinator recognizes it. */
  readonly operationId: string;
  /** URL of the coordinator. */
  readonly url: string;
  /** The workflow as defined in its file. */
  readonly definition: WorkflowDefinition;
  /** The selected jobs. */
  readonly workflow: LocalWorkflow;
  /** Results of jobs of an earlier run, by key. */
  readonly earlier: Readonly<Record<string, LocalJobState>>;
  /** Whether the job that submits the document may have been created. */
  readonly isParentSent?: boolean;
  /** Job that submits the document, once it is known. */
  readonly parentId?: string;
  /** Whether the document may have arrived. */
  readonly isDocumentSent?: boolean;
  /**
   * Whether it was cancelled while it was unknown whether the document had arrived.
   * In that case, the document is never sent again.
   */
  readonly isCancelled?: boolean;
  /** Id of the workflow, once it is known. */
  readonly workflowId?: string;
}

/** Saves a submission, and returns it. */
export type SaveSubmission = (submission: Submission) => Promise<Submission>;

/**
 * Returns the directory of the submissions from a CI root.
 *
 * @param root Absolute path of the CI root.
 */
export function submissionDirectory(root: string): string {
  return `${root}/.reactorcide/workflow/coordinator`;
}

/**
 * Saves a submission. Only the owner can read it, since variables may be secret.
 *
 * @param directory Directory of the submissions, created if it is missing.
 * @throws {RunnerError} `output-failed` if it cannot be written.
 */
export async function saveSubmission(
  directory: string,
  submission: Submission,
): Promise<Submission> {
  await Deno.mkdir(directory, { recursive: true, mode: 0o700 });
  await writeAtomic(
    `${directory}/${submission.operationId}.json`,
    `${JSON.stringify(submission)}\n`,
    { mode: 0o600, isDurable: true },
  );
  return submission;
}

/** Removes a submission that has been followed to its end. */
export async function removeSubmission(
  directory: string,
  { operationId }: Submission,
): Promise<void> {
  await removeTree(`${directory}/${operationId}.json`);
}

/**
 * Reads the submissions of a CI root that have not been followed to their end.
 *
 * @param directory Directory of the submissions.
 * @returns The submissions, the newest first.
 * @throws {RunnerError} `output-failed` if one cannot be read.
 */
export async function readSubmissions(
  directory: string,
): Promise<Submission[]> {
  const found: { submission: Submission; modifiedMs: number }[] = [];
  for (const name of await namesIn(directory)) {
    const path = `${directory}/${name}`;
    const { mtime } = await Deno.lstat(path);
    const submission = await readSubmission(path);
    found.push({ submission, modifiedMs: mtime?.getTime() ?? 0 });
  }
  return found.sort((a, b) => b.modifiedMs - a.modifiedMs)
    .map(({ submission }) => submission);
}

async function namesIn(directory: string): Promise<string[]> {
  try {
    const entries = await Array.fromAsync(Deno.readDir(directory));
    return entries.map(({ name }) => name)
      .filter((name) => /^[\w-]+\.json$/.test(name));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

async function readSubmission(path: string): Promise<Submission> {
  let reason = "it is not a submission of this version";
  try {
    const bytes = await readUntrusted(path, { maxBytes: MAX_BYTES });
    const value = parseJson(new TextDecoder().decode(bytes));
    if (isSubmission(value)) return value;
  } catch (error) {
    reason = messageOf(error);
  }
  throw new RunnerError(`Cannot read "${path}": ${reason}`, {
    code: "output-failed",
  });
}

function isSubmission(value: unknown): value is Submission {
  if (!isObject(value) || value.version !== VERSION) return false;
  const { operationId, url, definition, workflow, document, names, earlier } =
    value;
  return [operationId, url].every((text) => typeof text === "string") &&
    [definition, workflow, document, names, earlier].every(isObject);
}
