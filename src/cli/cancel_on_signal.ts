import type { Host } from "../host.ts";
import { cancelledError } from "../runner/job_result.ts";
import { Cancellation } from "../process/cancellation.ts";

/**
 * Runs an action and cancels it on SIGTERM, SIGINT and other termination
 * signals.
 *
 * @throws {RunnerError} `cancelled` if a signal cancelled the action.
 */
export async function cancelOnSignal<T>(
  host: Host,
  action: (cancellation: Cancellation) => Promise<T>,
): Promise<T> {
  const cancellation = new Cancellation();
  using _ = host.onSignal((signal) => cancellation.cancel(signal));
  try {
    return await action(cancellation);
  } catch (error) {
    const { signal } = cancellation;
    // Any failure after a signal may be a consequence of it.
    throw signal === null ? error : cancelledError(signal);
  }
}
