import { shellWord } from "../../command_text.ts";
import {
  type CoordinatorAccess,
  userAccess,
} from "../../coordinator/access.ts";
import {
  type CoordinatorClient,
  CoordinatorError,
  openClient,
} from "../../coordinator/client.ts";
import { readJob } from "../../coordinator/jobs.ts";
import {
  cancelWorkflow,
  createJob,
  endJob,
  findJobs,
  findWorkflow,
  type NewJob,
} from "../../coordinator/workflows.ts";
import { type Environment, Variable } from "../../environment/variables.ts";
import { RunnerError } from "../../errors.ts";
import { createBackoff, type RetryPolicy } from "../../process/retry.ts";
import type { RunnerContext } from "../../runner/runner_context.ts";
import { quote } from "../../terminal/text.ts";
import {
  isRefusal,
  submitTriggers,
  type SubmitTriggersOptions,
} from "../../triggers/submit_triggers.ts";
import type { WorkflowRun } from "../workflow_executor.ts";
import {
  type CodeSource,
  prepareWorkflow,
  removeSubmission,
  type SaveSubmission,
  saveSubmission,
  type Submission,
  submissionDirectory,
} from "./submission.ts";

/** Maximum length of the name of a job, in characters. */
const MAX_NAME_LENGTH = 255;

/** Time limit for cancelling a submission that may have arrived, in milliseconds. */
const CANCEL_MS = 15_000;

/** Settings for access to a coordinator. */
export interface CoordinatorSettings {
  /** Environment with the URL of the coordinator and tokens. */
  readonly env: Environment;
  /** Time limit of one request, in milliseconds. */
  readonly timeoutMs: number;
  /** Polling interval of the states of jobs, in milliseconds. */
  readonly pollMs: number;
  /** Maximum time for which the coordinator may be unreachable, in milliseconds. */
  readonly outageMs: number;
}

/** Options for {@linkcode openCoordinator}. */
export interface OpenCoordinatorOptions {
  /** Whether the client only reads, and can use the separate token for reading. */
  readonly isReader?: boolean;
  /** Cancels requests and delays. */
  readonly signal: AbortSignal;
  /**
   * Retries of requests.
   *
   * @default {retries until the coordinator has been unreachable for too long}
   */
  readonly retry?: RetryPolicy;
}

/**
 * Opens a client of the coordinator in the environment.
 *
 * @throws {RunnerError} `invalid-config` if its URL or token is missing or
 * cannot be used.
 */
export function openCoordinator(
  { masker, allowInsecureTransport, logger }: RunnerContext,
  { env, timeoutMs, outageMs }: CoordinatorSettings,
  { isReader = false, signal, retry = outageRetry(outageMs) }:
    OpenCoordinatorOptions,
): CoordinatorClient {
  const { url, token } = userAccess(env);
  return openClient({
    url,
    token: isReader && env[Variable.readToken] || token,
    allowInsecureTransport,
    timeoutMs,
    retry,
    maskText: (text) => masker.maskText(text),
    onRetry: (reason, ms) =>
      logger.warn("workflow", `Retrying the request: ${reason}`, { ms }),
    signal,
  });
}

/** Retries until the coordinator has been unreachable for some time. */
export function outageRetry(outageMs: number): RetryPolicy {
  return {
    attempts: Infinity,
    delayMs: 250,
    maxDelayMs: 5_000,
    maxElapsedMs: outageMs,
  };
}

/** Options for {@linkcode startWorkflow}. */
export interface StartWorkflowOptions extends CoordinatorSettings {
  /** Code of the jobs of a new submission, if they get any. */
  readonly source: CodeSource | undefined;
  /**
   * Submission to continue.
   *
   * @default {a new one}
   */
  readonly submission?: Submission;
  /** Cancels the submission. */
  readonly signal: AbortSignal;
}

/**
 * Submits a workflow, or continues its submission.
 *
 * @returns The submission with the ID of its workflow; `undefined` if no job is
 * left to run.
 * @throws {RunnerError} `invalid-trigger`, `invalid-workflow` or `invalid-config`
 * before anything is submitted; `coordinator-failed` or `coordinator-forbidden`;
 * `cancelled`.
 */
export async function startWorkflow(
  run: WorkflowRun,
  options: StartWorkflowOptions,
): Promise<Submission | undefined> {
  const { runner, root } = run;
  const directory = submissionDirectory(root);
  const client = openCoordinator(runner, options, options);
  const reader = openCoordinator(runner, options, {
    ...options,
    isReader: true,
  });
  const { source } = options;
  let submission = options.submission ??
    createSubmission(run, { ...options, url: client.url });
  checkUrl(submission, client.url);
  if (submission.workflowId !== undefined) return submission;
  if (submission.isCancelled) {
    return await findCancelled(reader, directory, submission);
  }
  if (submission.document.jobs.length === 0) return undefined;
  try {
    return await submitWorkflow(submission, {
      ...options,
      access: { ...userAccess(options.env), url: client.url },
      allowInsecureTransport: runner.allowInsecureTransport,
      client,
      reader,
      retry: outageRetry(options.outageMs),
      source,
      maskText: (text) => runner.masker.maskText(text),
      onRetry: (reason, ms) =>
        runner.logger.warn("workflow", `Retrying the request: ${reason}`, {
          ms,
        }),
      save: async (changed) => {
        submission = changed;
        return await saveSubmission(directory, changed);
      },
    });
  } catch (error) {
    if (options.signal.aborted) {
      throw await cancelSubmission(run, options, submission);
    }
    if (!isRefusedSubmission(error, submission)) {
      throw withAdvice(error, submission.operationId);
    }
    await removeSubmission(directory, submission);
    throw error;
  }
}

/** Finds a workflow that had arrived although its submission was cancelled. */
async function findCancelled(
  reader: CoordinatorClient,
  directory: string,
  submission: Submission,
): Promise<Submission> {
  const { operationId } = submission;
  const found = await findWorkflow(reader, operationId);
  if (found !== undefined) {
    const { workflow_id: workflowId } = found;
    return await saveSubmission(directory, { ...submission, workflowId });
  }
  await removeSubmission(directory, submission);
  throw new RunnerError(
    `Cannot follow workflow ${operationId}: it was cancelled before it reached the coordinator`,
    { code: "cancelled" },
  );
}

function createSubmission(
  run: WorkflowRun,
  { env, url, source }: StartWorkflowOptions & { url: string },
): Submission {
  const { definition, workflow, earlier } = run;
  for (const [key, { triggers = [] }] of earlier) {
    if (triggers.length === 0) continue;
    throw new RunnerError(
      `Cannot resume the workflow at a coordinator: ${
        quote(key)
      } has started follow-up jobs on this machine`,
      { code: "invalid-workflow" },
    );
  }
  const operationId = crypto.randomUUID();
  const parentId = env[Variable.jobId];
  return {
    version: 1,
    ...prepareWorkflow(run, { operationId, source }),
    operationId,
    url,
    definition,
    workflow,
    earlier: Object.fromEntries(earlier),
    ...parentId ? { parentId } : {},
  };
}

function checkUrl(submission: Submission, url: string): void {
  if (submission.url === url) return;
  throw new RunnerError(
    `Cannot follow the workflow at ${quote(url)}: it was submitted to ${
      quote(submission.url)
    }`,
    { code: "invalid-config" },
  );
}

/**
 * Cancels a submission that was interrupted, if it has arrived.
 *
 * @returns The error that the run ends with.
 */
async function cancelSubmission(
  { root, runner }: WorkflowRun,
  options: StartWorkflowOptions,
  submission: Submission,
): Promise<unknown> {
  const { operationId, isDocumentSent } = submission;
  const cancelled = new RunnerError(
    "Cancelled while the workflow was being submitted",
    { code: "cancelled" },
  );
  const directory = submissionDirectory(root);
  if (isDocumentSent) {
    await saveSubmission(directory, { ...submission, isCancelled: true });
  }
  const clientOptions = {
    signal: new AbortController().signal,
    retry: outageRetry(CANCEL_MS),
  };
  try {
    if (isDocumentSent) {
      const reader = openCoordinator(runner, options, {
        ...clientOptions,
        isReader: true,
      });
      const found = await findWorkflow(reader, operationId);
      if (found === undefined) return withAdvice(cancelled, operationId);
      const client = openCoordinator(runner, options, clientOptions);
      await cancelWorkflow(client, found.workflow_id);
    }
  } catch (error) {
    return withAdvice(error, operationId);
  }
  await removeSubmission(directory, submission);
  return cancelled;
}

/**
 * Describes how to follow a workflow again that this process no longer follows.
 *
 * @param id ID of the workflow, or of its document.
 */
export function attachAdvice(id: string): string {
  return `to follow it again, run "runnerlib workflow attach ${shellWord(id)}"`;
}

/** Adds advice to an error about how to follow the workflow again. */
export function withAdvice(error: unknown, id: string): unknown {
  if (!(error instanceof RunnerError)) return error;
  return new RunnerError(
    `${error.message}. The workflow may be running; ${attachAdvice(id)}`,
    { code: error.code, cause: error },
  );
}

/** Options for {@linkcode submitWorkflow}. */
interface SubmitWorkflowOptions
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
 *    times, since the coordinator recognizes its ID.
 *
 * @returns The submission, with the ID of the workflow.
 * @throws {RunnerError} `coordinator-forbidden` or `coordinator-failed`;
 * `invalid-trigger` if the document is too large.
 */
async function submitWorkflow(
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
  const job = createParentJob(submission, source);
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

/** Returns a job that does nothing: only its ID is needed. */
function createParentJob(
  { operationId, definition }: Submission,
  source: CodeSource | undefined,
): NewJob {
  return {
    name: [...`workflow ${definition.name}`].slice(0, MAX_NAME_LENGTH).join(""),
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
  const { description } = createParentJob(submission, source);
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
    // A proxy may have sent the document twice. The second one starts nothing.
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
function isRefusedSubmission(
  error: unknown,
  { document, parentId }: Submission,
): boolean {
  if (parentId !== undefined) return isRefusal(error, document);
  return error instanceof CoordinatorError && !error.isTransient;
}
