import type { CaptureResult } from "../../process/capture.ts";
import { createBackoff, type RetryPolicy } from "../../process/retry.ts";
import type { SourceContext } from "../source_request.ts";
import { fetchFailure } from "./failure.ts";
import { gitReason } from "./reason.ts";

/** Pauses of one second, four and ten. */
const RETRY: RetryPolicy = {
  attempts: 4,
  delayMs: 1_000,
  factor: 4,
  maxDelayMs: 10_000,
  jitter: 0.25,
};

/** Does something that connects, again if the connection fails. */
export type Retry = (
  action: () => Promise<CaptureResult>,
) => Promise<CaptureResult>;

/**
 * Creates the retries of one source.
 *
 * All of its connections share the pauses: a source that has waited for a
 * server does not wait as long again for each further way to ask it.
 *
 * @param url Location of the repository; its user info is not shown.
 * @param context What the run offers.
 * @param policy Number of attempts and their pauses.
 * @returns Function that tries again.
 */
export function retrying(
  url: string,
  { log, cancellation }: Pick<SourceContext, "log" | "cancellation">,
  policy: RetryPolicy = RETRY,
): Retry {
  const backoff = createBackoff(policy, {
    signal: cancellation.asked,
    onRetry: (reason, ms) =>
      log.warn("source", "The connection failed and is tried again", {
        reason,
        ms,
      }),
  });
  return async (action) => {
    while (true) {
      const result = await action();
      if (result.exitCode === 0 || !isTransient(result)) return result;
      if (!await backoff.next(gitReason(result, url))) return result;
    }
  };
}

function isTransient(result: CaptureResult): boolean {
  return ["unreachable", "dropped"].includes(fetchFailure(result));
}
