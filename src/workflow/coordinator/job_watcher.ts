import type { CoordinatorClient } from "../../coordinator/client.ts";
import { type CoordinatorJob, listJobs } from "../../coordinator/jobs.ts";
import {
  type CoordinatorWorkflow,
  readWorkflowState,
} from "../../coordinator/workflows.ts";
import { pause } from "../../process/time_limit.ts";
import type { NodeEnd } from "../local/node_states.ts";

/** States of a workflow that has ended. */
const ENDED_STATES: readonly string[] = [
  "success",
  "failed",
  "cancelled",
  "skipped",
];

/** Options for {@linkcode JobWatcher}. */
export interface JobWatcherOptions {
  /** Client that reads jobs and workflows. */
  readonly client: CoordinatorClient;
  /** ID of the workflow. */
  readonly workflowId: string;
  /** Polling interval, in milliseconds. */
  readonly pollMs: number;
  /** Ends the watch. */
  readonly signal: AbortSignal;
}

/** A job of a workflow that was submitted by a job of the watched workflow. */
export interface FollowUp {
  /** The job. */
  readonly job: CoordinatorJob;
  /** ID of the job that submitted its workflow. */
  readonly parentId: string | undefined;
}

/**
 * Polls the states of all jobs of a workflow, with a few requests each time. Callers
 * can wait for the next result.
 */
export class JobWatcher {
  readonly #options: JobWatcherOptions;
  #rows: ReadonlyMap<string, CoordinatorJob> = new Map();
  #followUps: readonly FollowUp[] = [];
  #jobs: readonly CoordinatorJob[] = [];
  #status = "";
  #isActive = false;
  #isRunning = false;
  #reading = Promise.withResolvers<void>();
  #failure: Error | undefined;

  /** Creates a watcher; {@linkcode start} starts polling. */
  constructor(options: JobWatcherOptions) {
    this.#options = options;
  }

  /** Newest job of each node of the workflow, by the name of the node. */
  get rows(): ReadonlyMap<string, CoordinatorJob> {
    return this.#rows;
  }

  /** Jobs of the workflows that jobs of this one have submitted. */
  get followUps(): readonly FollowUp[] {
    return this.#followUps;
  }

  /** All jobs, including those of submitted workflows. */
  get jobs(): readonly CoordinatorJob[] {
    return this.#jobs;
  }

  /** State of the workflow and the workflows that its jobs have submitted. */
  get status(): string {
    return this.#status;
  }

  /** Whether the workflow has ended, and none of its jobs is active. */
  get isOver(): boolean {
    return ENDED_STATES.includes(this.#status) && !this.isActive;
  }

  /** Whether a job is queued or running. */
  get isActive(): boolean {
    return this.#isActive;
  }

  /** Starts polling. */
  start(): void {
    if (this.#isRunning) return;
    this.#isRunning = true;
    // A failure without a waiting caller must not count as unhandled.
    this.#reading.promise.catch(() => {});
    this.#run().catch((error) => {
      this.#failure = error instanceof Error ? error : new Error(String(error));
      this.#reading.reject(this.#failure);
    });
  }

  /**
   * Waits for the next result.
   *
   * @throws {RunnerError} If the coordinator can no longer be read.
   */
  async next(): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    await this.#reading.promise;
  }

  async #run(): Promise<void> {
    const { pollMs, signal } = this.#options;
    while (true) {
      signal.throwIfAborted();
      await this.#read();
      const before = this.#reading;
      this.#reading = Promise.withResolvers();
      this.#reading.promise.catch(() => {});
      before.resolve();
      await pause(pollMs, signal);
    }
  }

  /** The jobs are read last, so that all jobs of an ended workflow are known. */
  async #read(): Promise<void> {
    const { client, workflowId } = this.#options;
    const workflow = await readWorkflowState(client, workflowId);
    const followUps: FollowUp[] = [];
    for (const child of listDescendants(workflow)) {
      const { workflow_id, parent_job_id, origin_job_id } = child;
      const jobs = await listJobs(client, { workflow_id });
      for (const job of findNewest(jobs).values()) {
        followUps.push({ job, parentId: origin_job_id ?? parent_job_id });
      }
    }
    const jobs = await listJobs(client, { workflow_id: workflowId });
    this.#rows = findNewest(jobs);
    this.#followUps = followUps;
    this.#status = workflow.status;
    this.#jobs = [...this.#rows.values(), ...followUps.map(({ job }) => job)];
    this.#isActive = this.#jobs.some((job) => jobEnd(job) === undefined);
  }
}

/** Maximum length of a name from the coordinator in messages and tables, in characters. */
export const MAX_NAME = 300;

/** States of a job that has ended. */
const JOB_ENDS: readonly NodeEnd[] = [
  "completed",
  "failed",
  "cancelled",
  "timeout",
];

/**
 * Returns how a job has ended.
 *
 * @returns `undefined` if it has not ended, or its state is unknown.
 */
export function jobEnd({ status }: CoordinatorJob): NodeEnd | undefined {
  return JOB_ENDS.find((end) => end === status);
}

/** Returns the workflows that jobs of a workflow have submitted. */
function listDescendants(
  { workflow_id, children }: CoordinatorWorkflow,
): CoordinatorWorkflow[] {
  const found = new Map<string, CoordinatorWorkflow>();
  const open = [...children ?? []];
  for (let child; (child = open.pop()) !== undefined;) {
    if (child.workflow_id === workflow_id || found.has(child.workflow_id)) {
      continue;
    }
    found.set(child.workflow_id, child);
    open.push(...child.children ?? []);
  }
  return [...found.values()];
}

/**
 * Returns the newest job of each node. A retry of a job is another job with the
 * same name of its node.
 */
function findNewest(
  jobs: readonly CoordinatorJob[],
): Map<string, CoordinatorJob> {
  const rows = new Map<string, CoordinatorJob>();
  for (const job of jobs) {
    const name = nodeName(job);
    const existing = rows.get(name);
    const isNewer = existing === undefined ||
      Date.parse(job.created_at) > Date.parse(existing.created_at);
    if (isNewer) rows.set(name, job);
  }
  return rows;
}

/** Returns the name of the node of a job. */
export function nodeName({ name, workflow_node_name }: CoordinatorJob): string {
  return workflow_node_name || name;
}
