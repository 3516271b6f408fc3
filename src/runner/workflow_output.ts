import { Variable } from "../environment/variables.ts";
import { messageOf, RunnerError } from "../errors.ts";
import { createDirectory } from "../fs/files.ts";
import { publishedResult, resultKey } from "../state/job_outcome.ts";
import {
  type WorkflowEntry,
  writeOutput,
} from "../state/workflow_variables.ts";
import { lockRunFile } from "../workspace/run_files.ts";
import { OUTPUT_FILE, outputPath } from "./job_workspace.ts";
import type { RunState } from "./run_state.ts";
import type { RunnerContext } from "./runner_context.ts";

/**
 * Sets a variable of the workflow or an output of the job.
 *
 * @param entry Variable or output.
 * @throws {TypeError} If the key is empty or the value is not plain JSON data.
 * @throws {RunnerError} `output-failed` or, for its directory, `workspace`, if it
 * cannot be written.
 */
export async function setOutput(
  runner: RunnerContext,
  entry: WorkflowEntry,
): Promise<void> {
  const { workspace, logger, run } = runner;
  const path = outputPath(runner);
  if (workspace.inContainer && path !== OUTPUT_FILE) {
    logger.warn("workflow", `A worker reads ${OUTPUT_FILE}, not "${path}"`);
  }
  if (!workspace.inContainer) {
    await createDirectory(path.slice(0, path.lastIndexOf("/")));
  }
  if (entry.kind === "outputs") warnOfFanOut(runner, entry.key);
  await writeOutput(path, entry, {
    lock: () => lockRunFile(workspace, path, run),
    // A worker may read it as another user.
    mode: workspace.inContainer ? 0o644 : 0o600,
  });
}

/**
 * Warns about an output of a fan-out: all instances set the same variable, and
 * a second value is a conflict.
 */
function warnOfFanOut({ host, logger }: RunnerContext, key: string): void {
  const nodeName = host.env[Variable.workflowNodeName] ?? "";
  const runId = host.env[Variable.workflowRunId] ?? "";
  const [, index] = /\[(\d+)\]$/.exec(nodeName) ?? [];
  if (index === undefined || key.includes(index)) return;
  if (runId !== "" && key.includes(runId)) return;
  logger.warn(
    "workflow",
    `Output "${key}" is set by every job of the fan-out: different values make the workflow fail`,
  );
}

/**
 * Maximum length of the workflow's variables to which a result is added, in
 * characters. Later jobs get all of them in one variable, which Linux limits to
 * 128 KiB.
 */
const MAX_VARIABLES = 64 * 1024;

/**
 * Maximum number of instances of a fan-out that publish results, for the same
 * reason.
 */
const MAX_INSTANCES = 50;

/** End of a job, for {@linkcode publishJobResult}. */
export interface JobEnd {
  /** Outcome of the job. */
  readonly status: "success" | "failed" | "cancelled" | "timeout";
  /** Exit code. */
  readonly exitCode: number;
  /** Duration, in milliseconds. */
  readonly durationMs: number;
}

/**
 * Publishes the result of a job in the variables of its workflow, where later
 * jobs can read it without a token that can read jobs.
 *
 * Failures are warnings and do not fail the job.
 */
export async function publishJobResult(
  run: RunState,
  { status, exitCode, durationMs }: JobEnd,
): Promise<void> {
  const { host: { env }, masker, logger } = run.runner;
  const node_name = env[Variable.workflowNodeName];
  const vars = env[Variable.workflowVarsJson] ?? "";
  const [, index = "0"] = /\[(\d+)\]$/.exec(node_name ?? "") ?? [];
  if (vars.length > MAX_VARIABLES) return;
  if (Number(index) >= MAX_INSTANCES) return;
  const now = Date.now();
  const value = publishedResult({
    status: status === "success" ? "completed" : status,
    exit_code: exitCode,
    ...run.error instanceof RunnerError
      ? { last_error: masker.maskText(run.error.message) }
      : {},
    job_id: env[Variable.jobId],
    node_name,
    started_at: new Date(now - durationMs).toISOString(),
    completed_at: new Date(now).toISOString(),
  });
  try {
    const key = resultKey(env[Variable.workflowRunId]);
    await setOutput(run.runner, { kind: "outputs", key, value });
  } catch (error) {
    logger.warn("workflow", `Cannot publish the result: ${messageOf(error)}`);
  }
}
