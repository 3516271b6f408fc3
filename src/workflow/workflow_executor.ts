import type { Environment } from "../environment/variables.ts";
import type { Host } from "../host.ts";
import type { JobLog } from "../output/job_log.ts";
import type { ExportQueue } from "../report/export_queue.ts";
import type { RunnerContext } from "../runner/runner_context.ts";
import type { WorkflowDefinition } from "./definition/definition.ts";
import type { Executor, LocalWorkflow } from "./local/local_job.ts";

/** A run of a workflow, as its executor sees it. */
export interface WorkflowRun {
  /** Context of the runner. */
  readonly runner: RunnerContext;
  /** The workflow as defined in its file. */
  readonly definition: WorkflowDefinition;
  /** The jobs to run, with the initial variables. */
  readonly workflow: LocalWorkflow;
  /** Absolute path of the CI root. */
  readonly root: string;
  /** Absolute path of the runner's private directory for the workflow. */
  readonly directory: string;
  /** Absolute path of the state file. */
  readonly stateFile: string;
  /** Log of the jobs; it takes masked output. */
  readonly log: JobLog;
  /** Whether jobs write records. */
  readonly hasRecords: boolean;
  /** Whether to export the runs of the jobs. */
  readonly otel: boolean;
  /** Variables that describe the event. */
  readonly event: Readonly<Record<string, string>>;
  /** What the jobs send to collectors. */
  readonly exports: ExportQueue;
  /** Returns the variables with which a job continues the workflow's trace. */
  readonly traceOf: (key: string) => Environment;
  /**
   * Called at the end of each job with a function that masks what it wrote
   * again.
   */
  readonly onJobEnd: (remask: () => Promise<void>) => void;
  /** Calls listeners when the run is cancelled. */
  readonly onSignal: Host["onSignal"];
  /** Aborted by the first signal that cancels the run. */
  readonly signal: AbortSignal;
}

/** The jobs of one run, as an executor runs them. */
export interface OpenExecutor extends AsyncDisposable {
  /** Runs a job whose dependencies have ended. */
  readonly runJob: Executor;
}

/**
 * Where and how the jobs of a workflow run.
 *
 * The graph, conditions, the saved state, the log, the record and the exit code
 * are the same for all executors: they only run one job at a time, each when its
 * turn has come.
 */
export interface WorkflowExecutor {
  /**
   * Maximum number of jobs that run concurrently, unless the user sets it.
   *
   * @default {the number of processors}
   */
  readonly concurrency?: number;
  /**
   * Checks whether the executor can run a workflow, before anything starts.
   *
   * @default {every workflow can be run}
   * @throws {RunnerError} `invalid-workflow` with all problems.
   */
  check?(
    definition: WorkflowDefinition,
    jobs: LocalWorkflow["jobs"],
  ): void | Promise<void>;
  /**
   * Prepares a run, once its state, log and record are open.
   *
   * @returns The executor of the run, which is disposed after its last job.
   * @throws {RunnerError} If the run cannot start.
   */
  open(run: WorkflowRun): Promise<OpenExecutor>;
}
