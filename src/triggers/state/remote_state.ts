import { Variable } from "../../environment/variables.ts";
import type { CoordinatorClient } from "../../coordinator/client.ts";
import {
  type JobFilter,
  type JobRecord,
  listJobs,
  readJob,
} from "../../coordinator/jobs.ts";
import { RunnerError } from "../../errors.ts";
import { isJobState, type JobInstance } from "./job_outcome.ts";

/** Among which jobs a name is looked for. */
export type JobScope = "workflow" | "project" | "organization";

/** Options for {@linkcode remoteInstances}. */
export interface RemoteInstancesOptions {
  /** Environment of the job that asks. */
  readonly env: Readonly<Record<string, string>>;
  /** Among which jobs the name is looked for. */
  readonly scope: JobScope;
}

/** Instances of a job, by the workflow to which they belong. */
export interface RemoteInstances {
  /** Those of each workflow, the one with the newest instance first. */
  readonly byWorkflow: readonly (readonly JobInstance[])[];
}

/**
 * Asks the coordinator for the instances of a job.
 *
 * Of several attempts of one instance, only the newest counts.
 *
 * @param client Way to the coordinator, with a token that may read.
 * @param name Name of the job, or of one instance of a fan-out.
 * @param options Scope and environment.
 * @returns Instances.
 * @throws {RunnerError} `coordinator-forbidden` if the token may not read,
 * `coordinator-failed`, or `invalid-config` if the scope is not known.
 */
export async function remoteInstances(
  client: CoordinatorClient,
  name: string,
  options: RemoteInstancesOptions,
): Promise<RemoteInstances> {
  const filter = await filterOf(client, options);
  const found = (await listJobs(client, filter))
    .filter((job) => job.name === name || job.workflow_node_name === name)
    .sort((a, b) => millisOf(b) - millisOf(a));
  const byWorkflow = new Map<string, Map<string, JobInstance>>();
  for (const job of found) {
    const workflow = job.workflow_id ?? "";
    const instances = byWorkflow.get(workflow) ?? new Map();
    byWorkflow.set(workflow, instances);
    const display = job.workflow_node_name || job.name;
    if (!instances.has(display)) instances.set(display, instanceOf(job));
  }
  return {
    byWorkflow: [...byWorkflow.values()]
      .map((instances) =>
        [...instances.values()]
          .sort((a, b) => a.name.localeCompare(b.name, "en", { numeric: true }))
      ),
  };
}

async function filterOf(
  client: CoordinatorClient,
  { env, scope }: RemoteInstancesOptions,
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
  throw unknownScope(scope, "the job belongs to none");
}

function instanceOf(job: JobRecord): JobInstance {
  const { status } = job;
  return {
    name: job.workflow_node_name || job.name,
    // A state that is new to us is one that is not over.
    status: isJobState(status) ? status : "running",
    exitCode: job.exit_code ?? null,
    lastError: job.last_error || null,
    jobId: job.job_id,
    startedAt: job.started_at ?? null,
    completedAt: job.completed_at ?? null,
    logsUrl: `/api/v1/jobs/${job.job_id}/logs`,
  };
}

/** Times of Go have up to nine digits behind the second, and none at all when it is full. */
function millisOf({ created_at }: JobRecord): number {
  return Date.parse(created_at) || 0;
}

function unknownScope(scope: JobScope, state: string): RunnerError {
  return new RunnerError(`Cannot look for jobs in the ${scope}: ${state}`, {
    code: "invalid-config",
  });
}
