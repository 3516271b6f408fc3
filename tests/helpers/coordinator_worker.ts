import type { TestCoordinator } from "./coordinator.ts";
import type { JobEnd } from "./coordinator_jobs.ts";

/** A job as a worker sees it. */
export interface WorkerJob {
  /** ID of the job. */
  id: string;
  /** Name of its node. */
  name: string;
  /** Command, as submitted. */
  command: string;
  /** Its variables, with those of its workflow. */
  env: Record<string, string>;
  /** Ships lines of its log; lines sent together have the same time. */
  log(stream: "stdout" | "stderr", ...lines: string[]): void;
  /** Whether the job has been cancelled. */
  isCancelled(): boolean;
}

/** Runs a job; a number is the exit code of its command. */
export type Work = (
  job: WorkerJob,
) => number | Partial<JobEnd> | Promise<number | Partial<JobEnd>>;

/** A worker that runs the jobs of a coordinator. */
export interface TestWorker {
  /** Names of the nodes whose jobs were started, in order. */
  readonly started: string[];
  /** Number of jobs outside workflows that were started. */
  readonly looseCount: number;
}

/**
 * Runs the jobs of a coordinator as soon as they are in its queue.
 *
 * @param work Runs a job of a workflow; others succeed at once.
 */
export function startWorker(
  { jobs, logs, url }: TestCoordinator,
  work: Work,
): TestWorker {
  const started: string[] = [];
  let looseCount = 0;
  let takenCount = 0;

  async function run(id: string): Promise<void> {
    const instance = jobs.workflows
      .find(({ nodes }) => nodes.some(({ jobId }) => jobId === id));
    const node = instance?.nodes.find(({ jobId }) => jobId === id);
    if (!jobs.begin(id)) return;
    if (instance === undefined || node === undefined) {
      looseCount++;
      return jobs.finish(id, { status: "completed", exit_code: 0 });
    }
    started.push(node.display);
    node.status = "running";
    const end = await work({
      id,
      name: node.display,
      command: node.job.job_command,
      env: {
        ...node.env,
        RC_WF_ID: instance.workflow_id,
        RC_WF_NODE_NAME: node.display,
        RC_WF_VARS_JSON: JSON.stringify(Object.fromEntries(instance.vars)),
        REACTORCIDE_COORDINATOR_URL: url,
        REACTORCIDE_JOB_ID: id,
      },
      log(stream, ...lines) {
        const timestamp = jobs.now();
        const key = `${id} ${stream}`;
        const known = logs.get(key) ?? [];
        logs.set(key, known);
        for (const message of lines) {
          known.push({ timestamp, stream, level: "info", message });
        }
      },
      isCancelled: () =>
        jobs.rows.find(({ job_id }) => job_id === id)?.status !== "running",
    });
    const row = jobs.rows.find(({ job_id }) => job_id === id)!;
    // It may have been killed.
    if (row.completed_at !== undefined) return;
    const { exit_code = 0, ...rest } = typeof end === "number"
      ? { exit_code: end }
      : end;
    jobs.finish(id, {
      status: exit_code === 0 ? "completed" : "failed",
      exit_code,
      ...exit_code === 0
        ? {}
        : { last_error: `job exited with code ${exit_code}` },
      ...rest,
    });
  }

  jobs.onQueued = () => {
    for (; takenCount < jobs.queue.length; takenCount++) {
      const id = jobs.queue[takenCount];
      queueMicrotask(() => void run(id));
    }
  };
  jobs.onQueued();
  return {
    started,
    get looseCount() {
      return looseCount;
    },
  };
}
