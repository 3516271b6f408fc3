import { commandText } from "../../command_text.ts";
import { readOptions } from "../../config/load_config.ts";
import { shownPath } from "../../job_path.ts";
import { formatSummary } from "../../report/summary.ts";
import { maskedTail } from "../../runner/run_steps.ts";
import {
  createRunnerContext,
  type RunnerContext,
} from "../../runner/runner_context.ts";
import { jobNameOf } from "../../state/job_outcome.ts";
import { shouldUseColor } from "../../terminal/text.ts";
import type { Submission } from "../../workflow/coordinator/submission_file.ts";
import type { WorkflowDefinition } from "../../workflow/definition/definition.ts";
import { CONCLUSIONS } from "../../workflow/local/record_workflow.ts";
import {
  type LocalResult,
  runLocalWorkflow,
  type RunLocalWorkflowOptions,
} from "../../workflow/local/run_local.ts";
import type { CommandContext } from "../command.ts";
import { flagsLayer } from "../config_flags.ts";

/** Options for {@linkcode runAndReport}. */
export interface RunAndReportOptions
  extends
    Omit<RunLocalWorkflowOptions, "record" | "otel" | "wait" | "onEvent"> {
  /** Returns the arguments of the command that reruns a job. */
  rerunCommand: (job: string) => readonly string[];
}

/**
 * Runs a workflow with a live view, and prints the results of its jobs.
 *
 * @throws {RunnerError} As {@linkcode runLocalWorkflow}.
 */
export async function runAndReport(
  context: CommandContext,
  workflow: WorkflowDefinition,
  options: RunAndReportOptions,
): Promise<LocalResult> {
  const { runner } = context;
  const { watchJob } = await import("../terminal/live_view.ts");
  await using watched = watchJob(runner.host);
  const runContext = watched === undefined
    ? runner
    : createRunnerContext(watched.host, {
      masker: runner.masker,
      allowInsecureTransport: runner.allowInsecureTransport,
    });
  const settings = readOptions(
    runner.host,
    ["wait", "record", "otel"],
    flagsLayer(context),
  );
  const result = await runLocalWorkflow(runContext, workflow, {
    ...options,
    ...settings,
    onEvent: watched?.onStepEvent,
  });
  await watched?.[Symbol.asyncDispose]();
  await printJobs(runner, result, options.rerunCommand);
  const isDone = result.jobs.length > 0 &&
    result.jobs.every(({ status, startedAt }) =>
      status === "completed" && startedAt === null
    );
  if (isDone) {
    runner.logger.info("workflow", "No job is left to run");
    await runner.logger.flush();
  }
  if (result.jobs.some(({ status }) => status === "failed")) {
    runner.logger.info(
      "workflow",
      "To run only the jobs that have not succeeded, add --resume",
    );
    await runner.logger.flush();
  }
  return result;
}

/** Returns the options for following a submission to its end. */
export function continuedOptions(
  { workflow }: Submission,
): Pick<RunLocalWorkflowOptions, "resume" | "only" | "conditions"> {
  return {
    resume: false,
    only: undefined,
    // The conditions were evaluated when the workflow was submitted.
    conditions: () => workflow.jobs,
  };
}

async function printJobs(
  { host, masker, stderr, logger }: RunnerContext,
  { jobs }: LocalResult,
  rerunCommand: (job: string) => readonly string[],
): Promise<void> {
  if (jobs.length < 2 || host.env.LOG_FORMAT === "json") return;
  const steps = jobs.map(({ key, status, reason, logPath, ...job }) => ({
    ...job,
    name: masker.maskText(key),
    outcome: CONCLUSIONS[status],
    conclusion: CONCLUSIONS[status],
    attempts: job.startedAt === null ? 0 : 1,
    tail: maskedTail(masker, job.tail),
    rerun: commandText(
      // All jobs of a matrix have the same name.
      rerunCommand(jobNameOf(key))
        .map((word) => masker.maskText(word)),
    ),
    ...reason === undefined ? {} : { reason: masker.maskText(reason) },
    ...logPath === undefined
      ? {}
      : { log: masker.maskText(shownPath(logPath, host.cwd)) },
  }));
  const isTerminal = host.stderr.isTerminal();
  const text = formatSummary(steps, {
    columns: isTerminal ? host.consoleSize?.()?.columns : undefined,
    color: shouldUseColor(host.env, isTerminal),
  });
  await logger.flush();
  await stderr.write(new TextEncoder().encode(`\n${text}\n`));
}
