import {
  type JobExit,
  jobFailure,
  NO_EXIT_CODE,
  podState,
  removalReason,
} from "./pod_state.ts";
import type { JobView } from "./run_objects.ts";

/**
 * Returns how a job ended, from the state of its Pod and its Job.
 *
 * @returns Exit code and reason; `undefined` while it has not ended.
 */
export function exitIn(view: JobView): JobExit | undefined {
  const { pod, job, isPodGone, isJobGone } = view;
  const failure = job && jobFailure(job);
  const exit = pod && podState(pod).exit;
  if (exit !== undefined) {
    const isEnded = exit.exitCode !== 0 && failure?.isDeadline;
    return isEnded ? { ...exit, reason: failure?.text } : exit;
  }
  if (isJobGone) {
    return {
      exitCode: NO_EXIT_CODE,
      reason: "its Job was deleted by another client",
    };
  }
  if (isPodGone) {
    const reason = failure?.isDeadline
      ? failure.text
      : pod && removalReason(pod) || "its pod was deleted by another client";
    return { exitCode: NO_EXIT_CODE, reason };
  }
  // The state of a Pod, if there is one, contains more details.
  return failure !== undefined && pod === undefined
    ? { exitCode: NO_EXIT_CODE, reason: failure.text }
    : undefined;
}
