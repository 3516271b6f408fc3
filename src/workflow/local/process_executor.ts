import type { SavedArtifact } from "../../artifacts/artifact.ts";
import type { JobArtifacts } from "../../artifacts/job_artifacts.ts";
import { settingVariables } from "../../config/job_keys.ts";
import type { Layer } from "../../config/settings.ts";
import { childEnvironment } from "../../environment/child_environment.ts";
import { type Environment, Variable } from "../../environment/variables.ts";
import { messageOf, RunnerError } from "../../errors.ts";
import { readUntrusted } from "../../fs/untrusted_file.ts";
import type { Host, HostStream } from "../../host.ts";
import { isInside, normalizePath, OWN_DIRECTORY } from "../../job_path.ts";
import { isDeeperThan, isObject, parseJson } from "../../json_value.ts";
import { getDefault } from "../../options/options.ts";
import type { StepLog } from "../../output/job_log.ts";
import { LogFileNames } from "../../output/log_directory.ts";
import type { Sink } from "../../output/sink.ts";
import type { RunningProcess, spawn } from "../../process/spawn.ts";
import type { JobResult } from "../../runner/job_result.ts";
import { runJob } from "../../runner/run_job.ts";
import {
  createRunnerContext,
  type RunnerContext,
} from "../../runner/runner_context.ts";
import { copyJson } from "../../schema/copy_json.ts";
import { MAX_OUTPUT_BYTES } from "../../state/workflow_variables.ts";
import { SYSTEM } from "../../steps/job_system.ts";
import { checkTriggers } from "../../triggers/check_triggers.ts";
import { sortTriggers } from "../../triggers/trigger_document.ts";
import type { Trigger } from "../../triggers/trigger_options.ts";
import { MAX_DOCUMENT_BYTES } from "../../triggers/triggers_file.ts";
import { WORKFLOW_FILES } from "../../workspace/ignore_files.ts";
import { removeTree } from "../../workspace/remove.ts";
import { remoteStepsProblem, withRemoteSteps } from "../remote_steps.ts";
import type { WorkflowExecutor, WorkflowRun } from "../workflow_executor.ts";
import { type ContainerOptions, runContained } from "./container_command.ts";
import type {
  Executor,
  JobRequest,
  LocalJob,
  LocalJobOutcome,
} from "./local_job.ts";
import type { NodeEnd } from "./node_states.ts";
import { failedStepLines, jobRecord } from "./record_workflow.ts";
import type {
  JobOutputs,
  JsonObject,
  TriggeredWorkflow,
} from "./workflow_state.ts";

/** Maximum depth of the values that a job writes. */
const MAX_DEPTH = 1_000;

/** Keys of jobs that evaluations write for the coordinator only. */
const EVALUATION_KEYS: readonly string[] = ["ci_origin", "execution_profile"];

/** Options for {@linkcode processExecutor}. */
export interface ProcessExecutorOptions {
  /**
   * Source of the code of jobs: a copy of the root, the root itself (shared by
   * all jobs), or none.
   */
  source: "copy" | "in-place" | "none";
  /**
   * Options for running each job in its own container.
   *
   * @default {jobs run without containers}
   */
  container?: ContainerOptions;
  /**
   * Runs the command of each job on another machine.
   *
   * @default {commands run on this machine}
   */
  place?: JobPlace;
}

/** Chooses where the command of a job runs. */
export type JobPlace = (request: JobRequest) => PlacedJob;

/** A job whose command runs on another machine. */
export interface PlacedJob {
  /** Program and arguments. */
  readonly command: readonly string[];
  /**
   * Starts the command, as {@linkcode spawn} does on this machine.
   *
   * @param runner Context of the runner of the job.
   */
  start(
    runner: RunnerContext,
    options: Parameters<typeof spawn>[1],
  ): RunningProcess;
  /** Reason for the outcome, if the other machine ended the job. */
  readonly reason: string | undefined;
}

/** A run whose jobs run in this process. */
type ProcessRun = WorkflowRun & ProcessExecutorOptions;

/** Patterns of files that workflows write to the root; they are not copied. */
const IGNORED_PATTERNS: readonly string[] = WORKFLOW_FILES
  .map((pattern) => `/${OWN_DIRECTORY}${pattern}`);

/** Default directory of the code. */
const CODE_DIR = getDefault("code_dir");

/** Outcomes of nodes by the status of their jobs. */
const END_BY_STATUS: Readonly<Record<JobResult["status"], NodeEnd>> = {
  success: "completed",
  failed: "failed",
  cancelled: "cancelled",
  timeout: "timeout",
};

/**
 * Creates an executor that runs each job in this process, in its own workspace.
 *
 * Jobs run as with `runnerlib run`, including steps, secrets and plugins; only
 * their commands are separate processes. All jobs share one masker, because a
 * job may print the output of another.
 */
export function processExecutor(
  options: ProcessExecutorOptions,
): WorkflowExecutor {
  return {
    passesArtifacts: true,
    open: (run) =>
      Promise.resolve({
        runJob: createJobRunner({ ...run, ...options }),
        [Symbol.asyncDispose]: () => Promise.resolve(),
      }),
  };
}

function createJobRunner(options: ProcessRun): Executor {
  const { runner, log } = options;
  const directory = `${options.directory}/jobs`;
  const names = new LogFileNames();
  return async (original) => {
    const request = options.container === undefined
      ? original
      : withContainedSteps(original);
    const name = names.nameFor(request.key).replace(/\.log$/, "");
    const workspace = `${directory}/${name}/job`;
    await removeTree(`${directory}/${name}`, {
      onMount: (path) =>
        runner.logger.warn(
          "workflow",
          `Left "${path}": something is mounted there`,
        ),
    });
    await Deno.mkdir(workspace, { recursive: true });
    // A container may run as another user.
    const mode = options.container === undefined ? 0o600 : 0o644;
    const context = { ...options, workspace, inContainer: false };
    const variables = createVariables(request, context);
    await Deno.writeTextFile(
      variables[Variable.workflowVarsFile],
      request.varsText(),
      { createNew: true, mode },
    );
    const step = await log.openStep(request.key);
    const run = async () => {
      const host = createHost(request, variables, step, options);
      const placed = options.place?.(request);
      const jobContext = createRunnerContext(host, {
        masker: runner.masker,
        onJobEnd: options.onJobEnd,
        exports: options.exports,
        system: placed && {
          ...SYSTEM,
          spawn: (_command, options) => placed.start(jobContext, options),
        },
      });
      const artifacts = options.artifactsOf(
        request,
        artifactPlace(jobContext, request.node.job, options),
      );
      if (placed !== undefined) {
        const { command } = placed;
        const outcome = await runOne(jobContext, request, options, {
          command,
          artifacts,
        });
        return { ...outcome, reason: placed.reason ?? outcome.reason };
      }
      return options.container === undefined
        ? await runOne(jobContext, request, options, { artifacts })
        : await runContained(jobContext, request, {
          ...options.container,
          sharedCode: runsInPlace(request.node.job, options)
            ? options.root
            : undefined,
          run: (command, stop) =>
            runOne(jobContext, request, options, {
              command,
              artifacts: artifacts && afterStop(artifacts, stop),
            }),
        });
    };
    const outcome = await run().finally(() => step.close());
    const record = options.hasRecords ? await jobRecord(workspace) : undefined;
    const isFailed = outcome.status !== "completed" && record !== undefined;
    return {
      ...outcome,
      tail: isFailed && await failedStepLines(record) || step.tail(),
      recordPath: record,
      logPath: step.path,
    };
  };
}

/**
 * Lets a runner in the container run the steps of a job.
 *
 * @throws {RunnerError} `invalid-job` if it cannot.
 */
function withContainedSteps(request: JobRequest): JobRequest {
  const { node, node: { job } } = request;
  const problem = remoteStepsProblem(job);
  if (problem !== undefined) {
    throw new RunnerError(
      `Cannot run job "${job.name}" in a container: its steps ${problem}`,
      { code: "invalid-job" },
    );
  }
  return { ...request, node: { ...node, job: withRemoteSteps(job) } };
}

/** Returns the directory of the files that artifacts of a job may contain. */
function artifactPlace(
  { workspace }: RunnerContext,
  job: LocalJob,
  options: ProcessRun,
) {
  return runsInPlace(job, options)
    ? { workspace: options.root, directory: options.root }
    : {
      workspace: workspace.base,
      directory: workspace.pathOf(job.codeDir ?? CODE_DIR),
    };
}

/** Saves artifacts only once nothing in the container can change the files. */
function afterStop(
  artifacts: JobArtifacts,
  stop: () => Promise<string | undefined>,
): JobArtifacts {
  return {
    ...artifacts,
    async save(...options) {
      const problem = await stop();
      if (problem !== undefined) {
        throw new RunnerError(
          "Cannot save artifacts: the container of the job may still be running",
          { code: "container-failed" },
        );
      }
      return await artifacts.save(...options);
    },
  };
}

/** Options for {@linkcode runOne}. */
interface RunOneOptions {
  /**
   * Command to run instead of the command of the job.
   *
   * @default {the command of the job}
   */
  readonly command?: readonly string[];
  readonly artifacts: JobArtifacts | undefined;
}

async function runOne(
  runner: RunnerContext,
  { node: { job } }: JobRequest,
  options: ProcessRun,
  { command, artifacts }: RunOneOptions,
): Promise<LocalJobOutcome> {
  const { base } = runner.workspace;
  let saved: readonly SavedArtifact[] = [];
  let end: Pick<LocalJobOutcome, "status" | "exitCode" | "reason">;
  try {
    const { status, exitCode, error } = await runJob(
      runner,
      createLayer(job, options, command),
      {
        ...job.steps === undefined ? {} : { job: { steps: job.steps } },
        artifacts: artifacts && {
          ...artifacts,
          save: async (...options) => saved = await artifacts.save(...options),
        },
      },
    );
    const isReported = error === undefined ||
      error instanceof RunnerError && error.code === "command-failed";
    const reason = isReported ? undefined : error.message;
    end = { status: END_BY_STATUS[status], exitCode, reason };
  } catch (error) {
    if (!(error instanceof RunnerError)) throw error;
    runner.logger.error("job", error.message);
    const { exitCode, message: reason } = error;
    end = { status: "failed", exitCode, reason };
  } finally {
    await runner.logger.flush().catch(() => {});
  }
  try {
    return {
      ...await readJobOutputs(`${base}/workflow-output.json`),
      triggers: await readTriggered(`${base}/triggers.json`),
      artifacts: saved,
      ...end,
    };
  } catch (error) {
    if (!(error instanceof RunnerError)) throw error;
    runner.logger.error("job", error.message);
    if (end.status !== "completed") return { ...end, artifacts: saved };
    return { status: "failed", exitCode: 1, reason: error.message };
  }
}

function createLayer(
  job: LocalJob,
  options: ProcessRun,
  command: string | readonly string[] = job.command ?? "",
): Layer {
  const { source, root } = options;
  const origin = `job "${job.name}"`;
  const jobSource = job.source ??
    (source === "copy" ? { type: "copy", url: root } : undefined);
  const isInPlace = runsInPlace(job, options);
  const values = {
    job_command: job.steps === undefined ? command : undefined,
    job_env: job.env,
    // Other variables are plain text in a workflow file.
    secret_env_names: Object.keys(job.env)
      .filter((name) => job.env[name].includes("${secret:")),
    code_dir: isInPlace ? undefined : job.codeDir ?? CODE_DIR,
    job_dir: isInPlace ? undefined : job.jobDir,
    timeout: job.timeoutSeconds?.toString(),
    // A configured path is for the record of the workflow.
    record: options.hasRecords ? "" : "off",
    otel: options.otel ? "true" : undefined,
    source_type: jobSource?.type ?? "none",
    source_url: jobSource?.url,
    source_ref: jobSource?.ref,
    copy_ignore: jobSource?.url === root ? IGNORED_PATTERNS : undefined,
  };
  return Object.fromEntries(
    Object.entries(values).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, { value, origin }]]
    ),
  );
}

/** Creates the host of the runner of a job. */
function createHost(
  { key, node: { job } }: JobRequest,
  variables: Record<string, string>,
  step: StepLog,
  options: ProcessRun,
): Host {
  const { runner: { host }, root, onSignal, traceOf } = options;
  const { [Variable.traceState]: _state, ...inherited } = childEnvironment(
    host.env,
    { kind: "nested-runner" },
  );
  return {
    env: {
      ...inherited,
      // In a container, the runner of the job reads them there.
      ...options.container === undefined ? selectSettings(job.env) : {},
      ...variables,
      ...traceOf(key),
    },
    cwd: runsInPlace(job, options) ? root + findJobDirectory(job) : root,
    stdout: toHostStream(step.stdout, host.stdout),
    stderr: toHostStream(step.stderr, host.stderr),
    onSignal,
  };
}

/** Returns the variables that set options of a job, as on a worker. */
function selectSettings(env: Environment): Environment {
  const settings = settingVariables();
  return Object.fromEntries(
    Object.entries(env).filter(([name]) => Object.hasOwn(settings, name)),
  );
}

function runsInPlace(
  { source: jobSource }: LocalJob,
  { source }: ProcessRun,
): boolean {
  return source === "in-place" && jobSource === undefined;
}

/** Returns the working directory of a job relative to the shared code. */
function findJobDirectory({ codeDir = CODE_DIR, jobDir = codeDir }: LocalJob) {
  const [code, place] = [normalizePath(codeDir), normalizePath(jobDir)];
  return isInside(code, place) ? place.slice(code.length) : "";
}

function toHostStream(sink: Sink, stream: HostStream): HostStream {
  return {
    async write(bytes) {
      await sink.write(bytes);
      return bytes.length;
    },
    isTerminal: () => stream.isTerminal(),
  };
}

/** Maximum size of a value, in bytes: that of a variable on Linux, less its name. */
const MAX_VARIABLE_BYTES = 127 * 1024;

/** Environment of a job, as described by its variables. */
interface JobContext {
  /** Absolute path of the workspace, as the job sees it. */
  readonly workspace: string;
  /** Whether the job runs in its own container. */
  readonly inContainer: boolean;
  /** Absolute path of the state file, if the job can read it. */
  readonly stateFile: string | undefined;
  /** Variables that describe the event. */
  readonly event: Readonly<Record<string, string>>;
}

/** Returns the variables that describe the workflow of a job. */
function createVariables(
  request: JobRequest,
  { workspace, inContainer, stateFile, event }: JobContext,
): Record<string, string> {
  const { node, workflowId } = request;
  const vars = request.varsText();
  return {
    [Variable.jobId]: crypto.randomUUID(),
    [Variable.queue]: "local",
    [Variable.workerMode]: "local",
    [Variable.inContainer]: String(inContainer),
    [Variable.triggersFile]: getDefault("triggers_file"),
    ...inContainer ? {} : { [Variable.workspace]: workspace },
    ...stateFile === undefined
      ? {}
      : { [Variable.workflowStateFile]: stateFile },
    [Variable.workflowId]: workflowId,
    [Variable.workflowNodeId]: crypto.randomUUID(),
    [Variable.workflowRunId]: crypto.randomUUID(),
    [Variable.workflowNodeName]: node.displayName,
    [Variable.workflowVarsFile]: `${workspace}/workflow-vars.json`,
    [Variable.workflowOutputFile]: `${workspace}/workflow-output.json`,
    ...vars.length * 3 > MAX_VARIABLE_BYTES &&
        new TextEncoder().encode(vars).length > MAX_VARIABLE_BYTES
      ? {}
      : { [Variable.workflowVarsJson]: vars },
    ...event,
  };
}

/**
 * Reads the variables and outputs that a job wrote.
 *
 * @param path Absolute path of the file, which may be missing.
 * @throws {RunnerError} `output-failed` if the file is invalid.
 */
export async function readJobOutputs(path: string): Promise<JobOutputs> {
  const document = await readDocument(path, MAX_OUTPUT_BYTES);
  if (document === undefined) return {};
  const { vars = null, outputs = null } = document;
  for (const [name, value] of Object.entries({ vars, outputs })) {
    if (value !== null && !isObject(value)) {
      throw resultError(path, `"${name}" must be an object`);
    }
  }
  return { vars: vars as JsonObject, outputs: outputs as JsonObject };
}

/**
 * Reads the follow-up jobs that a job wrote.
 *
 * @param path Absolute path of the file, which may be missing.
 * @returns Workflows; a document with plain jobs is a single workflow.
 * @throws {RunnerError} `output-failed` if the file is invalid, or contains
 * jobs that the coordinator would not run.
 */
export async function readTriggered(
  path: string,
): Promise<TriggeredWorkflow[]> {
  const document = await readDocument(path, MAX_DOCUMENT_BYTES);
  if (document === undefined) return [];
  if (document.type !== "trigger_job") {
    throw resultError(path, 'its type is not "trigger_job"');
  }
  const { workflows, workflow, jobs } = document;
  const batches = Array.isArray(workflows) && workflows.length > 0
    ? workflows
    : [{ ...isObject(workflow) ? workflow : {}, jobs }];
  try {
    return batches.map(parseBatch).filter(({ jobs }) => jobs.length > 0);
  } catch (cause) {
    throw resultError(path, messageOf(cause), cause);
  }
}

function parseBatch(batch: unknown): TriggeredWorkflow {
  if (!isObject(batch)) throw new TypeError("a workflow must be an object");
  const { name, vars, jobs } = batch;
  return {
    ...typeof name === "string" ? { name } : {},
    ...isObject(vars) ? { vars: copyJson(vars, "vars") as JsonObject } : {},
    jobs: parseTriggers(jobs ?? []),
  };
}

function parseTriggers(jobs: unknown): readonly Trigger[] {
  if (!Array.isArray(jobs)) throw new TypeError("its jobs must be a list");
  const known = jobs.map((job: unknown) =>
    isObject(job)
      ? Object.fromEntries(
        Object.entries(job).filter(([key]) => !EVALUATION_KEYS.includes(key)),
      )
      : job
  );
  return sortTriggers(checkTriggers(known, { isWire: true }));
}

async function readDocument(
  path: string,
  maxBytes: number,
): Promise<Record<string, unknown> | undefined> {
  let bytes: Uint8Array;
  try {
    bytes = await readUntrusted(path, { maxBytes });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw resultError(path, messageOf(error));
  }
  const document = parseJson(new TextDecoder().decode(bytes));
  if (isDeeperThan(document, MAX_DEPTH)) {
    throw resultError(path, `it is nested deeper than ${MAX_DEPTH} levels`);
  }
  if (isObject(document)) return document;
  throw resultError(
    path,
    document === undefined
      ? "it is not valid JSON"
      : "it must be a JSON object",
  );
}

function resultError(
  path: string,
  state: string,
  cause?: unknown,
): RunnerError {
  return new RunnerError(`Cannot use "${path}": ${state}`, {
    code: "output-failed",
    cause,
  });
}
