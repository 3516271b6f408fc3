import { coordinatorExecutor } from "../../workflow/coordinator/coordinator_executor.ts";
import { findSubmission } from "../../workflow/coordinator/find_submission.ts";
import { cancelOnSignal } from "../actions.ts";
import type { CommandContext } from "../command.ts";
import { usageError } from "../parse_arguments.ts";
import { coordinatorSettings } from "./find_executor.ts";
import { continuedOptions, runAndReport } from "./run_and_report.ts";

/**
 * Follows a workflow at a coordinator to its end.
 *
 * @param id Id of the workflow, as `workflow run` printed it.
 * @returns Exit code of the workflow.
 * @throws {RunnerError} `usage` without an id; `invalid-config`,
 * `coordinator-failed` or `coordinator-forbidden`.
 */
export async function attachWorkflow(
  context: CommandContext,
  id: string | undefined,
): Promise<number> {
  if (id === undefined) {
    throw usageError(
      "The id of a workflow is required, as workflow run printed it",
      "workflow",
    );
  }
  const { runner } = context;
  const root = runner.host.cwd;
  const settings = coordinatorSettings(context);
  const submission = await cancelOnSignal(
    runner.host,
    ({ graceful: signal }) =>
      findSubmission(id, { root, runner, settings, signal }),
  );
  const { definition } = submission;
  const { exitCode } = await runAndReport(context, definition, {
    root,
    executor: coordinatorExecutor({ ...settings, code: "none", submission }),
    concurrency: Infinity,
    event: {},
    rerunCommand: (job) => [
      ...["runnerlib", "workflow", "run", definition.sourceFile],
      ...["--executor", "coordinator", "--only", job],
    ],
    ...continuedOptions(submission),
  });
  return exitCode;
}
