import type { JobOutcome } from "../state/job_outcome.ts";
import type { WorkflowVariables } from "../state/workflow_variables.ts";
import type { FindJobOptions, LogNextJobOptions } from "./job_queries.ts";
import type { TriggerBatch } from "./follow_up_jobs.ts";
import type { RunnerContext } from "./runner_context.ts";

/** Functions for the other jobs of a workflow. */
export interface WorkflowFunctions {
  /**
   * Calls a function and, if it succeeds, submits the follow-up jobs that it
   * added, all at once.
   *
   * @param action Function that adds follow-up jobs.
   * @returns The result of the function.
   * @throws {RunnerError} If a follow-up job is refused or submitting fails.
   */
  readonly withTriggers: <T>(
    action: (triggers: TriggerBatch) => T | Promise<T>,
  ) => Promise<T>;
  /**
   * Checks whether a job is running or about to run.
   *
   * With a coordinator, this needs a token that can read jobs, in
   * `REACTORCIDE_READ_TOKEN`; on a laptop, the state of the local workflow is
   * read.
   *
   * @param name Name of the job, or of one instance of a fan-out: `build[0]`.
   * @param options Additional options.
   * @returns Whether an instance was submitted and has not ended.
   * @throws {RunnerError} `coordinator-forbidden` if the token is missing or
   * cannot read jobs; `coordinator-failed` if the request fails.
   */
  readonly isJobRunning: (
    name: string,
    options?: FindJobOptions,
  ) => Promise<boolean>;
  /**
   * Finds the result of the newest run of a job.
   *
   * Without `REACTORCIDE_READ_TOKEN`, only results that jobs of the workflow
   * published before this job started are known.
   *
   * @param name Name of the job, or of one instance of a fan-out: `build[0]`.
   * @param options Additional options.
   * @returns The result so far; `null` if no such job was started.
   * @throws {RunnerError} Same as {@linkcode WorkflowFunctions.isJobRunning}.
   */
  readonly getJobResult: (
    name: string,
    options?: FindJobOptions,
  ) => Promise<JobOutcome | null>;
  /**
   * Reads the variables of the workflow as of the start of this job.
   *
   * @returns Variables by name; outputs of jobs are named `<job>.<key>`. Empty
   * outside a workflow.
   */
  readonly getWorkflowVars: () => Promise<WorkflowVariables>;
  /**
   * Sets a variable of the workflow; it takes effect when this job has ended.
   * If the variable has a different value already, the workflow fails.
   *
   * @param name Name of the variable.
   * @param value Any value that JSON can represent.
   * @throws {TypeError} If the name is empty or the value is not plain JSON
   * data.
   * @throws {RunnerError} `output-failed`, if it cannot be written.
   */
  readonly setWorkflowVar: (name: string, value: unknown) => Promise<void>;
  /**
   * Sets an output of this job; later jobs of the workflow read it as `<name of
   * this job>.<key>`.
   *
   * @param key Key of the output; each instance of a fan-out needs its own key.
   * @param value Any value that JSON can represent.
   * @throws {TypeError} If the key is empty or the value is not plain JSON
   * data.
   * @throws {RunnerError} `output-failed`, if it cannot be written.
   */
  readonly setWorkflowOutput: (key: string, value: unknown) => Promise<void>;
  /**
   * Prints the next job and the command that runs it.
   *
   * @param name Name of the job.
   * @param options Additional options.
   */
  readonly logNextJob: (
    name: string,
    options?: LogNextJobOptions,
  ) => Promise<void>;
}

/**
 * Creates the workflow functions of a runner. Each one loads its modules when
 * it is called.
 *
 * @param runner Returns the context of the runner.
 */
export function workflowFunctions(
  runner: () => RunnerContext,
): WorkflowFunctions {
  return {
    async withTriggers(action) {
      const { withTriggers } = await import("./follow_up_jobs.ts");
      return await withTriggers(runner(), action);
    },
    async isJobRunning(name, options = {}) {
      const { isJobRunning } = await import("./job_queries.ts");
      return await isJobRunning(runner(), name, options);
    },
    async getJobResult(name, options = {}) {
      const { getJobResult } = await import("./job_queries.ts");
      return await getJobResult(runner(), name, options);
    },
    async getWorkflowVars() {
      const { getWorkflowVars } = await import("./job_queries.ts");
      return await getWorkflowVars(runner());
    },
    async setWorkflowVar(key, value) {
      const { setOutput } = await import("./workflow_output.ts");
      await setOutput(runner(), { kind: "vars", key, value });
    },
    async setWorkflowOutput(key, value) {
      const { setOutput } = await import("./workflow_output.ts");
      await setOutput(runner(), { kind: "outputs", key, value });
    },
    async logNextJob(name, options = {}) {
      const { logNextJob } = await import("./job_queries.ts");
      await logNextJob(runner(), name, options);
    },
  };
}
