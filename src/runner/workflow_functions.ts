import type { JobOutcome } from "../triggers/state/job_outcome.ts";
import type { WorkflowVariables } from "../triggers/state/workflow_variables.ts";
import type { FindJobOptions, LogNextJobOptions } from "./find_job.ts";
import type { TriggerBatch } from "./follow_up_jobs.ts";
import type { RunnerParts } from "./runner_parts.ts";

/** Functions about other jobs of the workflow. */
export interface WorkflowFunctions {
  /**
   * Calls a function and hands over the follow-up jobs that it adds, all at
   * once and only if it succeeds.
   *
   * @param action Function that adds follow-up jobs.
   * @returns What the function returns.
   * @throws {RunnerError} If the follow-up jobs cannot be submitted.
   */
  readonly withTriggers: <T>(
    action: (triggers: TriggerBatch) => T | Promise<T>,
  ) => Promise<T>;
  /**
   * Checks whether a job runs, or is about to.
   *
   * On a coordinator this takes a token that may read jobs, in
   * `REACTORCIDE_READ_TOKEN`; on a laptop the local workflow knows.
   *
   * @param name Name of the job, or of one instance of a fan-out: `build[0]`.
   * @param options Additional options.
   * @returns Whether an instance has been submitted and is not over.
   * @throws {RunnerError} `coordinator-forbidden` if the token may not read,
   * `coordinator-failed` if the coordinator cannot be asked.
   */
  readonly isJobRunning: (
    name: string,
    options?: FindJobOptions,
  ) => Promise<boolean>;
  /**
   * Finds the result of a job, the newest one if it ran several times.
   *
   * Without `REACTORCIDE_READ_TOKEN`, the results count that jobs of the
   * workflow had published when this one was started.
   *
   * @param name Name of the job, or of one instance of a fan-out: `build[0]`.
   * @param options Additional options.
   * @returns The result so far; `null` if no such job was ever started.
   * @throws {RunnerError} As {@linkcode WorkflowFunctions.isJobRunning}.
   */
  readonly getJobResult: (
    name: string,
    options?: FindJobOptions,
  ) => Promise<JobOutcome | null>;
  /**
   * Reads the variables of the workflow, as they were when this job started.
   *
   * @returns Variables by name, outputs of jobs as `<job>.<key>`; none outside
   * a workflow.
   */
  readonly getWorkflowVars: () => Promise<WorkflowVariables>;
  /**
   * Sets a variable of the workflow, once this job has ended. Setting a variable
   * that has another value makes the workflow fail.
   *
   * @param name Name of the variable.
   * @param value Any value that JSON can represent.
   * @throws {TypeError} If the name is empty or the value is not plain JSON data.
   * @throws {RunnerError} `output-failed`, if it cannot be written.
   */
  readonly setWorkflowVar: (name: string, value: unknown) => Promise<void>;
  /**
   * Sets an output of this job, which later jobs of the workflow read as
   * `<name of this job>.<key>`.
   *
   * @param key Key of the output; each job of a fan-out needs its own.
   * @param value Any value that JSON can represent.
   * @throws {TypeError} If the key is empty or the value is not plain JSON data.
   * @throws {RunnerError} `output-failed`, if it cannot be written.
   */
  readonly setWorkflowOutput: (key: string, value: unknown) => Promise<void>;
  /**
   * Prints which job comes next, and how to run it by hand.
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
 * Creates the functions of a runner that concern its workflow; each loads what
 * it needs when it is called.
 *
 * @param parts Returns what the runner owns.
 * @returns The functions.
 */
export function workflowFunctions(parts: () => RunnerParts): WorkflowFunctions {
  return {
    async withTriggers(action) {
      const { withTriggers } = await import("./follow_up_jobs.ts");
      return await withTriggers(parts(), action);
    },
    async isJobRunning(name, options = {}) {
      const { isJobRunning } = await import("./find_job.ts");
      return await isJobRunning(parts(), name, options);
    },
    async getJobResult(name, options = {}) {
      const { getJobResult } = await import("./find_job.ts");
      return await getJobResult(parts(), name, options);
    },
    async getWorkflowVars() {
      const { getWorkflowVars } = await import("./find_job.ts");
      return await getWorkflowVars(parts());
    },
    async setWorkflowVar(key, value) {
      const { setOutput } = await import("./workflow_output.ts");
      await setOutput(parts(), { kind: "vars", key, value });
    },
    async setWorkflowOutput(key, value) {
      const { setOutput } = await import("./workflow_output.ts");
      await setOutput(parts(), { kind: "outputs", key, value });
    },
    async logNextJob(name, options = {}) {
      const { logNextJob } = await import("./find_job.ts");
      await logNextJob(parts(), name, options);
    },
  };
}
