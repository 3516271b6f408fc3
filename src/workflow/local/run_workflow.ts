import type { SavedArtifact } from "../../artifacts/artifact.ts";
import { messageOf } from "../../errors.ts";
import { schedule } from "../../graph_scheduler.ts";
import { neverRunsReason } from "../job_conditions.ts";
import {
  type Executor,
  localGraph,
  type LocalJob,
  type LocalJobOutcome,
  type LocalNode,
  localNodes,
  type LocalWorkflow,
  triggeredJob,
} from "./local_job.ts";
import { type NodeEnd, NodeStates, type NodeStatus } from "./node_states.ts";
import { nodeArtifacts, savedArtifacts } from "./workflow_artifacts.ts";
import {
  JobKeys,
  type LocalJobState,
  type TriggeredWorkflow,
  VariableStore,
  type WorkflowState,
} from "./workflow_state.ts";

/** Maximum length of a chain of jobs that trigger each other. */
const MAX_CHAIN = 50;

/** Options for {@linkcode runWorkflow}. */
export interface RunWorkflowOptions {
  /** Runs a job. */
  executor: Executor;
  /** Maximum number of jobs that run concurrently. */
  concurrency: number;
  /** Saved state of the jobs. */
  state: WorkflowState;
  /**
   * All jobs of the workflow file, including those that do not run.
   *
   * @default {no job needs artifacts}
   */
  jobs?: readonly LocalJob[];
  /** Cancels the run. */
  signal: AbortSignal;
  /**
   * Whether jobs report when they start, because they may wait in a queue.
   *
   * @default {jobs start immediately}
   */
  reportsStart?: boolean;
  /**
   * Follows jobs that run in addition to those of the workflow; see
   * `OpenExecutor.followOthers`.
   *
   * @default {there are no others}
   */
  followOthers?: (add: AddJob) => Promise<void>;
  /**
   * Whether to skip a job that succeeded in an earlier run.
   *
   * @default {all such jobs are skipped}
   */
  isDone?: (key: string) => boolean;
  /**
   * Called when a job could start and waits for a free slot.
   *
   * @default {waiting jobs are not reported}
   */
  onQueued?: (key: string) => void;
  /**
   * Called when the status of a job changes.
   *
   * @default {status changes are ignored}
   */
  onChange?: (result: WorkflowJobResult) => void;
}

/**
 * Adds a job to a run.
 *
 * @param job The job; its dependencies have ended.
 * @param origin Key of the job that triggered it; `undefined` if it belongs to
 * the workflow itself.
 */
export type AddJob = (job: LocalJob, origin: string | undefined) => void;

/**
 * Runs a workflow and all follow-up jobs.
 *
 * The result of a job is saved before its dependents start, so that a killed
 * run can be resumed without running a dependency twice. The follow-up jobs of
 * a job are a separate workflow.
 *
 * @returns Outcome of each job; the jobs of the workflow itself come first, in
 * order.
 * @throws {RunnerError} `output-failed` if the state cannot be saved, after the
 * running jobs have ended.
 */
export async function runWorkflow(
  workflow: LocalWorkflow,
  options: RunWorkflowOptions,
): Promise<WorkflowJobResult[]> {
  const { state, concurrency } = options;
  const run: Run = {
    ...options,
    pool: new JobPool(concurrency),
    keys: new JobKeys(state.earlier),
    parts: [],
  };
  // Its jobs take their keys before any other job.
  const main = runPart(run, workflow, { depth: 0 });
  const otherParts: Promise<void>[] = [];
  const following = run.followOthers?.((job, origin) => {
    const depth = origin === undefined ? 0 : 1;
    otherParts.push(runPart(run, { jobs: [job], vars: {} }, { origin, depth }));
  });
  // The error is thrown below, once the jobs have ended.
  following?.catch(() => {});
  await main;
  try {
    await following;
  } finally {
    // The state must not be closed while jobs are running.
    await Promise.all(otherParts);
  }
  if (run.failure !== undefined) throw run.failure;
  return run.parts.flatMap(collectResults);
}

interface Run extends RunWorkflowOptions {
  readonly pool: JobPool;
  readonly keys: JobKeys;
  readonly parts: WorkflowPart[];
  /** Error that stopped the run: its state could not be saved. */
  failure?: Error;
}

async function runPart(
  run: Run,
  { jobs, vars }: LocalWorkflow,
  { origin, depth }: { origin?: string; depth: number },
): Promise<void> {
  const nodes = localNodes(jobs);
  const part: WorkflowPart = {
    id: crypto.randomUUID(),
    nodes,
    keys: nodes.map(({ displayName }) =>
      origin === undefined
        ? run.keys.reserve(displayName)
        : run.keys.keyForTriggered(origin, displayName)
    ),
    states: new NodeStates(nodes),
    variables: new VariableStore(vars),
    ends: new Map(),
    artifacts: new Map(),
    origin,
    depth,
    children: [],
  };
  run.parts.push(part);
  const ended = adoptEarlierResults(run, part);
  await schedule(localGraph(nodes), {
    concurrency: Infinity,
    ended,
    start(node) {
      if (!part.states.submit(node)) return undefined;
      run.onQueued?.(part.keys[node]);
      return run.pool.run(() => runUnlessCancelled(run, part, node));
    },
  });
  await Promise.all(part.children);
  await recordSkipped(run, part).catch((error) => fail(run, error));
}

/** Runs a node unless the run is cancelled; returns whether the node ended. */
async function runUnlessCancelled(
  run: Run,
  part: WorkflowPart,
  node: number,
): Promise<boolean> {
  if (run.signal.aborted || run.failure !== undefined) return false;
  const reason = neverRunsReason(part.nodes[node].job);
  if (reason !== undefined) {
    part.ends.set(node, { ...NOT_RUN, reason });
    part.states.end(node, "skipped");
    return true;
  }
  try {
    part.states.end(node, await runNode(run, part, node));
    return true;
  } catch (error) {
    fail(run, error);
    return false;
  }
}

function fail(run: Run, error: unknown): void {
  run.failure ??= error instanceof Error ? error : new Error(String(error));
}

/** Adopts the results of jobs that succeeded in an earlier run. */
function adoptEarlierResults(run: Run, part: WorkflowPart): number[] {
  const { state: { earlier }, isDone = () => true } = run;
  return part.keys.flatMap((key, node) => {
    const record = earlier.get(key);
    if (record?.status !== "completed" || !isDone(key)) return [];
    part.variables.add(record.name, record);
    part.artifacts.set(node, savedArtifacts(record));
    part.ends.set(node, { ...NOT_RUN, exitCode: record.exitCode });
    part.states.end(node, "completed");
    startTriggered(run, part, node, record.triggers);
    return [node];
  });
}

async function runNode(
  run: Run,
  part: WorkflowPart,
  node: number,
): Promise<NodeEnd> {
  const { signal, state, onChange = () => {} } = run;
  const { states, keys: { [node]: key }, origin } = part;
  const { name } = part.nodes[node];
  const base = { name, ...origin === undefined ? {} : { origin } };
  let startMs = performance.now();
  let startedAt: Date | null = null;
  let startRecorded: Promise<void> | undefined;

  function onStart(): void {
    if (startedAt !== null) return;
    startMs = performance.now();
    startedAt = new Date();
    states.start(node);
    onChange({ ...NOT_RUN, key, status: "running" });
    startRecorded = state.record(key, {
      ...base,
      status: "running",
      exitCode: null,
      outputs: {},
    });
  }

  if (!run.reportsStart) onStart();
  const outcome = await execute(run, part, node, onStart);
  const { exitCode, vars, outputs, triggers = [] } = outcome;
  const { tail = [], recordPath, logPath } = outcome;
  const { artifacts = [] } = outcome;
  part.artifacts.set(node, artifacts);
  const problem = findProblem(part, name, outcome);
  const reason = problem ?? outcome.reason;
  const status = problem === undefined || outcome.status !== "completed"
    ? outcome.status
    : "failed";
  const durationMs = outcome.durationMs ??
    (startedAt === null ? 0 : performance.now() - startMs);
  const end = {
    exitCode,
    startedAt,
    durationMs,
    reason,
    tail,
    recordPath,
    logPath,
  };
  part.ends.set(node, end);
  const record: LocalJobState = {
    ...base,
    status,
    exitCode,
    outputs: outputs ?? {},
    ...vars ? { vars } : {},
    ...triggers.length > 0 ? { triggers } : {},
    ...artifacts.length > 0 ? { artifacts } : {},
    ...reason === undefined ? {} : { reason },
  };
  await Promise.all([startRecorded, state.record(key, record)]);
  onChange({ ...end, key, status });
  if (!signal.aborted) startTriggered(run, part, node, triggers);
  return status;
}

function findProblem(
  part: WorkflowPart,
  name: string,
  { vars, outputs, triggers = [] }: LocalJobOutcome,
): string | undefined {
  const conflict = part.variables.add(name, { vars, outputs });
  if (conflict !== undefined) {
    return `it sets ${
      JSON.stringify(conflict)
    }, which already has another value`;
  }
  return triggers.length > 0 && part.depth >= MAX_CHAIN
    ? `it is at the end of a chain of ${MAX_CHAIN} jobs that trigger each other`
    : undefined;
}

async function execute(
  run: Run,
  part: WorkflowPart,
  node: number,
  onStart: () => void,
): Promise<LocalJobOutcome> {
  const { executor, signal } = run;
  try {
    return await executor({
      key: part.keys[node],
      node: part.nodes[node],
      workflowId: part.id,
      varsText: () => part.variables.text,
      artifacts: nodeArtifacts(part.nodes[node], {
        nodes: part.nodes,
        saved: part.artifacts,
        jobs: run.jobs ?? [],
        earlier: run.state.earlier,
      }),
      signal,
      onStart,
    });
  } catch (error) {
    const status = signal.aborted ? "cancelled" : "failed";
    return { status, exitCode: null, reason: messageOf(error) };
  }
}

function startTriggered(
  run: Run,
  part: WorkflowPart,
  node: number,
  triggers: readonly TriggeredWorkflow[] = [],
): void {
  const { nodes: { [node]: { job } }, keys: { [node]: key }, depth } = part;
  if (depth >= MAX_CHAIN) return;
  triggers.forEach(({ jobs, vars = {} }, index) => {
    part.children.push(runPart(run, {
      vars,
      jobs: jobs.map((trigger) => triggeredJob(trigger, job)),
    }, { origin: index === 0 ? key : `${key}#${index}`, depth: depth + 1 }));
  });
}

async function recordSkipped(run: Run, part: WorkflowPart): Promise<void> {
  const { statuses } = part.states;
  await Promise.all(part.keys.map(async (key, node) => {
    if (statuses[node] !== "skipped") return;
    const { origin, ends, nodes: { [node]: { name } } } = part;
    const reason = ends.get(node)?.reason ?? part.states.skipReason(node);
    await run.state.record(key, {
      name,
      ...origin === undefined ? {} : { origin },
      status: "skipped",
      exitCode: null,
      outputs: {},
      ...reason === undefined ? {} : { reason },
    });
    run.onChange?.({ ...NOT_RUN, key, status: "skipped", reason });
  }));
}

/** Result of a job that did not start in this run. */
const NOT_RUN = {
  exitCode: null,
  startedAt: null,
  durationMs: 0,
  tail: [],
} as const;

/** Result or current state of a job of a workflow. */
export interface WorkflowJobResult {
  /** Key of the job. */
  readonly key: string;
  /** Status; `waiting` or `submitted` if the job never ran. */
  readonly status: NodeStatus;
  /** Exit code, or `null` if there is none. */
  readonly exitCode: number | null;
  /** Start time, or `null` if the job did not start in this run. */
  readonly startedAt: Date | null;
  /** Duration in milliseconds. */
  readonly durationMs: number;
  /** Reason for the outcome, if it is known. */
  readonly reason?: string;
  /** Last lines of its output. */
  readonly tail: readonly string[];
  /** Absolute path of its record, if it has one. */
  readonly recordPath?: string;
  /** Absolute path of its log, if it has one. */
  readonly logPath?: string;
}

/**
 * A part of a run: the workflow of the file, or the follow-up jobs of one job.
 */
interface WorkflowPart {
  /** ID of the workflow. */
  readonly id: string;
  /** Nodes of the workflow. */
  readonly nodes: readonly LocalNode[];
  /** Keys of the nodes. */
  readonly keys: readonly string[];
  /** States of the nodes. */
  readonly states: NodeStates;
  /** Variables of the workflow. */
  readonly variables: VariableStore;
  /** Outcomes of nodes. */
  readonly ends: Map<number, Omit<WorkflowJobResult, "key" | "status">>;
  /** Artifacts that the nodes have saved. */
  readonly artifacts: Map<number, readonly SavedArtifact[]>;
  /**
   * Key of the job that triggered the nodes; `undefined` for those of the
   * workflow file.
   */
  readonly origin: string | undefined;
  /** Number of jobs in the chain that triggered this part. */
  readonly depth: number;
  /** Parts of follow-up jobs that have not ended. */
  readonly children: Promise<void>[];
}

/** Returns the result of each node of a part. */
function collectResults(
  { keys, states, ends }: WorkflowPart,
): WorkflowJobResult[] {
  return keys.map((key, node) => ({
    ...NOT_RUN,
    reason: states.skipReason(node),
    ...ends.get(node),
    key,
    status: states.statuses[node],
  }));
}

/** Limits the number of concurrent tasks; other tasks are queued. */
class JobPool {
  readonly #maxCount: number;
  #runningCount = 0;
  #waiting: (() => void)[] = [];
  #next = 0;

  /**
   * Creates an empty pool.
   *
   * @param maxCount Maximum number of concurrent tasks.
   */
  constructor(maxCount: number) {
    this.#maxCount = maxCount;
  }

  /** Runs a task as soon as a slot is free. */
  async run<T>(task: () => Promise<T>): Promise<T> {
    if (this.#runningCount < this.#maxCount) this.#runningCount++;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await task();
    } finally {
      this.#release();
    }
  }

  /** Passes the slot directly to the next task. */
  #release(): void {
    const next = this.#waiting[this.#next++];
    if (next !== undefined) return next();
    this.#runningCount--;
    this.#waiting = [];
    this.#next = 0;
  }
}
