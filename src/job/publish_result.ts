import { Variable } from "../environment/variables.ts";
import { messageOf, RunnerError } from "../errors.ts";
import { publishedResult, resultKey } from "../triggers/state/job_outcome.ts";
import type { JobRun } from "./job_run.ts";
import { setOutput } from "./set_output.ts";

/**
 * Most characters of variables to which a result is added. All of them stand
 * in one variable of each later job, which Linux starts only below 128 KiB.
 */
const MOST_VARIABLES = 64 * 1024;

/** Most jobs of one fan-out that publish their results, for the same reason. */
const MOST_INSTANCES = 50;

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
  if (vars.length > MOST_VARIABLES) return;
  if (Number(index) >= MOST_INSTANCES) return;
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
