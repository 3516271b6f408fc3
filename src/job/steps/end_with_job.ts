import type { JobConfig } from "../../config/job_config.ts";
import { RunnerError } from "../../errors.ts";
import { TIMEOUT_EXIT_CODE } from "../../process/exit_code.ts";
import { onAbort } from "../../process/on_abort.ts";
import { timeLimit } from "../../process/time_limit.ts";
import { cancelledError, type JobRun } from "../job_run.ts";
import type { GraphRun } from "./graph_run.ts";

/** How long steps that run always have once a job was cancelled, after the grace time, in milliseconds. */
const ALWAYS_MS = 20_000;

/**
 * Ends the steps when the job is cancelled, or its time is over.
 *
 * Those that run are asked, those that run always still start and have a time
 * of their own. Who cancels a second time ends all of them at once.
 *
 * @param run The run.
 * @param config Configuration of the job.
 * @param graph The graph of the job.
 * @returns Handle that calls it off.
 */
export function endWithJob(
  run: JobRun,
  config: JobConfig,
  graph: GraphRun,
): Disposable {
  const { cancellation } = run;
  const { timeoutMs, graceMs } = config;
  const stack = new DisposableStack();

  function end(error: RunnerError, reason: string): void {
    run.fail(error);
    graph.cancel(reason);
    graph.running.ask(cancellation.signal ?? "SIGTERM", () => true);
    const rest = stack.use(timeLimit(graceMs + ALWAYS_MS));
    rest.reached.then(() => {
      graph.close(reason);
      graph.running.ask("SIGTERM", () => true);
    });
  }

  stack.use(onAbort(cancellation.asked, () => {
    end(cancelledError(cancellation.signal!), "the job was cancelled");
  }));
  stack.use(onAbort(cancellation.insisted, () => {
    graph.close("the job was cancelled");
    graph.running.kill();
  }));
  if (timeoutMs !== undefined) {
    const limit = stack.use(timeLimit(timeoutMs));
    limit.reached.then(() => {
      const error = new RunnerError(
        `The job exceeded its time limit of ${timeoutMs} ms`,
        { code: "command-timeout", exitCode: TIMEOUT_EXIT_CODE },
      );
      end(error, "the job ran into its time limit");
    });
  }
  return stack;
}
