import { coordinatorAccess } from "../coordinator/access.ts";
import { openClient } from "../coordinator/client.ts";
import { submitDocument } from "../coordinator/submit_document.ts";
import { RunnerError } from "../errors.ts";
import { LARGEST_DOCUMENT_BYTES } from "./read_triggers.ts";

/** A job of a document, as far as submitting goes. */
interface SubmittableJob {
  readonly depends_on: readonly string[];
  readonly condition: string;
}

/** A document of either form that is ready to be sent. */
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
  /** Longest time that one request may take, in milliseconds. */
  readonly timeoutMs: number;
  /** Takes the secrets out of what the coordinator says. */
  readonly maskText: (text: string) => string;
  /** Hears why a request is sent again, and after which pause. */
  readonly onRetry?: (reason: string, pauseMs: number) => void;
  /** Ends requests and pauses. */
  readonly signal?: AbortSignal;
}

/**
 * Submits a trigger document to the coordinator.
 *
 * It is sent again while a failure may pass, with the same bytes and so under
 * the same `operation_id`: each job is made once.
 *
 * @param document Document whose jobs have been checked.
 * @param options Environment and patience.
 * @returns Ids of the jobs that were started at once.
 * @throws {RunnerError} `invalid-config`, if there is no coordinator that a
 * token may be sent to; `invalid-trigger`, if the document is too large;
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
  if (body.length > LARGEST_DOCUMENT_BYTES) {
    throw new RunnerError(
      `Cannot hand triggers over to "${client.url}": they exceed ${LARGEST_DOCUMENT_BYTES} bytes`,
      { code: "invalid-trigger" },
    );
  }
  const { jobs = [], workflows = [] } = document;
  const all = [...jobs, ...workflows.flatMap((workflow) => workflow.jobs)];
  return await submitDocument(client, {
    jobId,
    body,
    startsAtOnce: all.some(({ depends_on, condition }) =>
      depends_on.length === 0 && condition !== "any_failed"
    ),
  });
}
