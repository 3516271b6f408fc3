import { Variable } from "../environment/variables.ts";
import { messageOf, RunnerError } from "../errors.ts";
import { publishedResult, resultKey } from "../triggers/state/job_outcome.ts";
import {
  type WorkflowEntry,
  writeOutput,
} from "../triggers/state/workflow_variables.ts";
import { lockRunFile } from "../workspace/run_files.ts";
import { workspacePath } from "./job_directories.ts";
import type { JobRun } from "./job_run.ts";
import type { RunnerParts } from "./runner_parts.ts";

/** The only file that a worker reads. */
const OUTPUT_FILE = "/job/workflow-output.json";

/**
 * Says something to the workflow of a job.
 *
 * @param parts The context of the runner.
 * @param entry Variable or output.
 * @throws {TypeError} If the key is empty or the value is not plain JSON data.
 * @throws {RunnerError} `output-failed`, if it cannot be written.
 */
export async function setOutput(
  parts: RunnerParts,
  entry: WorkflowEntry,
): Promise<void> {
  const { workspace, logger, run } = parts;
  const path = outputPath(parts);
  if (workspace.inContainer && path !== OUTPUT_FILE) {
    logger.warn("workflow", `A worker reads ${OUTPUT_FILE}, not "${path}"`);
  }
  if (!workspace.inContainer) {
    await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
  }
  if (entry.kind === "outputs") warnOfFanOut(parts, entry.key);
  await writeOutput(path, entry, {
    lock: () => lockRunFile(workspace, path, run),
    // A worker may read it as another user.
    mode: workspace.inContainer ? 0o644 : 0o600,
  });
}

/**
 * Finds the file that a worker reads when the job is over.
 *
 * @param parts The context of the runner.
 * @returns Absolute path.
 */
export function outputPath(parts: RunnerParts): string {
  const path = parts.host.env[Variable.workflowOutputFile] || OUTPUT_FILE;
  return workspacePath(parts, path);
}

/** All jobs of a fan-out write the same variable, and the second value is a conflict. */
function warnOfFanOut({ host, logger }: RunnerParts, key: string): void {
  const nodeName = host.env[Variable.workflowNodeName] ?? "";
  const runId = host.env[Variable.workflowRunId] ?? "";
  const [, index] = /\[(\d+)\]$/.exec(nodeName) ?? [];
  if (index === undefined || key.includes(index)) return;
  if (runId !== "" && key.includes(runId)) return;
  logger.warn(
    "workflow",
    `Output "${key}" is that of every job of the fan-out: different values make the workflow fail`,
  );
}

/**
 * Maximum number of characters of variables to which a result is added. All of them stand
 * in one variable of each later job, which Linux starts only below 128 KiB.
 */
const MAX_VARIABLES = 64 * 1024;

/** Maximum number of jobs of one fan-out that publish their results, for the same reason. */
const MAX_INSTANCES = 50;

/** How a job ended, for {@linkcode publishResult}. */
export interface Ending {
  /** Whether it succeeded, or what became of it. */
  readonly status: "success" | "failed" | "cancelled" | "timeout";
  /** Exit code. */
  readonly exitCode: number;
  /** How long it took, in milliseconds. */
  readonly durationMs: number;
}

/**
 * Publishes the result of a job in the variables of its workflow, where later
 * jobs find it without a token that may read jobs.
 *
 * It is a convenience, and so none of its failures is one of the job.
 *
 * @param run The run.
 * @param ending How it ended.
 */
export async function publishResult(
  run: JobRun,
  { status, exitCode, durationMs }: Ending,
): Promise<void> {
  const { host: { env }, masker, logger } = run.parts;
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
    await setOutput(run.parts, { kind: "outputs", key, value });
  } catch (error) {
    logger.warn("workflow", `The result is not published: ${messageOf(error)}`);
  }
}
