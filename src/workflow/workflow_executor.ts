import type { Environment } from "../environment/variables.ts";
import type { Host } from "../host.ts";
import type { JobLog } from "../output/job_log.ts";
import type { ExportQueue } from "../report/export_otlp.ts";
import type { RunnerContext } from "../runner/runner_context.ts";
import type { WorkflowDefinition } from "./definition/definition.ts";
import type { Executor, LocalWorkflow } from "./local/local_job.ts";
import type { AddJob } from "./local/run_workflow.ts";
import type { OpenJobArtifacts } from "./local/workflow_artifacts.ts";
import type { JobRecords } from "./local/workflow_state.ts";

/** A workflow that is about to run. */
export interface WorkflowPlan {
  /** Context of the runner. */
  readonly runner: RunnerContext;
  /** The workflow as defined in its file. */
  readonly definition: WorkflowDefinition;
  /** The selected jobs, with the initial variables. */
  readonly workflow: LocalWorkflow;
  /** Absolute path of the CI root. */
  readonly root: string;
}

/** A run of a workflow, as passed to its executor. */
export interface WorkflowRun extends WorkflowPlan {
  /**
   * Results of jobs of an earlier run that are not run again, by key; empty
   * unless the run is resumed.
   */
  readonly earlier: JobRecords;
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
  /** Exports of the jobs to collectors. */
  readonly exports: ExportQueue;
  /** Returns the variables with which a job continues the workflow's trace. */
  readonly traceOf: (key: string) => Environment;
  /**
   * Called at the end of each job with a function that masks the files of the
   * job again.
   */
  readonly onJobEnd: (remask: () => Promise<void>) => void;
  /** Creates the object that transfers the artifacts of a job. */
  readonly artifactsOf: OpenJobArtifacts;
  /** Calls listeners when the run is cancelled. */
  readonly onSignal: Host["onSignal"];
  /** Aborted by the first signal that cancels the run. */
  readonly signal: AbortSignal;
}

/** The jobs of one run, as an executor runs them. */
export interface OpenExecutor extends AsyncDisposable {
  /** Runs a job whose dependencies have ended. */
  readonly runJob: Executor;
  /**
   * Follows jobs that are not in the workflow file, such as follow-up jobs and jobs
   * that others have added to the workflow, until all have ended.
   *
   * @default {there are no other jobs}
   * @param add Adds a job to the run; the executor then runs it.
   * @returns Why the run failed, although none of its jobs may have.
   */
  followOthers?(add: AddJob): Promise<string | undefined>;
}

/**
 * Runs the jobs of a workflow in one kind of environment.
 *
 * The graph, conditions, the saved state, the log, the record and the exit code are
 * the same for all executors. An executor only runs the jobs that the graph
 * starts.
 */
export interface WorkflowExecutor {
  /**
   * Maximum number of jobs that run concurrently, unless the user sets it.
   *
   * @default {the number of processors}
   */
  readonly concurrency?: number;
  /**
   * Whether jobs run elsewhere. They then ignore settings for a developer's
   * machine, and may wait in a queue: each calls `onStart` when it starts.
   *
   * @default {false}
   */
  readonly isRemote?: boolean;
  /**
   * Whether its jobs can save artifacts and get the artifacts that they need.
   *
   * @default {false: a workflow with artifacts is refused}
   */
  readonly passesArtifacts?: boolean;
  /**
   * Whether the jobs continue without this process. The run ends as soon as
   * they have been submitted, without a record.
   *
   * @default {false}
   */
  readonly isDetached?: boolean;
  /**
   * Checks whether the executor can run a workflow, before anything starts.
   *
   * @default {every workflow can be run}
   * @throws {RunnerError} `invalid-workflow` with all problems.
   */
  check?(plan: WorkflowPlan): void | Promise<void>;
  /**
   * Prepares a run, once its state, log and record are open.
   *
   * @returns The executor of the run, which is disposed after its last job.
   * @throws {RunnerError} If the run cannot start.
   */
  open(run: WorkflowRun): Promise<OpenExecutor>;
}
