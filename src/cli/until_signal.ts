import type { Host } from "../host.ts";
import { cancelledError } from "../runner/job_result.ts";
import { Cancellation } from "../process/cancellation.ts";

/**
 * Runs an action that SIGTERM, SIGINT and other termination signals cancel.
 *
 * @throws {RunnerError} `cancelled` if a signal cancelled the action.
 */
export async function untilSignal<T>(
  host: Host,
  action: (cancellation: Cancellation) => Promise<T>,
): Promise<T> {
  const cancellation = new Cancellation();
  using _ = host.onSignal((signal) => cancellation.cancel(signal));
  try {
    return await action(cancellation);
  } catch (error) {
    const { signal } = cancellation;
    throw signal !== null && error instanceof DOMException
      ? cancelledError(signal)
      : error;
  }
}
