import { osReason, RunnerError } from "../../errors.ts";
import type { Host, TerminationSignal } from "../../host.ts";
import { cancelledError } from "../../runner/job_result.ts";
import type { RunnerContext } from "../../runner/runner_context.ts";
import { createJobLog } from "../../output/create_job_log.ts";
import type { JobLogStyle } from "../../output/step_printers.ts";
import { signalExitCode, TIMEOUT_EXIT_CODE } from "../../process/spawn.ts";
import { shouldUseColor } from "../../terminal/text.ts";
import type { Workspace } from "../../workspace/layout.ts";
import { lockWorkspace, type WorkspaceLock } from "../../workspace/lock.ts";
import { removeTree } from "../../workspace/remove.ts";
import type { StepEvent, StepStatus } from "../../steps/step.ts";
import type { WorkflowDefinition } from "../definition/definition.ts";
import type { WorkflowExecutor, WorkflowPlan } from "../workflow_executor.ts";
import {
  type LocalJob,
  localJob,
  localNodes,
  type LocalWorkflow,
  remoteJob,
  selectJobs,
} from "./local_job.ts";
import {
  type NodeStatus,
  type WorkflowStatus,
  workflowStatus,
} from "./node_states.ts";
import { runWorkflow, type WorkflowJobResult } from "./run_workflow.ts";
import { recordWorkflow } from "./record_workflow.ts";
import { openArtifactRun } from "./workflow_artifacts.ts";
import { type JobRecords, openStateFile } from "./workflow_state.ts";

/** Options for {@linkcode runLocalWorkflow}. */
export interface RunLocalWorkflowOptions {
  /** Absolute path of the CI root. */
  root: string;
  /** Maximum number of jobs that run concurrently. */
  concurrency: number;
  /** Whether to wait while another workflow runs in the CI root. */
  wait: boolean;
  /** Whether to skip jobs that succeeded in an earlier run. */
  resume: boolean;
  /** Names of the jobs to run; `undefined` for all. */
  only: readonly string[] | undefined;
  /** Where and how the jobs run. */
  executor: WorkflowExecutor;
  /**
   * Path of the record of the run; `off` for none.
   *
   * @default {`.reactorcide/workflow/run.jsonl` in the CI root}
   */
  record?: string;
  /** Whether to export the run to an OpenTelemetry collector. */
  otel: boolean;
  /** Marks jobs that the event skips. */
  conditions: (jobs: readonly LocalJob[]) => readonly LocalJob[];
  /** Variables that describe the event. */
  event: Readonly<Record<string, string>>;
  /**
   * Called when jobs start and end, with the events of steps.
   *
   * @default {events are ignored}
   */
  onEvent?: (event: StepEvent) => void;
}

/** Result of a run of a workflow. */
export interface LocalResult {
  /** Status of the workflow. */
  readonly status: WorkflowStatus;
  /** Exit code of the first failed job. */
  readonly exitCode: number;
  /** Outcome of each job. */
  readonly jobs: readonly WorkflowJobResult[];
  /** Keys of the jobs that succeeded in this or an earlier run. */
  readonly completed: ReadonlySet<string>;
}

/**
 * Runs a workflow. Its state, logs and record are kept below `.reactorcide` in
 * the CI root, regardless of where its jobs run.
 *
 * @throws {RunnerError} `invalid-config` for an unknown job; `workspace-busy`
 * if another workflow is running in the CI root; `invalid-workflow` if there is
 * nothing to resume, or the executor cannot run the workflow; `output-failed`
 * if the state cannot be saved.
 */
export async function runLocalWorkflow(
  runner: RunnerContext,
  definition: WorkflowDefinition,
  options: RunLocalWorkflowOptions,
): Promise<LocalResult> {
  const { root, resume, only, concurrency } = options;
  const directory = `${root}/.reactorcide/workflow`;
  const all: LocalWorkflow = {
    vars: definition.vars,
    jobs: options.conditions(
      definition.jobs.map(options.executor.isRemote ? remoteJob : localJob),
    ),
  };
  const base = { runner, root, definition };
  await checkExecutor(options, base, all);
  using termination = listenForSignals(runner.host);
  await using _lock = await lockRoot(runner, options, termination);
  await using state = await openStateFile(
    `${root}/.reactorcide/workflow-state.json`,
    {
      workflow: definition.id,
      earlier: resume ? "required" : only === undefined ? "none" : "wanted",
    },
  );
  const workflow = only === undefined
    ? all
    : selectJobs(all, only, state.earlier);
  const plan = { ...base, workflow };
  const failures: string[] = [];
  if (!resume && only === undefined) await removeTree(`${directory}/logs`);
  for (const path of [directory, `${directory}/jobs`, `${directory}/logs`]) {
    await createPrivateDirectory(path);
  }
  await using remasker = openRemasker();
  const log = openLog(runner, workflow, `${directory}/logs`);
  remasker.add(() => log.remaskLogs());
  const record = await recordWorkflow(runner, {
    name: definition.name,
    jobs: workflow.jobs,
    directory,
    path: options.executor.isDetached ? "off" : options.record,
    otel: options.otel,
  });
  const artifacts = openArtifactRun(runner, {
    workflow: definition.id,
    directory,
  });
  const opening = options.executor.open({
    ...options,
    ...plan,
    earlier: resume ? selectCompleted(state.earlier) : new Map(),
    directory,
    stateFile: state.path,
    log,
    hasRecords: options.record !== "off",
    exports: record.exports,
    traceOf: record.traceOf,
    onJobEnd: remasker.add,
    artifactsOf: artifacts.artifactsOf,
    onSignal: termination.onSignal,
    signal: termination.signal,
  });
  async function endRecord(error: unknown): Promise<never> {
    await record.finish([], "failed", 1);
    throw error;
  }

  await using executor = await opening.catch(endRecord);
  if (options.executor.isDetached) {
    return { status: "running", exitCode: 0, jobs: [], completed: new Set() };
  }
  const report = openReporter(
    runner,
    workflow.jobs.filter(({ name }) =>
      !resume || state.earlier.get(name)?.status !== "completed"
    ),
    options.onEvent,
  );
  let problem: string | undefined;
  const jobs = await runWorkflow(workflow, {
    executor: executor.runJob,
    reportsStart: options.executor.isRemote,
    async followOthers(add) {
      problem = await executor.followOthers?.(add);
    },
    jobs: all.jobs,
    concurrency,
    state,
    signal: termination.signal,
    isDone: () => resume,
    onQueued: record.queue,
    onChange(result) {
      const { key, status, reason } = result;
      logStatus(runner, key, status, reason);
      if (status === "running") record.start(key);
      else record.end(result);
      report(key, status);
      if (status === "failed" || status === "timeout") failures.push(key);
    },
  }).catch(endRecord);
  await artifacts.prune();
  if (problem !== undefined) runner.logger.error("workflow", problem);
  const status = problem === undefined
    ? workflowStatus(jobs.map(({ status }) => status))
    : "failed";
  const end = termination.name === undefined
    ? {
      status,
      exitCode: resolveExitCode(
        status,
        jobs.find(({ key }) => key === failures[0]),
      ),
    }
    : {
      status: "cancelled",
      exitCode: signalExitCode(termination.name),
    } as const;
  await record.finish(jobs, end.status, end.exitCode);
  return {
    ...end,
    jobs,
    completed: new Set([
      ...selectCompleted(state.earlier).keys(),
      ...jobs.filter((job) => job.status === "completed").map(({ key }) => key),
    ]),
  };
}

function selectCompleted(earlier: JobRecords): JobRecords {
  return new Map(
    [...earlier].filter(([, { status }]) => status === "completed"),
  );
}

/** Checks the selected jobs before anything changes, such as the saved state. */
async function checkExecutor(
  { executor, only }: RunLocalWorkflowOptions,
  base: Omit<WorkflowPlan, "workflow">,
  all: LocalWorkflow,
): Promise<void> {
  const workflow = only === undefined ? all : selectJobs(all, only, new Map());
  await executor.check?.({ ...base, workflow });
  checkArtifacts(executor, workflow);
}

/** A job must not run without the files that it needs. */
function checkArtifacts(
  { passesArtifacts = false }: WorkflowExecutor,
  { jobs }: LocalWorkflow,
): void {
  const job = jobs.find(({ artifacts = [], artifactNeeds = [] }) =>
    artifacts.length + artifactNeeds.length > 0
  );
  if (passesArtifacts || job === undefined) return;
  throw new RunnerError(
    `Cannot run job "${job.name}": it has artifacts, which this executor does not pass on`,
    { code: "invalid-workflow" },
  );
}

/** Locks the CI root; only one workflow at a time may run in it. */
async function lockRoot(
  { host, logger }: RunnerContext,
  { root, wait }: RunLocalWorkflowOptions,
  termination: Termination,
): Promise<WorkspaceLock> {
  const workspace: Workspace = {
    base: root,
    inContainer: false,
    pathOf: (path) => path,
  };
  try {
    return await lockWorkspace(workspace, {
      command: "workflow run",
      env: host.env,
      wait,
      signal: termination.signal,
      onWait: (reason) => logger.info("workflow", reason),
    });
  } catch (error) {
    throw termination.name === undefined
      ? error
      : cancelledError(termination.name);
  }
}

/**
 * Creates a private directory, because outputs of jobs may be secret. Removes a
 * link at its path: jobs that run in the root may have replaced the directory.
 */
async function createPrivateDirectory(directory: string): Promise<void> {
  try {
    await removeNonDirectory(directory);
    await Deno.mkdir(directory, { recursive: true });
    await Deno.chmod(directory, 0o700);
  } catch (cause) {
    throw new RunnerError(`Cannot create "${directory}": ${osReason(cause)}`, {
      code: "output-failed",
      cause,
    });
  }
}

async function removeNonDirectory(directory: string): Promise<void> {
  const info = await Deno.lstat(directory).catch(() => undefined);
  if (info !== undefined && !info.isDirectory) await removeTree(directory);
}

/**
 * Masks the files that jobs have written again when disposed: a secret that a job
 * registers may occur in the log of a job that has already ended.
 */
function openRemasker(): AsyncDisposable & {
  add: (remask: () => Promise<unknown>) => void;
} {
  const actions: (() => Promise<unknown>)[] = [];
  return {
    add: (remask) => void actions.push(remask),
    async [Symbol.asyncDispose]() {
      for (const remask of actions) await remask();
    },
  };
}

function openLog(
  { host, logger, stdout, stderr, masker }: RunnerContext,
  { jobs }: LocalWorkflow,
  logDirectory: string,
) {
  const names = localNodes(jobs).map(({ displayName }) => displayName);
  const style: JobLogStyle = host.env.LOG_FORMAT === "json"
    ? "json"
    : names.length > 1
    ? "prefixed"
    : "plain";
  const options = {
    stdout,
    stderr,
    masker,
    style,
    steps: names,
    color: shouldUseColor(host.env, host.stdout.isTerminal()),
    logDirectory,
    onWarning: (message: string) => logger.warn("logs", message),
  };
  return createJobLog(options);
}

function logStatus(
  { logger }: RunnerContext,
  key: string,
  status: NodeStatus,
  reason: string | undefined,
): void {
  const text = `${key}: ${status}` + (reason ? `, ${reason}` : "");
  if (status === "failed" || status === "timeout") {
    logger.error("workflow", text);
  } else logger.info("workflow", text);
}

function resolveExitCode(
  status: WorkflowStatus,
  failed: WorkflowJobResult | undefined,
): number {
  if (status === "success" || status === "skipped") return 0;
  if (failed?.status === "timeout") return TIMEOUT_EXIT_CODE;
  return failed?.exitCode || 1;
}

/** Cancellation of a run by signals, which are forwarded to all jobs. */
interface Termination extends Disposable {
  /** Aborted by the first process signal. */
  readonly signal: AbortSignal;
  /** The first signal; `undefined` until it arrives. */
  readonly name: TerminationSignal | undefined;
  /** Forwards all signals to a job. */
  readonly onSignal: Host["onSignal"];
}

/** Listens for signals on behalf of all jobs until disposed. */
function listenForSignals(host: Host): Termination {
  const controller = new AbortController();
  const listeners = new Set<(signal: TerminationSignal) => void>();
  let first: TerminationSignal | undefined;
  const listening = host.onSignal((name) => {
    first ??= name;
    controller.abort();
    for (const listener of listeners) listener(name);
  });
  return {
    signal: controller.signal,
    get name() {
      return first;
    },
    onSignal(listener) {
      listeners.add(listener);
      return { [Symbol.dispose]: () => void listeners.delete(listener) };
    },
    [Symbol.dispose]: () => listening[Symbol.dispose](),
  };
}

/** Outcomes of steps by status of a job. */
const OUTCOMES: Readonly<Partial<Record<NodeStatus, StepStatus>>> = {
  completed: "success",
  failed: "failed",
  cancelled: "cancelled",
  timeout: "timeout",
  skipped: "skipped",
};

/** Returns a function that reports jobs as steps, for the live view. */
function openReporter(
  { masker }: RunnerContext,
  jobs: readonly LocalJob[],
  onEvent: (event: StepEvent) => void = () => {},
): (key: string, status: NodeStatus) => void {
  const names = jobs.map(({ name }) => masker.maskText(name));
  onEvent({
    type: "planned",
    steps: names.map((name) => ({ name, group: name, dependsOn: [] })),
  });
  return (key, status) => {
    const name = masker.maskText(key);
    if (status === "running") {
      onEvent({ type: "started", step: name, attempt: 1, spanId: "" });
    }
    const outcome = OUTCOMES[status];
    if (outcome === undefined) return;
    onEvent({
      type: "ended",
      result: {
        name,
        outcome,
        conclusion: outcome,
        exitCode: null,
        signal: null,
        attempts: 1,
        attemptResults: [],
        startedAt: null,
        durationMs: 0,
      },
    });
  };
}
