import { coordinatorAccess } from "../coordinator/access.ts";
import {
  CoordinatorError,
  isTransientStatus,
  openClient,
} from "../coordinator/client.ts";
import { submitDocument } from "../coordinator/jobs.ts";
import { RunnerError } from "../errors.ts";
import type { RetryPolicy } from "../process/retry.ts";
import type { Trigger } from "./trigger.ts";
import { MAX_DOCUMENT_BYTES } from "./triggers_file.ts";

/** What submitting needs of a job of a document. */
interface SubmittableJob {
  readonly depends_on: readonly string[];
  readonly condition: string;
  readonly source_url?: unknown;
  readonly ci_source_url?: unknown;
}

/** A document of either form. */
export interface SubmittableDocument {
  /** Identity of the content. */
  readonly operation_id: string;
  /** Jobs of the single form. */
  readonly jobs?: readonly SubmittableJob[];
  /** Workflows of the multi form. */
  readonly workflows?: readonly {
    readonly jobs: readonly SubmittableJob[];
  }[];
}

/** Options for {@linkcode submitTriggers}. */
export interface SubmitTriggersOptions {
  /** Environment of the job: address, token and id come from it. */
  readonly env: Readonly<Record<string, string>>;
  /** Whether the token may be sent over plain HTTP. */
  readonly allowInsecureTransport: boolean;
  /** Time limit of one request, in milliseconds. */
  readonly timeoutMs: number;
  /**
   * How often a request is sent while its failure may be transient.
   *
   * @default {that of the client}
   */
  readonly retry?: RetryPolicy;
  /** Masks the secrets in what the coordinator answers. */
  readonly maskText: (text: string) => string;
  /**
   * Whether the document was sent before, and the answer may have been lost.
   *
   * @default {false}
   */
  readonly wasSent?: boolean;
  /** Gets the reason and the pause before a request is sent again. */
  readonly onRetry?: (reason: string, pauseMs: number) => void;
  /** Ends requests and pauses. */
  readonly signal?: AbortSignal;
}

/**
 * Submits a trigger document to the coordinator.
 *
 * While a failure may be transient, the same bytes are sent again, under the same
 * `operation_id`: each job is created once.
 *
 * @param document Document whose jobs have been checked.
 * @param options Environment and limits.
 * @returns Ids of the jobs that were started at once.
 * @throws {RunnerError} `invalid-config`, if there is no coordinator to
 * which a token may be sent; `invalid-trigger`, if the document is too large;
 * `coordinator-failed` or `coordinator-forbidden` with the coordinator's reason.
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
    startsAtOnce: jobsOf(document).some(({ depends_on, condition }) =>
      depends_on.length === 0 && condition !== "any_failed"
    ),
  });
}

/**
 * Checks whether an error means that the coordinator refused the document, so
 * that it must not be sent again: with a 4xx answer that is not about the token.
 *
 * Where operators allow some repositories only, a source in another one is
 * answered like a token that lacks a right.
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
    return jobsOf(document).some((job) => job.source_url || job.ci_source_url);
  }
  // It knows the document by now, and would make nothing of it once more.
  if (status === 201) return true;
  return status >= 400 && status < 500 && status !== 401 && status !== 404 &&
    !isTransientStatus(status);
}

function jobsOf(
  { jobs = [], workflows = [] }: SubmittableDocument,
): SubmittableJob[] {
  return [...jobs, ...workflows.flatMap((workflow) => workflow.jobs)];
}

/**
 * Describes why the coordinator would refuse a follow-up job of this job, though
 * it takes the same one from another job.
 *
 * A job that was submitted by hand has no execution profile, which could allow
 * capabilities, and no CI repository, which the coordinator puts in the place of
 * whatever a follow-up job names.
 *
 * @param trigger The follow-up job.
 * @param isEventJob Whether an event started the job that triggers.
 * @returns The end of a sentence that starts with the job, if there is a problem.
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
