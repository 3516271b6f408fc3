import { osReason, RunnerError } from "../../errors.ts";
import type { EndingSignal, Host } from "../../host.ts";
import { cancelledError } from "../../runner/job_run.ts";
import type { RunnerParts } from "../../runner/runner_parts.ts";
import { createJobLog } from "../../output/create_job_log.ts";
import type { JobLogStyle } from "../../output/step_printers.ts";
import type { JobLog } from "../../output/job_log.ts";
import { signalExitCode, TIMEOUT_EXIT_CODE } from "../../process/exit_code.ts";
import { shouldUseColor } from "../../terminal/color.ts";
import type { Workspace } from "../../workspace/layout.ts";
import { lockWorkspace, type WorkspaceLock } from "../../workspace/lock.ts";
import { removeTree } from "../../workspace/remove.ts";
import type { WorkflowDefinition } from "../definition/definition.ts";
import type { ContainerOptions } from "./container_command.ts";
import {
  localJob,
  localNodes,
  type LocalWorkflow,
  selectJobs,
} from "./local_job.ts";
import {
  type NodeStatus,
  type WorkflowStatus,
  workflowStatus,
} from "./node_states.ts";
import { processExecutor } from "./process_executor.ts";
import { runWorkflow, type WorkflowJobResult } from "./run_workflow.ts";
import { openStateFile } from "./state_file.ts";

/** Options for {@linkcode runLocal}. */
export interface RunLocalOptions {
  /** Absolute path of the CI root. */
  root: string;
  /** Maximum number of jobs that run at the same time. */
  concurrency: number;
  /** Whether to wait while another run of a workflow goes on there. */
  wait: boolean;
  /** Whether what has succeeded in an earlier run is not run again. */
  resume: boolean;
  /** Names of the only jobs that run; `undefined` for all. */
  only: readonly string[] | undefined;
  /** Where jobs get their code. */
  source: "copy" | "in-place" | "none";
  /**
   * How each job gets a container of its own.
   *
   * @default {jobs run on this machine itself}
   */
  container?: ContainerOptions;
  /** Variables that describe the event. */
  event: Readonly<Record<string, string>>;
}

/** Result of a run of a workflow. */
export interface LocalResult {
  /** How the workflow ended. */
  readonly status: WorkflowStatus;
  /** Exit code: that of the first job that failed. */
  readonly exitCode: number;
  /** How each job ended. */
  readonly jobs: readonly WorkflowJobResult[];
  /** Keys of the jobs that have succeeded, in earlier runs as well. */
  readonly completed: ReadonlySet<string>;
}

/**
 * Runs a workflow on this machine, each job in a workspace of its own below
 * `.reactorcide/workflow`.
 *
 * @param parts The context of the runner.
 * @param definition The workflow.
 * @param options What of it is run, and how.
 * @returns How it ended.
 * @throws {RunnerError} `invalid-config` for an unknown job;
 * `workspace-busy` if another run of a workflow goes on there;
 * `invalid-workflow` if there is nothing to resume; `output-failed` if what
 * happens cannot be remembered.
 */
export async function runLocal(
  parts: RunnerParts,
  definition: WorkflowDefinition,
  options: RunLocalOptions,
): Promise<LocalResult> {
  const { root, resume, only, concurrency } = options;
  const directory = `${root}/.reactorcide/workflow`;
  using termination = listenForSignals(parts.host);
  await using _lock = await lockRoot(parts, options, termination);
  await using state = await openStateFile(
    `${root}/.reactorcide/workflow-state.json`,
    {
      workflow: definition.id,
      earlier: resume ? "required" : only === undefined ? "none" : "wanted",
    },
  );
  const all: LocalWorkflow = {
    vars: definition.vars,
    jobs: definition.jobs.map(localJob),
  };
  const workflow = only === undefined
    ? all
    : selectJobs(all, only, state.earlier);
  const failures: string[] = [];
  for (const path of [directory, `${directory}/jobs`, `${directory}/logs`]) {
    await makePrivate(path);
  }
  await using logs = openLogs();
  const log = openLog(parts, workflow, `${directory}/logs`);
  logs.add(log);
  const jobs = await runWorkflow(workflow, {
    executor: processExecutor({
      ...options,
      parts,
      directory: `${directory}/jobs`,
      log,
      onJobLog: (log) => logs.add(log),
      stateFile: state.path,
      onSignal: termination.onSignal,
    }),
    concurrency,
    state,
    signal: termination.signal,
    isDone: () => resume,
    onChange(key, status, reason) {
      logStatus(parts, key, status, reason);
      if (status === "failed" || status === "timeout") failures.push(key);
    },
  });
  const status = workflowStatus(jobs.map(({ status }) => status));
  const completed = [...state.earlier].filter(([, { status }]) =>
    status === "completed"
  ).map(([key]) => key);
  return {
    status: termination.name === undefined ? status : "cancelled",
    exitCode: termination.name !== undefined
      ? signalExitCode(termination.name)
      : exitCodeOf(status, jobs.find(({ key }) => key === failures[0])),
    jobs,
    completed: new Set([
      ...completed,
      ...jobs.filter((it) => it.status === "completed").map(({ key }) => key),
    ]),
  };
}

/** One run of a workflow at a time works below `.reactorcide` of a CI root. */
async function lockRoot(
  { host, logger }: RunnerParts,
  { root, wait }: RunLocalOptions,
  termination: Termination,
): Promise<WorkspaceLock> {
  const place: Workspace = {
    base: root,
    inContainer: false,
    pathOf: (path) => path,
  };
  try {
    return await lockWorkspace(place, {
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
 * Below it are the outputs of jobs, which may be secret. Jobs that work in the
 * root can put a link in its place, which would lead the runner elsewhere.
 */
async function makePrivate(directory: string): Promise<void> {
  try {
    await removeOther(directory);
    await Deno.mkdir(directory, { recursive: true });
    await Deno.chmod(directory, 0o700);
  } catch (cause) {
    throw new RunnerError(`Cannot create "${directory}": ${osReason(cause)}`, {
      code: "output-failed",
      cause,
    });
  }
}

async function removeOther(directory: string): Promise<void> {
  const info = await Deno.lstat(directory).catch(() => undefined);
  if (info !== undefined && !info.isDirectory) await removeTree(directory);
}

/** A secret that one job registers may stand in the log of another that is over. */
function openLogs(): AsyncDisposable & { add(log: JobLog): void } {
  const logs: JobLog[] = [];
  return {
    add: (log) => void logs.push(log),
    async [Symbol.asyncDispose]() {
      for (const log of logs) await log.remaskLogs();
    },
  };
}

function openLog(
  { host, logger, stdout, stderr, masker }: RunnerParts,
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
  { logger }: RunnerParts,
  key: string,
  status: NodeStatus,
  reason: string | undefined,
): void {
  const text = `${key}: ${status}` + (reason ? `, ${reason}` : "");
  if (status === "failed" || status === "timeout") {
    logger.error("workflow", text);
  } else logger.info("workflow", text);
}

function exitCodeOf(
  status: WorkflowStatus,
  failed: WorkflowJobResult | undefined,
): number {
  if (status === "success" || status === "skipped") return 0;
  if (failed?.status === "timeout") return TIMEOUT_EXIT_CODE;
  return failed?.exitCode || 1;
}

/** Cancellation of a run by signals, which reach all of its jobs. */
interface Termination extends Disposable {
  /** Aborted by the first signal. */
  readonly signal: AbortSignal;
  /** The first signal; `undefined` before. */
  readonly name: EndingSignal | undefined;
  /** Passes this and further signals on to a job. */
  readonly onSignal: Host["onSignal"];
}

/** Listens for signals on behalf of all jobs, until it is disposed. */
function listenForSignals(host: Host): Termination {
  const controller = new AbortController();
  const listeners = new Set<(signal: EndingSignal) => void>();
  let first: EndingSignal | undefined;
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
