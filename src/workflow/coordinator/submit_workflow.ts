import type { CoordinatorAccess } from "../../coordinator/access.ts";
import {
  type CoordinatorClient,
  CoordinatorError,
} from "../../coordinator/client.ts";
import { readJob } from "../../coordinator/jobs.ts";
import {
  createJob,
  endJob,
  findJobs,
  findWorkflow,
  type NewJob,
} from "../../coordinator/workflows.ts";
import { Variable } from "../../environment/variables.ts";
import { RunnerError } from "../../errors.ts";
import { createBackoff, type RetryPolicy } from "../../process/retry.ts";
import {
  isRefusal,
  submitTriggers,
  type SubmitTriggersOptions,
} from "../../triggers/submit_triggers.ts";
import type { CodeSource } from "./code_source.ts";
import type { SaveSubmission, Submission } from "./submission_file.ts";

/** Maximum length of the name of a job. */
const MAX_JOB_NAME = 255;

/** Options for {@linkcode submitWorkflow}. */
export interface SubmitWorkflowOptions
  extends Pick<SubmitTriggersOptions, "maskText" | "onRetry" | "timeoutMs"> {
  /** Access of the user, or of the submitting job. */
  readonly access: Omit<CoordinatorAccess, "jobId">;
  /** Whether tokens may be sent over plain HTTP. */
  readonly allowInsecureTransport: boolean;
  /** Client that submits. */
  readonly client: CoordinatorClient;
  /** Client that reads. */
  readonly reader: CoordinatorClient;
  /** Retries of requests. */
  readonly retry: RetryPolicy;
  /** Code of the jobs and of the job that submits them. */
  readonly source: CodeSource | undefined;
  /** Saves the submission before and after each request. */
  readonly save: SaveSubmission;
  /** Cancels requests and delays. */
  readonly signal: AbortSignal;
}

/**
 * Submits a workflow, or completes an interrupted submission.
 *
 * 1. A job is created that the workflow belongs to, unless this runner is itself
 *    in a job. The coordinator would create it again with each request.
 *    Therefore, after a request without a response, the job is looked up by its
 *    description before it is requested again. It does nothing, so even if it
 *    exists twice, no job of the workflow does.
 * 2. The document is submitted by that one job. It can be sent any number of
 *    times, since the coordinator recognizes its id.
 *
 * @returns The submission, with the id of the workflow.
 * @throws {RunnerError} `coordinator-forbidden` or `coordinator-failed`;
 * `invalid-trigger` if the document is too large.
 */
export async function submitWorkflow(
  submission: Submission,
  options: SubmitWorkflowOptions,
): Promise<Submission> {
  const { save } = options;
  let current = submission;
  let isRepeated = false;
  if (current.parentId === undefined) {
    const created = await createParent(current, options);
    isRepeated = created.isRepeated;
    current = await save({ ...current, parentId: created.id });
  }
  if (current.workflowId === undefined) {
    const workflowId = await submitWorkflowDocument(current, options);
    current = await save({ ...current, workflowId });
  }
  if (isRepeated) await cancelDuplicates(current, options);
  return current;
}

async function createParent(
  submission: Submission,
  { client, reader, retry, source, save, signal, onRetry }:
    SubmitWorkflowOptions,
): Promise<{ id: string; isRepeated: boolean }> {
  const backoff = createBackoff(retry, { signal, onRetry });
  const job = parentJob(submission, source);
  let isRepeated = submission.isParentSent ?? false;
  while (true) {
    if (isRepeated) {
      const id = (await findJobs(reader, job.description)).at(-1)?.job_id;
      if (id !== undefined) return { id, isRepeated };
    } else await save({ ...submission, isParentSent: true });
    try {
      const { job_id: id } = await createJob(client, job);
      return { id, isRepeated };
    } catch (error) {
      if (!(error instanceof CoordinatorError) || !error.isTransient) {
        throw error;
      }
      isRepeated = true;
      if (!await backoff.next(error.message)) throw error;
    }
  }
}

/** Returns a job that does nothing: only its id is needed. */
function parentJob(
  { operationId, definition }: Submission,
  source: CodeSource | undefined,
): NewJob {
  return {
    name: [...`workflow ${definition.name}`].slice(0, MAX_JOB_NAME).join(""),
    description: `Submits a workflow of runnerlib: ${operationId}`,
    job_command: "true",
    ...source === undefined
      ? { source_type: "copy", source_path: "." }
      : { source_type: "git", source_url: source.url, source_ref: source.ref },
  };
}

async function cancelDuplicates(
  submission: Submission,
  { client, reader, source }: SubmitWorkflowOptions,
): Promise<void> {
  const { description } = parentJob(submission, source);
  for (const { job_id: id } of await findJobs(reader, description)) {
    if (id === submission.parentId) continue;
    // The job may already have ended; it does nothing anyway.
    await endJob(client, id, "cancel").catch(() => {});
  }
}

async function submitWorkflowDocument(
  submission: Submission,
  options: SubmitWorkflowOptions,
): Promise<string> {
  const { access, reader, save } = options;
  const { document, operationId, parentId = "" } = submission;
  const wasSent = submission.isDocumentSent ?? false;
  if (!wasSent) await save({ ...submission, isDocumentSent: true });
  const ids = await submitTriggers(document, {
    ...options,
    wasSent,
    env: {
      [Variable.coordinatorUrl]: access.url,
      [Variable.apiToken]: access.token,
      [Variable.jobId]: parentId,
    },
  }).catch(async (error) => {
    // A proxy may have sent the document twice, so that the second one starts nothing.
    const found = isAccepted(error) && await findWorkflow(reader, operationId);
    if (found) return [];
    throw error;
  });
  for (const id of ids.slice(0, 1)) {
    const { workflow_id } = await readJob(reader, id);
    if (workflow_id) return workflow_id;
  }
  const found = await findWorkflow(reader, operationId);
  if (found !== undefined) return found.workflow_id;
  throw new RunnerError(
    `Cannot find the submitted workflow at "${access.url}": it has no workflow of document ${operationId}`,
    { code: "coordinator-failed" },
  );
}

function isAccepted(error: unknown): boolean {
  return error instanceof CoordinatorError && error.status === 201;
}

/**
 * Checks whether it is certain that a failed submission has started nothing.
 *
 * @param error Error that {@linkcode submitWorkflow} threw.
 */
export function isRefusedSubmission(
  error: unknown,
  { document, parentId }: Submission,
): boolean {
  if (parentId !== undefined) return isRefusal(error, document);
  return error instanceof CoordinatorError && !error.isTransient;
}
