import { shellWord } from "../../command_text.ts";
import type { CoordinatorClient } from "../../coordinator/client.ts";
import { userAccess } from "../../coordinator/access.ts";
import { cancelWorkflow, findWorkflow } from "../../coordinator/workflows.ts";
import { Variable } from "../../environment/variables.ts";
import { RunnerError } from "../../errors.ts";
import { quote } from "../../terminal/text.ts";
import type { WorkflowRun } from "../workflow_executor.ts";
import type { CodeSource } from "./code_source.ts";
import {
  type CoordinatorSettings,
  openCoordinator,
  outageRetry,
} from "./coordinator_clients.ts";
import { prepareWorkflow } from "./submission_document.ts";
import {
  removeSubmission,
  saveSubmission,
  type Submission,
  submissionDirectory,
} from "./submission_file.ts";
import { isRefusedSubmission, submitWorkflow } from "./submit_workflow.ts";

/** Time limit for cancelling a submission that may have arrived, in milliseconds. */
const CANCEL_MS = 15_000;

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
 * @returns The submission with the id of its workflow; `undefined` if no job is
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
    newSubmission(run, { ...options, url: client.url });
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

function newSubmission(
  run: WorkflowRun,
  { env, url, source }: StartWorkflowOptions & { url: string },
): Submission {
  const { definition, workflow, earlier } = run;
  for (const [key, { triggers = [] }] of earlier) {
    if (triggers.length === 0) continue;
    throw new RunnerError(
      `Cannot resume at a coordinator: ${
        quote(key)
      } has follow-up jobs on this machine`,
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
    "Cancelled while the workflow was submitted",
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
 * @param id Id of the workflow, or of its document.
 */
export function attachAdvice(id: string): string {
  return `"runnerlib workflow attach ${shellWord(id)}" follows it again`;
}

/** Adds advice to an error about how to follow the workflow again. */
export function withAdvice(error: unknown, id: string): unknown {
  if (!(error instanceof RunnerError)) return error;
  return new RunnerError(
    `${error.message}. The workflow may be running; ${attachAdvice(id)}`,
    { code: error.code, cause: error },
  );
}
