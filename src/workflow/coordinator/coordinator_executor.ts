import { startedByEvent } from "../../coordinator/access.ts";
import { type CoordinatorJob, listJobs } from "../../coordinator/jobs.ts";
import {
  cancelWorkflow,
  endJob,
  readWorkflowState,
} from "../../coordinator/workflows.ts";
import { Variable } from "../../environment/variables.ts";
import { messageOf, RunnerError } from "../../errors.ts";
import {
  Cancellation,
  onAbort,
  whenAborted,
} from "../../process/cancellation.ts";
import { cancelledError } from "../../runner/job_result.ts";
import type { RunnerContext } from "../../runner/runner_context.ts";
import { makeLocator } from "../../schema/locate.ts";
import { readJobText } from "../../schema/read_document.ts";
import { quote, truncated } from "../../terminal/text.ts";
import { WorkQueue } from "../../work_queue.ts";
import type { JobBody, WorkflowDefinition } from "../definition/definition.ts";
import { WORKFLOW_FILE } from "../definition/file_schemas.ts";
import { JOB_KEYS } from "../definition/job_body.ts";
import type {
  JobRequest,
  LocalJob,
  LocalJobOutcome,
} from "../local/local_job.ts";
import type { AddJob } from "../local/run_workflow.ts";
import { remoteStepsProblem } from "../remote_steps.ts";
import type {
  OpenExecutor,
  WorkflowExecutor,
  WorkflowPlan,
  WorkflowRun,
} from "../workflow_executor.ts";
import {
  attachAdvice,
  type CoordinatorSettings,
  openCoordinator,
  outageRetry,
  startWorkflow,
  type StartWorkflowOptions,
  withAdvice,
} from "./start_workflow.ts";
import { jobEnd, JobWatcher, MAX_NAME, nodeName } from "./job_watcher.ts";
import { followJob, type RemoteWorkflow } from "./remote_job.ts";
import {
  type CodeSource,
  findCodeSource,
  readSubmissions,
  removeSubmission,
  type Submission,
  submissionDirectory,
} from "./submission.ts";

/** Maximum number of problems in a message. */
const MAX_PROBLEMS = 20;

/**
 * Properties of a job that the coordinator supports, or that this runner evaluates
 * before it submits the job. All others are rejected, so that a new property is
 * never dropped silently.
 */
const SUPPORTED: Readonly<Record<string, true>> = {
  image: true,
  command: true,
  writtenSteps: true,
  rawCommand: true,
  timeoutSeconds: true,
  priority: true,
  dependsOn: true,
  condition: true,
  when: true,
  forEach: true,
  itemVar: true,
  imagePullSecrets: true,
  codeDir: true,
  jobDir: true,
  workingDir: true,
  workerClass: true,
  runAs: true,
  characteristics: true,
  resources: true,
  // These matter only on a developer's machine.
  disableRunLocal: true,
  runLocal: true,
  cpuLimit: true,
  memoryLimit: true,
} satisfies Partial<Record<keyof JobBody, true>>;

/** Maximum number of logs that are read at the same time. */
const MAX_LOG_READS = 8;

/** Time limit for cancelling a workflow, in milliseconds. */
const CANCEL_MS = 60_000;

/** Time limit for killing jobs, in milliseconds. */
const KILL_MS = 10_000;

/** Explains why a workflow may fail without a failed job. */
const UNKNOWN_FAILURE =
  "The coordinator ended the workflow as failed, although no job failed: two jobs may have set a variable to different values, or an output file may be invalid";

/** Options for {@linkcode coordinatorExecutor}. */
export interface CoordinatorExecutorOptions
  extends Omit<StartWorkflowOptions, "signal" | "source"> {
  /** Code of the jobs: that of a repository, or `none`. */
  readonly code: { readonly url?: string; readonly ref?: string } | "none";
  /**
   * Called with the ID of the workflow, instead of following it.
   *
   * @default {the workflow is followed}
   */
  readonly onDetach?: (workflowId: string) => Promise<void>;
}

/**
 * Creates an executor that submits a workflow to a coordinator and follows its
 * jobs.
 *
 * The coordinator runs the graph, so that it continues without this process. The
 * local graph follows the same rules, but only waits for the jobs.
 */
export function coordinatorExecutor(
  options: CoordinatorExecutorOptions,
): WorkflowExecutor {
  const { env, submission } = options;
  let source: CodeSource | undefined;
  return {
    isRemote: true,
    concurrency: Infinity,
    isDetached: options.onDetach !== undefined,
    async check(plan) {
      openCoordinator(plan.runner, options, NEVER_ABORTED);
      // A saved document has been checked, and contains its source.
      if (submission !== undefined) return;
      const jobs = plan.workflow.jobs
        .filter(({ skipReason }) => skipReason === undefined);
      await checkSupported(plan.definition, {
        root: plan.root,
        jobs: new Set(jobs.map(({ name }) => name)),
        isEventJob: !!env[Variable.jobId] && startedByEvent(env),
      });
      source = await resolveSource(plan, options);
    },
    open: (run) => openRun(run, { ...options, source }),
  };
}

/** Options of a client that only checks the settings, and sends nothing. */
const NEVER_ABORTED = { signal: new AbortController().signal };

async function resolveSource(
  { root, runner: { logger } }: WorkflowPlan,
  { code, env }: CoordinatorExecutorOptions,
): Promise<CodeSource | undefined> {
  if (code === "none") return undefined;
  return await findCodeSource({ root, env, logger, ...code });
}

async function openRun(
  run: WorkflowRun,
  options: CoordinatorExecutorOptions & Pick<StartWorkflowOptions, "source">,
): Promise<OpenExecutor> {
  const { runner: { logger }, onSignal } = run;
  const { onDetach } = options;
  using cleanup = new DisposableStack();
  const cancellation = new Cancellation();
  cleanup.use(onSignal((signal) => cancellation.cancel(signal)));
  const signal = cancellation.graceful;
  const submission = await startWorkflow(run, { ...options, signal })
    .catch((error) => {
      if (cancellation.signal === null) throw error;
      logger.error("workflow", messageOf(error));
      throw cancelledError(cancellation.signal);
    });
  const workflowId = submission?.workflowId;
  // No job is left to run.
  if (submission === undefined || workflowId === undefined) return EMPTY_RUN;
  if (onDetach !== undefined) {
    await onDetach(workflowId);
    return EMPTY_RUN;
  }
  logger.info(
    "workflow",
    `Following workflow ${workflowId} at ${submission.url}; ${
      attachAdvice(workflowId)
    }`,
  );
  return new FollowedWorkflow(run, {
    ...options,
    submission,
    workflowId,
    cancellation,
    cleanup: cleanup.move(),
  });
}

/** A run whose jobs are not followed. */
const EMPTY_RUN: OpenExecutor = {
  runJob: () =>
    Promise.reject(new TypeError("Cannot follow a job: nothing was submitted")),
  [Symbol.asyncDispose]: () => Promise.resolve(),
};

/** Options for {@linkcode FollowedWorkflow}. */
interface FollowOptions extends CoordinatorExecutorOptions {
  readonly submission: Submission;
  readonly workflowId: string;
  readonly cancellation: Cancellation;
  readonly cleanup: DisposableStack;
}

/** A workflow at a coordinator that is followed to its end. */
class FollowedWorkflow implements OpenExecutor {
  readonly #run: WorkflowRun;
  readonly #options: FollowOptions;
  readonly #remote: RemoteWorkflow;
  readonly #ended = new AbortController();
  /** Keys of jobs by their IDs at the coordinator. */
  readonly #keys = new Map<string, string>();
  #cancelling: Promise<void> | undefined;

  constructor(run: WorkflowRun, options: FollowOptions) {
    const { workflowId, pollMs, outageMs, cancellation, cleanup } = options;
    const { signal } = this.#ended;
    const { runner } = run;
    const client = openCoordinator(runner, options, { isReader: true, signal });
    this.#run = run;
    this.#options = options;
    this.#remote = {
      run,
      watcher: new JobWatcher({ client, workflowId, pollMs, signal }),
      logClient: openCoordinator(runner, options, {
        isReader: true,
        signal,
        retry: { attempts: 1 },
      }),
      logQueue: new WorkQueue(MAX_LOG_READS),
      pollMs,
      outageMs,
      abandoned: cancellation.forced,
    };
    const { graceful, forced } = cancellation;
    cleanup.use(
      onAbort(graceful, () => void (this.#cancelling = this.#cancel())),
    );
    cleanup.use(onAbort(forced, () => void (this.#cancelling = this.#kill())));
    this.#remote.watcher.start();
  }

  readonly runJob = async (request: JobRequest): Promise<LocalJobOutcome> => {
    const { submission: { earlier }, workflowId } = this.#options;
    if (Object.hasOwn(earlier, request.key)) {
      const { exitCode, outputs, vars } = earlier[request.key];
      return { status: "completed", exitCode, outputs, vars };
    }
    try {
      return await followJob(this.#remote, request, () => this.#find(request));
    } catch (error) {
      throw withAdvice(error, workflowId);
    }
  };

  /**
   * Adds jobs that are not part of the graph, as soon as they start, until the
   * workflow has ended.
   */
  async followOthers(add: AddJob): Promise<string | undefined> {
    const { workflowId, cancellation: { graceful, forced } } = this.#options;
    const { watcher } = this.#remote;
    const abandoned = whenAborted(forced);
    const added = new Set<string>();
    try {
      while (!forced.aborted) {
        await Promise.race([watcher.next(), abandoned]);
        this.#addOthers(add, added);
        if (watcher.isOver) break;
      }
    } catch (error) {
      throw withAdvice(error, workflowId);
    }
    if (graceful.aborted || watcher.status !== "failed") return undefined;
    const hasFailed = watcher.jobs.some((job) => jobEnd(job) !== "completed");
    return hasFailed ? undefined : UNKNOWN_FAILURE;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { submission, cleanup } = this.#options;
    await this.#cancelling;
    this.#ended.abort();
    cleanup.dispose();
    if (!this.#remote.watcher.isOver) return;
    await removeSubmission(submissionDirectory(this.#run.root), submission);
  }

  #find({ key, node: { job: { remoteId } } }: JobRequest) {
    const { submission: { names } } = this.#options;
    const { watcher } = this.#remote;
    const found = remoteId === undefined
      ? watcher.rows.get(names[key] ?? key)
      : watcher.jobs.find((job) => job.job_id === remoteId);
    if (found !== undefined) this.#keys.set(found.job_id, key);
    return found;
  }

  #addOthers(add: AddJob, added: Set<string>): void {
    const { watcher } = this.#remote;
    const { submission: { names } } = this.#options;
    const known = new Set(Object.values(names));
    for (const { job, parentId = "" } of watcher.followUps) {
      const origin = this.#keys.get(parentId);
      // Its origin may not have been seen yet.
      if (added.has(job.job_id) || !origin && !watcher.isOver) continue;
      added.add(job.job_id);
      add(createOtherJob(job), origin);
    }
    for (const [name, job] of watcher.rows) {
      if (known.has(name) || added.has(job.job_id)) continue;
      added.add(job.job_id);
      add(createOtherJob(job), undefined);
    }
  }

  async #cancel(): Promise<void> {
    const { runner } = this.#run;
    const { workflowId, cancellation: { forced } } = this.#options;
    runner.logger.info("workflow", `Cancelling workflow ${workflowId}`);
    const client = openCoordinator(runner, this.#options, {
      retry: outageRetry(CANCEL_MS),
      signal: forced,
    });
    try {
      await cancelWorkflow(client, workflowId);
    } catch (error) {
      if (forced.aborted) return;
      runner.logger.error(
        "workflow",
        `${messageOf(error)}. It may still be running; ${
          attachAdvice(workflowId)
        }`,
      );
    }
  }

  /**
   * Kills jobs that are still running. Errors are ignored, because the jobs have been
   * cancelled before.
   */
  async #kill(): Promise<void> {
    const client = openCoordinator(
      this.#run.runner,
      { ...this.#options, timeoutMs: KILL_MS },
      { retry: { attempts: 1 }, signal: this.#ended.signal },
    );
    const running = this.#remote.watcher.jobs
      .filter((job) => jobEnd(job) === undefined);
    await Promise.all(
      running.map(({ job_id }) =>
        endJob(client, job_id, "kill").catch(() => {})
      ),
    );
  }
}

/**
 * Creates a job that the coordinator has started in addition to those of the graph.
 * Its name has not been validated.
 */
function createOtherJob(job: CoordinatorJob): LocalJob {
  return {
    name: truncated(nodeName(job), MAX_NAME),
    remoteId: job.job_id,
    env: {},
    dependsOn: [],
    condition: "always",
  };
}

/**
 * Finds a workflow to follow: one that was submitted from a CI root, or else any
 * workflow of the coordinator, whose jobs are only known once they have started.
 *
 * @param id ID of the workflow or of its document.
 * @throws {RunnerError} `invalid-config`, `coordinator-failed` or
 * `coordinator-forbidden`.
 */
export async function findSubmission(
  id: string,
  { root, runner, settings, signal }: {
    root: string;
    runner: RunnerContext;
    settings: CoordinatorSettings;
    signal: AbortSignal;
  },
): Promise<Submission> {
  const saved = await readSubmissions(submissionDirectory(root));
  const match = saved.find(({ workflowId, operationId }) =>
    workflowId === id || operationId === id
  );
  if (match !== undefined) return match;
  const client = openCoordinator(runner, settings, { isReader: true, signal });
  const { name } = await readWorkflowState(client, id);
  const jobs = await listJobs(client, { workflow_id: id });
  const names: Record<string, string> = Object.fromEntries(
    jobs.map(nodeName).sort().map((name) => [truncated(name, MAX_NAME), name]),
  );
  const operationId = crypto.randomUUID();
  return {
    version: 1,
    operationId,
    url: client.url,
    workflowId: id,
    earlier: {},
    names,
    definition: {
      id: `workflow-${id}`,
      hasOwnId: false,
      name: truncated(name, MAX_NAME),
      sourceFile: "",
      dependencyPaths: [],
      triggers: {},
      paths: {},
      vars: {},
      jobs: [],
    },
    workflow: {
      vars: {},
      jobs: Object.keys(names).map((name) => ({
        name,
        env: {},
        dependsOn: [],
        condition: "always",
      })),
    },
    document: {
      type: "trigger_job",
      operation_id: operationId,
      trigger_type: "runnerlib",
      jobs: [],
      workflow: { name, vars: {} },
    },
  };
}

/**
 * Finds a submission of a workflow that has not been followed to its end.
 *
 * @param workflow ID of the workflow as defined in its file.
 * @returns The newest one; `undefined` if there is none.
 */
export async function findUnfinishedSubmission(
  root: string,
  workflow: string,
): Promise<Submission | undefined> {
  const saved = await readSubmissions(submissionDirectory(root));
  return saved.find(({ definition }) => definition.id === workflow);
}

/** Options for {@linkcode checkSupported}. */
interface CheckSupportedOptions {
  /** Absolute path of the CI root. */
  readonly root: string;
  /** Names of the jobs to submit. */
  readonly jobs: ReadonlySet<string>;
  /** Whether an event started the job that submits the workflow. */
  readonly isEventJob: boolean;
}

/**
 * Checks that a coordinator can run the jobs of a workflow.
 *
 * @throws {RunnerError} `invalid-workflow` with the place of each key that it
 * does not support.
 */
async function checkSupported(
  definition: WorkflowDefinition,
  { root, jobs, isEventJob }: CheckSupportedOptions,
): Promise<void> {
  const problems = definition.jobs.filter(({ name }) => jobs.has(name))
    .flatMap(({ name, body }) =>
      Object.keys(body).flatMap((property) => {
        const reason = findProblem(property, body, isEventJob);
        return reason === undefined ? [] : [{ name, property, reason }];
      })
    );
  if (problems.length === 0) return;
  const formatPlace = await locateJobs(root, definition);
  const lines = problems.slice(0, MAX_PROBLEMS).map(
    ({ name, property, reason }) => {
      const key = toKey(property);
      return `${formatPlace(name, key)}: job ${quote(name)}: ${key} ${reason}`;
    },
  );
  const moreCount = problems.length - lines.length;
  throw new RunnerError(
    [
      `Cannot submit workflow ${quote(definition.name)} to a coordinator:`,
      ...lines,
      ...moreCount > 0 ? [`and ${moreCount} more`] : [],
    ].join("\n"),
    { code: "invalid-workflow" },
  );
}

function findProblem(
  property: string,
  body: JobBody,
  isEventJob: boolean,
): string | undefined {
  const { [property as keyof JobBody]: value, capabilities = [] } = body;
  if (value === undefined || Object.hasOwn(SUPPORTED, property)) {
    return undefined;
  }
  if (property === "steps") return remoteStepsProblem(body);
  if (property === "artifactNeeds") {
    return "lists artifacts, which a coordinator does not pass on";
  }
  if (property === "artifacts") {
    return "are not passed on by a coordinator, but by --executor kubernetes";
  }
  if (property !== "capabilities") return "is not supported by a coordinator";
  return isEventJob || capabilities.length === 0
    ? undefined
    : "are accepted only from a job that an event started";
}

/** Returns the key of a property in a file. */
function toKey(property: string): string {
  const keys: Readonly<Record<string, { readonly key: string } | undefined>> =
    JOB_KEYS;
  return keys[property]?.key ??
    (property === "artifactNeeds" ? "needs" : property);
}

/** Returns the place of a key of a job, as `file:line:column`. */
type FormatPlace = (job: string, key: string) => string;

/**
 * Finds the places of keys of jobs in a workflow file, for messages about jobs
 * that are valid but cannot be run.
 *
 * @param root Absolute path of the CI root.
 * @returns Function that returns the place of a key, or of the entry of the job
 * if the key is in its job file.
 * @throws {RunnerError} `invalid-workflow` if the file cannot be read.
 */
async function locateJobs(
  root: string,
  { sourceFile, jobs }: WorkflowDefinition,
): Promise<FormatPlace> {
  const text = await readJobText(
    `${root}/${sourceFile}`,
    sourceFile,
    WORKFLOW_FILE,
  );
  const locate = makeLocator(text);
  const textOf = (path: readonly (string | number)[]) => {
    const { line, column } = locate(path);
    return `${sourceFile}:${line}:${column}`;
  };
  return (job, key) => {
    const byName = textOf(["jobs", job]);
    const entry = byName === textOf(["jobs"])
      ? ["jobs", jobs.findIndex(({ name }) => name === job)]
      : ["jobs", job];
    const nested = textOf([...entry, "job", key]);
    return nested === textOf([...entry, "job"])
      ? textOf([...entry, key])
      : nested;
  };
}
