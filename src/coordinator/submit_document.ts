import { RunnerError } from "../errors.ts";
import type { ClientRequest, CoordinatorClient } from "./client.ts";
import { jobPathOf } from "./coordinator_url.ts";

/** Options for {@linkcode submitDocument}. */
export interface SubmitDocumentOptions {
  /** Id of the job that triggers. */
  readonly jobId: string;
  /** The document, as JSON in UTF-8; it has an operation id. */
  readonly body: Uint8Array<ArrayBuffer>;
  /** Whether a job of the document waits for no other, and so starts at once. */
  readonly startsAtOnce: boolean;
  /**
   * Whether the document was sent before, and the answer may have been lost.
   *
   * @default {false}
   */
  readonly wasSent?: boolean;
}

/**
 * Submits a trigger document.
 *
 * After a failure that may be transient, the same bytes are sent again: if only
 * the answer was lost, the coordinator knows the operation id. A refusal is
 * final. The coordinator queues jobs before it rolls back, so that each further
 * attempt would leave tasks in the queue that belong to no job.
 *
 * @param client Way to the coordinator.
 * @param options The document.
 * @returns Ids of the jobs that were started.
 * @throws {RunnerError} `coordinator-forbidden` or `coordinator-failed`, also
 * if the coordinator took the document and made nothing of it.
 */
export async function submitDocument(
  client: CoordinatorClient,
  options: SubmitDocumentOptions,
): Promise<readonly string[]> {
  const { jobId, body, startsAtOnce, wasSent = false } = options;
  const request: ClientRequest = {
    action: "submit triggers to",
    method: "POST",
    path: `${jobPathOf(jobId)}/triggers`,
    body,
    success: 201,
  };
  const { value, attempt } = await client.send(request);
  const ids = createdIds(value);
  // After an attempt whose answer was lost, an empty list is the right answer.
  if (startsAtOnce && !wasSent && attempt === 1 && ids?.length === 0) {
    throw new RunnerError(
      `Cannot ${request.action} "${client.url}": it took the document and started no job`,
      { code: "coordinator-failed" },
    );
  }
  return ids ?? [];
}

function createdIds(value: unknown): string[] | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const ids = (value as Record<string, unknown>).created_job_ids;
  return Array.isArray(ids)
    ? ids.filter((id) => typeof id === "string")
    : undefined;
}
