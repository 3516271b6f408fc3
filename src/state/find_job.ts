import { type CoordinatorClient, openClient } from "../coordinator/client.ts";
import {
  type CoordinatorJob,
  type JobFilter,
  listJobs,
  readJob,
} from "../coordinator/jobs.ts";
import { type Environment, Variable } from "../environment/variables.ts";
import { RunnerError } from "../errors.ts";
import {
  combineInstances,
  isActive,
  isJobState,
  type JobInstance,
  type JobOutcome,
  localInstances,
  publishedInstances,
  readLocalState,
} from "./job_outcome.ts";

/** Scope of a search for jobs. */
export type JobScope = "workflow" | "project" | "organization";

/** Context of a search for a job. */
export interface FindJobContext {
  /** Environment of the querying job. */
  readonly env: Environment;
  /** Absolute path of the state file of a local workflow. */
  readonly statePath: string;
  /** Whether to read the state file even if a coordinator is configured. */
  readonly isLocal: boolean;
  /** Variables of the workflow. */
  readonly variables: () => Promise<Readonly<Record<string, unknown>>>;
  /** Jobs among which the name is looked up. */
  readonly scope: JobScope;
  /** Whether the token may be sent over plain HTTP. */
  readonly allowInsecureTransport: boolean;
  /** Time limit of one request, in milliseconds. */
  readonly timeoutMs: number;
  /** Masks secrets in responses of the coordinator. */
  readonly maskText: (text: string) => string;
  /** Cancels requests and delays. */
  readonly signal?: AbortSignal;
}

/**
 * Checks whether a job is running or about to run.
 *
 * @param name Name of the job, or of one instance of a fan-out.
 * @throws {RunnerError} `coordinator-forbidden` without a token that can
 * read jobs.
 */
export async function findRunning(
  name: string,
  context: FindJobContext,
): Promise<boolean> {
  const instances = context.isLocal
    ? await findLocalInstances(name, context)
    : (await readRemoteInstances(name, context)).flat();
  return instances.some(isActive);
}

/**
 * Finds the result of the newest run of a job.
 *
 * Without a token that can read jobs, only results that jobs published in the
 * variables of the workflow are known.
 *
 * @param name Name of the job, or of one instance of a fan-out.
 * @returns The result so far; `null` if no such job was started.
 * @throws {RunnerError} `coordinator-forbidden` without a token that can
 * read jobs.
 */
export async function findResult(
  name: string,
  context: FindJobContext,
): Promise<JobOutcome | null> {
  if (context.isLocal) {
    return combineInstances(name, await findLocalInstances(name, context));
  }
  if (!context.env[Variable.readToken]) {
    const published = publishedInstances(await context.variables(), name);
    if (published.length > 0) return combineInstances(name, published);
  }
  const [newest = []] = await readRemoteInstances(name, context);
  return combineInstances(name, newest);
}

async function findLocalInstances(
  name: string,
  { statePath }: FindJobContext,
): Promise<readonly JobInstance[]> {
  const state = await readLocalState(statePath);
  return state === null ? [] : localInstances(state, name);
}

/**
 * Reads the instances of a job by workflow, the workflow with the newest
 * instance first. If an instance has several attempts, only the newest is
 * returned.
 */
async function readRemoteInstances(
  name: string,
  context: FindJobContext,
): Promise<readonly (readonly JobInstance[])[]> {
  const client = openReader(name, context);
  const matches = (await listJobs(client, await createFilter(client, context)))
    .filter((job) => job.name === name || job.workflow_node_name === name)
    .sort((a, b) => parseCreatedMs(b) - parseCreatedMs(a));
  const byWorkflow = new Map<string, Map<string, JobInstance>>();
  for (const job of matches) {
    const workflow = job.workflow_id ?? "";
    const instances = byWorkflow.get(workflow) ?? new Map();
    byWorkflow.set(workflow, instances);
    const display = job.workflow_node_name || job.name;
    if (!instances.has(display)) instances.set(display, createInstance(job));
  }
  return [...byWorkflow.values()].map((instances) =>
    [...instances.values()]
      .sort((a, b) => a.name.localeCompare(b.name, "en", { numeric: true }))
  );
}

/**
 * Creates a client with the read token, since the token of the job can only
 * submit triggers.
 */
function openReader(
  name: string,
  context: FindJobContext,
): CoordinatorClient {
  const { env } = context;
  const token = env[Variable.readToken];
  if (!token) {
    throw new RunnerError(
      `Cannot read the state of job ${
        JSON.stringify(name)
      }: ${Variable.readToken} is not set`,
      { code: "coordinator-forbidden" },
    );
  }
  return openClient({ ...context, url: env[Variable.coordinatorUrl], token });
}

async function createFilter(
  client: CoordinatorClient,
  { env, scope }: FindJobContext,
): Promise<JobFilter> {
  if (scope === "organization") return {};
  if (scope === "workflow") {
    if (env[Variable.workflowId]) {
      return { workflow_id: env[Variable.workflowId] };
    }
    throw unknownScope(scope, `${Variable.workflowId} is not set`);
  }
  const id = env[Variable.jobId];
  if (!id) throw unknownScope(scope, `${Variable.jobId} is not set`);
  const { project_id } = await readJob(client, id);
  if (project_id) return { project_id };
  throw unknownScope(scope, "the job has no project");
}

function createInstance(job: CoordinatorJob): JobInstance {
  const { status } = job;
  return {
    name: job.workflow_node_name || job.name,
    // A job in an unknown state has not ended.
    status: isJobState(status) ? status : "running",
    exitCode: job.exit_code ?? null,
    lastError: job.last_error || null,
    jobId: job.job_id,
    startedAt: job.started_at ?? null,
    completedAt: job.completed_at ?? null,
    logsUrl: `/api/v1/jobs/${job.job_id}/logs`,
  };
}

/** Go writes up to nine digits after the second, and none for a whole second. */
function parseCreatedMs({ created_at }: CoordinatorJob): number {
  return Date.parse(created_at) || 0;
}

function unknownScope(scope: JobScope, state: string): RunnerError {
  return new RunnerError(`Cannot look for jobs in the ${scope}: ${state}`, {
    code: "invalid-config",
  });
}
