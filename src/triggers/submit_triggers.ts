import { coordinatorAccess } from "../coordinator/access.ts";
import { CoordinatorError, openClient } from "../coordinator/client.ts";
import { submitDocument } from "../coordinator/jobs.ts";
import type { Environment } from "../environment/variables.ts";
import { RunnerError } from "../errors.ts";
import { isTransientStatus, type RetryPolicy } from "../process/retry.ts";
import type { Trigger } from "./trigger_options.ts";
import { MAX_DOCUMENT_BYTES } from "./triggers_file.ts";

/** Properties of a job that submitting depends on. */
interface SubmittableJob {
  readonly depends_on: readonly string[];
  readonly condition: string;
  readonly source_url?: unknown;
  readonly ci_source_url?: unknown;
}

/** A document of jobs or of workflows. */
export interface SubmittableDocument {
  /** ID of the document. */
  readonly operation_id: string;
  /** Jobs of a document of jobs. */
  readonly jobs?: readonly SubmittableJob[];
  /** Workflows of a document of workflows. */
  readonly workflows?: readonly {
    readonly jobs: readonly SubmittableJob[];
  }[];
}

/** Options for {@linkcode submitTriggers}. */
export interface SubmitTriggersOptions {
  /** Environment of the job, with URL, token and ID. */
  readonly env: Environment;
  /** Whether the token may be sent over plain HTTP. */
  readonly allowInsecureTransport: boolean;
  /** Time limit of one request, in milliseconds. */
  readonly timeoutMs: number;
  /**
   * Retries of requests whose failure may be transient.
   *
   * @default {the policy of the client}
   */
  readonly retry?: RetryPolicy;
  /** Masks secrets in responses of the coordinator. */
  readonly maskText: (text: string) => string;
  /**
   * Whether the document was sent before without a response.
   *
   * @default {false}
   */
  readonly wasSent?: boolean;
  /** Called with the reason and the delay before each retry. */
  readonly onRetry?: (reason: string, pauseMs: number) => void;
  /** Cancels requests and delays. */
  readonly signal?: AbortSignal;
}

/**
 * Submits a trigger document to the coordinator.
 *
 * After a failure that may be transient, the same bytes are sent again with the
 * same `operation_id`, so that each job is created once.
 *
 * @param document Document of checked jobs.
 * @returns IDs of the jobs that started immediately.
 * @throws {RunnerError} `invalid-config` if no coordinator is configured to
 * which a token may be sent; `invalid-trigger` if the document is too large;
 * `coordinator-failed` or `coordinator-forbidden` with the coordinator's
 * reason.
 * @throws {unknown} The reason of the signal once it is aborted.
 */
export async function submitTriggers(
  document: SubmittableDocument,
  options: SubmitTriggersOptions,
): Promise<readonly string[]> {
  const { url, token, jobId } = coordinatorAccess(options.env);
  const client = openClient({ ...options, url, token });
  const body = new TextEncoder().encode(JSON.stringify(document));
  if (body.length > MAX_DOCUMENT_BYTES) {
    throw new RunnerError(
      `Cannot submit triggers to "${client.url}": they exceed ${MAX_DOCUMENT_BYTES} bytes`,
      { code: "invalid-trigger" },
    );
  }
  return await submitDocument(client, {
    jobId,
    body,
    wasSent: options.wasSent,
    startsAtOnce: listJobs(document).some(({ depends_on, condition }) =>
      depends_on.length === 0 && condition !== "any_failed"
    ),
  });
}

/**
 * Checks whether an error means that the coordinator refused the document, so
 * that it must not be sent again.
 *
 * If operators allow only some repositories, the coordinator refuses a source
 * in another one with the same status as a token that lacks a permission.
 *
 * @param error What {@linkcode submitTriggers} threw.
 */
export function isRefusal(
  error: unknown,
  document: SubmittableDocument,
): error is RunnerError {
  if (!(error instanceof RunnerError)) return false;
  if (error.code === "invalid-trigger") return true;
  const { status = 0 } = error instanceof CoordinatorError ? error : {};
  if (status === 403) {
    return listJobs(document).some((job) =>
      job.source_url || job.ci_source_url
    );
  }
  // It already has the document, and would ignore it.
  if (status === 201) return true;
  return status >= 400 && status < 500 && status !== 401 && status !== 404 &&
    !isTransientStatus(status);
}

function listJobs(
  { jobs = [], workflows = [] }: SubmittableDocument,
): SubmittableJob[] {
  return [...jobs, ...workflows.flatMap((workflow) => workflow.jobs)];
}

/**
 * Describes why the coordinator would refuse a follow-up job of this job,
 * although it accepts the same one from other jobs.
 *
 * A job that was submitted manually has no execution profile, which could allow
 * capabilities, and no CI repository, which would replace that of a follow-up
 * job.
 *
 * @param isEventJob Whether an event started the triggering job.
 * @returns The problem, phrased to follow the job; `undefined` if there is
 * none.
 */
export function submissionProblem(
  { capabilities = [], ciSourceType, ciSourceUrl, ciSourceRef }: Trigger,
  isEventJob: boolean,
): string | undefined {
  if (isEventJob) return undefined;
  const [field] = Object.entries({
    capabilities: capabilities.length > 0,
    ciSourceType: Boolean(ciSourceType) && ciSourceType !== "none",
    ciSourceUrl: Boolean(ciSourceUrl),
    ciSourceRef: Boolean(ciSourceRef),
  }).find(([, isSet]) => isSet) ?? [];
  return field &&
    `${field} must not be set: this job was submitted directly, and only a job that an event started can set it`;
}
