import type { JobConfig } from "../config/job_config.ts";
import { RunnerError } from "../errors.ts";
import { onAbort } from "../process/cancellation.ts";
import { TIMEOUT_EXIT_CODE } from "../process/spawn.ts";
import { durationText } from "../schema/duration.ts";
import type { GraphRun } from "../steps/graph_run.ts";
import { cancelledError, recordFailure } from "./job_result.ts";
import type { RunState } from "./run_state.ts";
import type { DebugShells } from "./debug_shells.ts";

/**
 * Time that steps with condition `always` get after a cancellation, on top of
 * the grace time, in milliseconds.
 */
const ALWAYS_MS = 20_000;

/** Minimum interval between checks of the time limit while a shell is open. */
const MIN_REST_MS = 100;

/**
 * Ends the steps when the job is cancelled or exceeds its time limit.
 *
 * Running steps are ended gracefully. Steps with condition `always` still
 * start, within their own time limit. A second cancellation kills all steps
 * immediately.
 *
 * @param shells Open shells; the time they are open does not count.
 * @returns Handle that stops watching the cancellation and the time limit.
 */
export function watchJobTermination(
  run: RunState,
  config: JobConfig,
  graph: GraphRun,
  shells?: Pick<DebugShells, "openMs">,
): Disposable {
  const { cancellation, system: { clock } } = run;
  const { timeoutMs, graceMs } = config.limits;
  const stack = new DisposableStack();

  function end(error: RunnerError, reason: string): void {
    recordFailure(run, error);
    graph.cancel(reason);
    graph.requestEnd(cancellation.signal ?? "SIGTERM");
    const rest = stack.use(clock.limit(graceMs + ALWAYS_MS));
    rest.reached.then(() => {
      graph.close(reason);
      graph.running.requestEnd("SIGTERM", () => true);
    });
  }

  stack.use(onAbort(cancellation.graceful, () => {
    end(cancelledError(cancellation.signal!), "the job was cancelled");
  }));
  stack.use(onAbort(cancellation.forced, () => {
    graph.close("the job was cancelled");
    graph.running.kill();
  }));
  /** Starts the limit again for the time that shells were open. */
  function limitTo(ms: number, shellMs: number): void {
    const limit = stack.use(clock.limit(ms));
    limit.reached.then(() => {
      const { openMs = 0 } = shells ?? {};
      if (openMs > shellMs) {
        limitTo(Math.max(MIN_REST_MS, openMs - shellMs), openMs);
        return;
      }
      const error = new RunnerError(
        `The job exceeded its time limit of ${durationText(timeoutMs!)}`,
        { code: "command-timeout", exitCode: TIMEOUT_EXIT_CODE },
      );
      end(error, "the job exceeded its time limit");
    });
  }
  if (timeoutMs !== undefined) limitTo(timeoutMs, 0);
  return stack;
}
