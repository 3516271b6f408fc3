import { readOptions } from "../config/load_config.ts";
import { Variable } from "../environment/variables.ts";
import { nextJobsText } from "../triggers/next_jobs.ts";
import {
  type FindJobContext,
  findResult,
  findRunning,
  type JobScope,
} from "../triggers/state/find_job.ts";
import type { JobOutcome } from "../triggers/state/job_outcome.ts";
import { readLocalState, STATE_FILE } from "../triggers/state/local_state.ts";
import {
  readVariables,
  type WorkflowVariables,
} from "../triggers/state/workflow_variables.ts";
import { workspacePath } from "./job_directories.ts";
import type { RunnerParts } from "./runner_parts.ts";

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
 * @param parts The context of the runner.
 * @param name Name of the job, or of one instance.
 * @param options Scope and signal.
 * @returns Whether an instance was submitted and has not ended.
 * @throws {RunnerError} If the state cannot be read.
 */
export async function isJobRunning(
  parts: RunnerParts,
  name: string,
  options: FindJobOptions,
): Promise<boolean> {
  return await findRunning(name, contextOf(parts, options));
}

/**
 * Finds the result of a job of the workflow.
 *
 * @param parts The context of the runner.
 * @param name Name of the job, or of one instance.
 * @param options Scope and signal.
 * @returns The result; `null` if no such job was started.
 * @throws {RunnerError} If the state cannot be read.
 */
export async function getJobResult(
  parts: RunnerParts,
  name: string,
  options: FindJobOptions,
): Promise<JobOutcome | null> {
  return await findResult(name, contextOf(parts, options));
}

/**
 * Reads the variables of the workflow.
 *
 * @param parts The context of the runner.
 * @returns Variables by name.
 */
export async function getWorkflowVars(
  parts: RunnerParts,
): Promise<WorkflowVariables> {
  const { host: { env }, logger } = parts;
  return await readVariables({
    env,
    path: workspacePath(
      parts,
      env[Variable.workflowVarsFile] || "/job/workflow-vars.json",
    ),
    warn: (message) => logger.warn("workflow", message),
  });
}

/**
 * Returns the path of the file with the state of the local workflow.
 *
 * @param parts The context of the runner.
 * @returns Absolute path.
 */
export function localStatePath(parts: RunnerParts): string {
  const { host: { env }, workspace } = parts;
  return env[Variable.workflowStateFile] || `${workspace.base}/${STATE_FILE}`;
}

function contextOf(
  parts: RunnerParts,
  { scope, signal }: FindJobOptions,
): FindJobContext {
  const { host: { env }, masker, allowInsecureTransport } = parts;
  const token = env[Variable.readToken];
  if (token) masker.add(token);
  return {
    env,
    statePath: localStatePath(parts),
    isLocal: !env[Variable.coordinatorUrl] ||
      Boolean(env[Variable.workflowStateFile]),
    variables: () => getWorkflowVars(parts),
    scope: scope ?? (env[Variable.workflowId] ? "workflow" : "project"),
    allowInsecureTransport,
    timeoutMs: readOptions(parts.host, ["coordinator_timeout"])
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
 *
 * @param parts The context of the runner.
 * @param name Name of the job.
 * @param options Additional options.
 */
export async function logNextJob(
  parts: RunnerParts,
  name: string,
  options: LogNextJobOptions,
): Promise<void> {
  const { masker, stdout, logger } = parts;
  const { reason, dependsOn = [], workflowFile = "pipeline.yaml" } = options;
  const completed = await completedJobs(parts) ?? new Set(dependsOn);
  const text = nextJobsText([{ name, dependsOn }], completed, { workflowFile });
  if (reason) logger.info("workflow", `${name} is next: ${reason}`);
  await stdout.write(new TextEncoder().encode(`${masker.maskText(text)}\n`));
  await logger.flush();
}

async function completedJobs(
  parts: RunnerParts,
): Promise<ReadonlySet<string> | undefined> {
  const state = await readLocalState(localStatePath(parts));
  if (state === null) return undefined;
  const completed = [...state.jobs].filter(([, instances]) =>
    instances.every(({ status }) => status === "completed")
  );
  return new Set(completed.map(([name]) => name));
}
