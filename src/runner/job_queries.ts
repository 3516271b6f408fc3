import { readOptions } from "../config/load_config.ts";
import { Variable } from "../environment/variables.ts";
import { nextJobsText } from "../triggers/next_jobs.ts";
import {
  type FindJobContext,
  findResult,
  findRunning,
  type JobScope,
} from "../state/find_job.ts";
import {
  type JobOutcome,
  readLocalState,
  STATE_FILE,
} from "../state/job_outcome.ts";
import {
  readVariables,
  type WorkflowVariables,
} from "../state/workflow_variables.ts";
import { variablesPath } from "./job_workspace.ts";
import type { RunnerContext } from "./runner_context.ts";

/** Options for {@linkcode WorkflowFunctions.isJobRunning} and {@linkcode WorkflowFunctions.getJobResult}. */
export interface FindJobOptions {
  /**
   * Jobs of the coordinator among which to look up the name.
   *
   * @default {"workflow" in a job of a workflow, else "project"}
   */
  scope?: JobScope;
  /** Cancels the search. */
  signal?: AbortSignal;
}

/**
 * Checks whether a job of the workflow is running or about to run.
 *
 * @param name Name of the job, or of one instance.
 * @param options Scope and signal.
 * @returns Whether an instance was submitted and has not ended.
 * @throws {RunnerError} If the state cannot be read.
 */
export async function isJobRunning(
  runner: RunnerContext,
  name: string,
  options: FindJobOptions,
): Promise<boolean> {
  return await findRunning(name, createFindContext(runner, options));
}

/**
 * Finds the result of a job of the workflow.
 *
 * @param name Name of the job, or of one instance.
 * @param options Scope and signal.
 * @returns The result; `null` if no such job was started.
 * @throws {RunnerError} If the state cannot be read.
 */
export async function getJobResult(
  runner: RunnerContext,
  name: string,
  options: FindJobOptions,
): Promise<JobOutcome | null> {
  return await findResult(name, createFindContext(runner, options));
}

/**
 * Reads the variables of the workflow.
 *
 * @returns Variables by name.
 */
export async function getWorkflowVars(
  runner: RunnerContext,
): Promise<WorkflowVariables> {
  const { host: { env }, logger } = runner;
  return await readVariables({
    env,
    path: variablesPath(runner),
    warn: (message) => logger.warn("workflow", message),
  });
}

/** Returns the absolute path of the file with the state of the local workflow. */
function getLocalStatePath(runner: RunnerContext): string {
  const { host: { env }, workspace } = runner;
  return env[Variable.workflowStateFile] || `${workspace.base}/${STATE_FILE}`;
}

function createFindContext(
  runner: RunnerContext,
  { scope, signal }: FindJobOptions,
): FindJobContext {
  const { host: { env }, masker, allowInsecureTransport } = runner;
  const token = env[Variable.readToken];
  if (token) masker.add(token);
  return {
    env,
    statePath: getLocalStatePath(runner),
    isLocal: !env[Variable.coordinatorUrl] ||
      Boolean(env[Variable.workflowStateFile]),
    variables: () => getWorkflowVars(runner),
    scope: scope ?? (env[Variable.workflowId] ? "workflow" : "project"),
    allowInsecureTransport,
    timeoutMs: readOptions(runner.host, ["coordinator_timeout"])
      .coordinator_timeout,
    maskText: (text) => masker.maskText(text),
    signal,
  };
}

/** Options for {@linkcode Runner.logNextJob}. */
export interface LogNextJobOptions {
  /** Why the job is next; logged with the messages of the runner. */
  reason?: string;
  /**
   * Names of the jobs that must complete first.
   *
   * @default {[]}
   */
  dependsOn?: readonly string[];
  /**
   * Path of the workflow file that contains the job.
   *
   * @default {"pipeline.yaml"}
   */
  workflowFile?: string;
}

/**
 * Prints the next job and the command that runs it.
 *
 * The state of the local workflow decides which dependencies are complete;
 * without a local workflow, all of them count as complete.
 */
export async function logNextJob(
  runner: RunnerContext,
  name: string,
  options: LogNextJobOptions,
): Promise<void> {
  const { masker, stdout, logger } = runner;
  const { reason, dependsOn = [], workflowFile = "pipeline.yaml" } = options;
  const completed = await findCompletedJobs(runner) ?? new Set(dependsOn);
  const text = nextJobsText([{ name, dependsOn }], completed, { workflowFile });
  if (reason) logger.info("workflow", `${name} is next: ${reason}`);
  await stdout.write(new TextEncoder().encode(`${masker.maskText(text)}\n`));
  await logger.flush();
}

async function findCompletedJobs(
  runner: RunnerContext,
): Promise<ReadonlySet<string> | undefined> {
  const state = await readLocalState(getLocalStatePath(runner));
  if (state === null) return undefined;
  const completed = [...state.jobs].filter(([, instances]) =>
    instances.every(({ status }) => status === "completed")
  );
  return new Set(completed.map(([name]) => name));
}
