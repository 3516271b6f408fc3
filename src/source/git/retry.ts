import type { CaptureResult } from "../../process/capture.ts";
import { onAbort } from "../../process/on_abort.ts";
import { settlesWithin } from "../../process/time_limit.ts";
import type { SourceContext } from "../source_request.ts";
import { fetchFailure } from "./failure.ts";
import { gitReason } from "./reason.ts";

/** Pauses before a failed connection is tried again, in milliseconds. */
const DELAYS_MS = [1_000, 4_000, 10_000];

/** Does something that connects, again if the connection fails. */
export type Retry = (
  action: () => Promise<CaptureResult>,
) => Promise<CaptureResult>;

/**
 * Makes the patience that one source gets.
 *
 * All of its connections share the pauses: who has waited for a server is not
 * made to wait as long again for each further way to ask it.
 *
 * @param url Location of the repository; its user info is not shown.
 * @param context What the run offers.
 * @param delaysMs Pauses, in milliseconds.
 * @returns Function that tries again.
 */
export function retrying(
  url: string,
  { log, cancellation }: Pick<SourceContext, "log" | "cancellation">,
  delaysMs: readonly number[] = DELAYS_MS,
): Retry {
  const left = [...delaysMs];
  return async (action) => {
    while (true) {
      const result = await action();
      if (result.exitCode === 0 || !isPassing(result)) return result;
      const delayMs = left.shift();
      if (delayMs === undefined) return result;
      // Those who failed together do not come back together.
      const pauseMs = Math.round(delayMs * (1 + Math.random() / 4));
      log.warn("source", "The connection failed and is tried again", {
        reason: gitReason(result, url),
        ms: pauseMs,
      });
      await pause(pauseMs, cancellation.asked);
    }
  };
}

function isPassing(result: CaptureResult): boolean {
  return ["unreachable", "dropped"].includes(fetchFailure(result));
}

async function pause(ms: number, asked: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  using _ = onAbort(asked, resolve);
  await settlesWithin(promise, ms);
  asked.throwIfAborted();
}
