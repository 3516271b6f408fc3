/**
 * Simulates 100,000 jobs on 1,000 workers in virtual time, with the graph engine
 * of `workflow run`. `docs/scale.md` describes the results.
 *
 * ```sh
 * deno run bench/scale.ts                 # prints the table of docs/scale.md
 * deno run bench/scale.ts --jobs=10000    # another size
 * ```
 *
 * The same seed gives the same results on every machine, except for the time of
 * the engine, which is measured.
 *
 * 1. The engine says which jobs are ready, evaluates conditions and skips jobs.
 * 2. A ready job waits for a worker, which claims it, starts a container, runs
 *    it, and reports its end.
 * 3. Each of these takes time of the coordinator, and so do heartbeats and logs.
 *    When a job ends, the coordinator checks all jobs of its workflow.
 *
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import type {
  LocalJob,
  LocalJobOutcome,
} from "../src/workflow/local/local_job.ts";
import { runWorkflow } from "../src/workflow/local/run_workflow.ts";
import type { WorkflowState } from "../src/workflow/local/workflow_state.ts";

/** Assumptions of the simulation. */
export const MODEL = {
  /** Median and spread of the time of a job: a log-normal distribution. */
  jobMs: 60_000,
  jobSpread: 1,
  /** Median and spread of the number of lines that a job prints. */
  lineCount: 500,
  lineSpread: 1.5,
  /** Size of a line, in bytes. */
  lineBytes: 90,
  /** Share of jobs that fail. */
  failureRate: 0.002,
  /** Number of levels of a workflow; each job needs two jobs of the previous level. */
  levelCount: 8,
  /** Polling interval of an idle worker. */
  pollMs: 1_000,
  /** Time to start a container. */
  startMs: 2_000,
  /** Time of the coordinator for one request. */
  requestMs: 2,
  /** Number of requests that the coordinator handles at the same time. */
  connectionCount: 8,
  /** Time that the coordinator takes to check one job after the end of another. */
  nodeMs: 0.02,
  /** Interval between heartbeats of a worker. */
  heartbeatMs: 30_000,
  /** A worker sends a batch of lines when it is full or old enough. */
  batchLines: 200,
  batchMs: 2_000,
} as const;

/** A workload, and the number of workers. */
export interface Scenario {
  readonly name: string;
  readonly workflowCount: number;
  /** Number of jobs of each workflow. */
  readonly jobCount: number;
  readonly workerCount: number;
  /**
   * Target utilization of the workers, as a fraction; it determines how often
   * workflows arrive.
   *
   * @default {all workflows arrive at the start}
   */
  readonly load?: number;
  /**
   * Whether workers take jobs of the oldest workflow first.
   *
   * @default {the jobs that have been ready longest}
   */
  readonly runsOldestFirst?: boolean;
  /**
   * Whether the coordinator checks only jobs that need the job that ended.
   *
   * @default {all jobs of the workflow, as it does}
   */
  readonly checksDependentsOnly?: boolean;
}

/** Result of a simulation; times are in milliseconds. */
export interface Outcome {
  readonly ranCount: number;
  readonly skippedCount: number;
  /** Maximum number of jobs that ran at the same time. */
  readonly maxRunning: number;
  /** Time from the start to the end of the last job. */
  readonly totalMs: number;
  /** Total time of the jobs, divided by the number of workers. */
  readonly idealMs: number;
  /** Time for which ready jobs waited for a worker, sorted. */
  readonly waits: Float64Array;
  /** Time from the end of the last needed job until a job was ready, sorted. */
  readonly followUps: Float64Array;
  /** Time from the submission of a workflow to its end, sorted. */
  readonly workflowTimes: Float64Array;
  /** Fraction of the time in which the coordinator was busy. */
  readonly coordinatorLoad: number;
  readonly logBytes: number;
  /** Bytes of logs per second, in the busiest minute. */
  readonly peakBytesPerSecond: number;
  /** Time that the graph engine took, on this machine. */
  readonly engineMs: number;
}

/** A random number generator with the same sequence on every machine. */
class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** Returns a number from 0 (inclusive) to 1 (exclusive). */
  next(): number {
    // mulberry32
    let bits = this.#state = this.#state + 0x6d2b79f5 >>> 0;
    bits = Math.imul(bits ^ bits >>> 15, bits | 1);
    bits ^= bits + Math.imul(bits ^ bits >>> 7, bits | 61);
    return ((bits ^ bits >>> 14) >>> 0) / 2 ** 32;
  }

  /** Returns a number from a log-normal distribution. */
  spread(median: number, spread: number): number {
    const [a, b] = [1 - this.next(), this.next()];
    const normal = Math.sqrt(-2 * Math.log(a)) * Math.cos(2 * Math.PI * b);
    return median * Math.exp(spread * normal);
  }
}

/** A binary heap; values with equal keys keep their insertion order. */
class Heap<T> {
  readonly #items: { key: number; count: number; value: T }[] = [];
  #count = 0;

  add(key: number, value: T): void {
    const items = this.#items;
    let at = items.push({ key, count: this.#count++, value }) - 1;
    while (at > 0) {
      const parent = at - 1 >> 1;
      if (!this.#isBefore(at, parent)) break;
      [items[parent], items[at]] = [items[at], items[parent]];
      at = parent;
    }
  }

  /** Takes the first value with its key; `undefined` if there is none. */
  take(): { readonly key: number; readonly value: T } | undefined {
    const items = this.#items;
    const first = items[0];
    const last = items.pop();
    if (last === undefined || items.length === 0) return first;
    items[0] = last;
    for (let at = 0;;) {
      let child = 2 * at + 1;
      if (child >= items.length) break;
      if (child + 1 < items.length && this.#isBefore(child + 1, child)) child++;
      if (!this.#isBefore(child, at)) break;
      [items[child], items[at]] = [items[at], items[child]];
      at = child;
    }
    return first;
  }

  #isBefore(left: number, right: number): boolean {
    const [a, b] = [this.#items[left], this.#items[right]];
    return a.key < b.key || a.key === b.key && a.count < b.count;
  }
}

/** Number of microtask turns after which the engine has reacted to an event. */
const TURNS = 40;

/** A job that waits for a worker. */
interface Task {
  readonly readyMs: number;
  readonly workflow: WorkflowLoad;
  readonly end: (outcome: LocalJobOutcome) => void;
}

/** A workflow as the coordinator sees it. */
interface WorkflowLoad {
  /** Position in the order of submission. */
  readonly number: number;
  readonly nodeCount: number;
  /** When the coordinator will have checked its jobs. */
  freeMs: number;
}

/** Simulates a scenario. */
export async function simulate(
  scenario: Scenario,
  seed = 1,
): Promise<Outcome> {
  const start = performance.now();
  const run = new Simulation(scenario, new Random(seed));
  const outcome = await run.run();
  return { ...outcome, engineMs: performance.now() - start };
}

class Simulation {
  readonly #scenario: Scenario;
  readonly #random: Random;
  readonly #events = new Heap<() => void>();
  readonly #queue = new Heap<Task>();
  #nowMs = 0;
  #idleCount: number;
  #runningCount = 0;
  /** When each connection of the coordinator becomes free. */
  readonly #connections = new Float64Array(MODEL.connectionCount);
  readonly #waits: number[] = [];
  readonly #followUps: number[] = [];
  readonly #workflowTimes: number[] = [];
  readonly #bytesByMinute: number[] = [];
  #maxRunning = 0;
  #workMs = 0;
  #busyMs = 0;
  #ranCount = 0;
  #skippedCount = 0;
  #lastEndMs = 0;

  constructor(scenario: Scenario, random: Random) {
    this.#scenario = scenario;
    this.#random = random;
    this.#idleCount = scenario.workerCount;
  }

  async run(): Promise<Omit<Outcome, "engineMs">> {
    const { workflowCount, jobCount, workerCount, load } = this.#scenario;
    const meanJobMs = MODEL.jobMs * Math.exp(MODEL.jobSpread ** 2 / 2) +
      MODEL.startMs;
    const gapMs = load === undefined
      ? 0
      : jobCount * meanJobMs / workerCount / load;
    const done: Promise<void>[] = [];
    let ms = 0;
    for (let count = 0; count < workflowCount; count++) {
      const ended = Promise.withResolvers<void>();
      done.push(ended.promise);
      this.#events.add(
        ms,
        () => void this.#submit(count).then(ended.resolve),
      );
      ms -= gapMs * Math.log(1 - this.#random.next());
    }
    let isDone = false;
    const all = Promise.all(done).then(() => isDone = true);
    while (!isDone) {
      const event = this.#events.take();
      if (event === undefined) {
        await new Promise((resolve) => setTimeout(resolve));
        if (!isDone) {
          throw new Error("No event is left, but not all workflows have ended");
        }
        break;
      }
      this.#nowMs = event.key;
      event.value();
      for (let turn = 0; turn < TURNS; turn++) await undefined;
    }
    await all;
    const sorted = (times: number[]) => new Float64Array(times).sort();
    const capacityMs = this.#lastEndMs * MODEL.connectionCount;
    return {
      ranCount: this.#ranCount,
      skippedCount: this.#skippedCount,
      maxRunning: this.#maxRunning,
      totalMs: this.#lastEndMs,
      idealMs: this.#workMs / workerCount,
      waits: sorted(this.#waits),
      followUps: sorted(this.#followUps),
      workflowTimes: sorted(this.#workflowTimes),
      coordinatorLoad: this.#busyMs / capacityMs,
      logBytes: this.#bytesByMinute.reduce((sum, bytes) => sum + bytes, 0),
      peakBytesPerSecond: this.#bytesByMinute
        .reduce((most, bytes) => Math.max(most, bytes), 0) / 60,
    };
  }

  /** Runs a workflow with the graph engine, which calls back for each job. */
  async #submit(number: number): Promise<void> {
    const startMs = this.#nowMs;
    const jobs = this.#createJobs(this.#scenario.jobCount);
    const workflow = { number, nodeCount: jobs.length, freeMs: startMs };
    // The coordinator stores each job.
    this.#request(MODEL.requestMs * jobs.length);
    const results = await runWorkflow({ jobs, vars: {} }, {
      executor: ({ node }) =>
        new Promise((end) => {
          const readyMs = Math.max(this.#nowMs, workflow.freeMs);
          if (node.dependsOn.length > 0) {
            this.#followUps.push(readyMs - this.#nowMs);
          }
          this.#events.add(
            readyMs,
            () => this.#enqueue({ readyMs, workflow, end }),
          );
        }),
      concurrency: Infinity,
      state: NO_STATE,
      signal: new AbortController().signal,
    });
    this.#workflowTimes.push(this.#nowMs - startMs);
    for (const { status } of results) {
      if (status === "skipped") this.#skippedCount++;
    }
  }

  #createJobs(count: number): LocalJob[] {
    const width = Math.ceil(count / MODEL.levelCount);
    return Array.from({ length: count }, (_, at) => {
      const level = Math.floor(at / width);
      const before = () =>
        `j${(level - 1) * width + Math.floor(this.#random.next() * width)}`;
      return {
        name: `j${at}`,
        env: {},
        command: "true",
        dependsOn: level === 0 ? [] : [...new Set([before(), before()])],
        condition: "all_success",
      };
    });
  }

  #enqueue(task: Task): void {
    const { runsOldestFirst = false } = this.#scenario;
    this.#queue.add(runsOldestFirst ? task.workflow.number : 0, task);
    if (this.#idleCount === 0) return;
    this.#idleCount--;
    const noticedMs = this.#nowMs + this.#random.next() * MODEL.pollMs;
    this.#events.add(noticedMs, () => this.#work());
  }

  /** A worker takes the next job, or becomes idle. */
  #work(): void {
    const task = this.#queue.take()?.value;
    if (task === undefined) this.#idleCount++;
    else {
      const claimedMs = this.#request(MODEL.requestMs);
      this.#events.add(claimedMs, () => this.#start(task));
    }
  }

  #start({ readyMs, workflow, end }: Task): void {
    const nowMs = this.#nowMs;
    this.#waits.push(nowMs - readyMs);
    this.#maxRunning = Math.max(this.#maxRunning, ++this.#runningCount);
    this.#ranCount++;
    const jobMs = this.#random.spread(MODEL.jobMs, MODEL.jobSpread);
    const lines = this.#random.spread(MODEL.lineCount, MODEL.lineSpread);
    const isFailed = this.#random.next() < MODEL.failureRate;
    const totalMs = MODEL.startMs + jobMs;
    this.#workMs += totalMs;
    this.#log(nowMs, totalMs, lines * MODEL.lineBytes);
    const batches = Math.max(
      Math.min(lines, jobMs / MODEL.batchMs),
      lines / MODEL.batchLines,
    );
    // They are spread over the time of the job, so they only use capacity.
    this.#addCoordinatorTime(
      MODEL.requestMs * (batches + totalMs / MODEL.heartbeatMs),
    );
    this.#events.add(nowMs + totalMs, () => {
      this.#runningCount--;
      const reportedMs = this.#request(MODEL.requestMs);
      this.#events.add(reportedMs, () => {
        this.#lastEndMs = this.#nowMs;
        this.#checkWorkflow(workflow);
        const status = isFailed ? "failed" : "completed";
        end({ status, exitCode: isFailed ? 1 : 0, outputs: {} });
        this.#work();
      });
    });
  }

  /** Checks a workflow after the end of a job; such checks run one after the other. */
  #checkWorkflow(workflow: WorkflowLoad): void {
    const { checksDependentsOnly = false } = this.#scenario;
    const count = checksDependentsOnly ? 2 : workflow.nodeCount;
    const checkMs = count * MODEL.nodeMs;
    const startMs = Math.max(this.#nowMs, workflow.freeMs);
    workflow.freeMs = startMs + checkMs;
    this.#addCoordinatorTime(checkMs);
  }

  /** Handles a request, and returns when it has been answered. */
  #request(ms: number): number {
    const free = this.#connections;
    let first = 0;
    for (let at = 1; at < free.length; at++) {
      if (free[at] < free[first]) first = at;
    }
    free[first] = Math.max(free[first], this.#nowMs) + ms;
    this.#busyMs += ms;
    return free[first];
  }

  /** Uses time of the coordinator without delaying anything. */
  #addCoordinatorTime(ms: number): void {
    this.#busyMs += ms;
  }

  #log(startMs: number, ms: number, bytes: number): void {
    const [first, last] = [startMs, startMs + ms]
      .map((at) => Math.floor(at / 60_000));
    for (let minute = first; minute <= last; minute++) {
      const share = Math.min(startMs + ms, (minute + 1) * 60_000) -
        Math.max(startMs, minute * 60_000);
      this.#bytesByMinute[minute] = (this.#bytesByMinute[minute] ?? 0) +
        bytes * share / ms;
    }
  }
}

/** A state that saves nothing. */
const NO_STATE: WorkflowState = {
  earlier: new Map(),
  record: () => Promise.resolve(),
} as unknown as WorkflowState;

/** Returns a quantile of sorted values. */
function quantile(sorted: Float64Array, share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
}

/** Returns scenarios with the same total number of jobs. */
export function createScenarios(
  jobCount: number,
  workerCount: number,
): Scenario[] {
  const split = (workflows: number) => ({
    workflowCount: workflows,
    jobCount: Math.ceil(jobCount / workflows),
    workerCount,
  });
  const share = (size: number) => Math.max(1, Math.round(jobCount / size));
  return [
    { name: "workflows of 10 jobs", ...split(share(10)) },
    {
      name: "workflows of 10 jobs, oldest first",
      ...split(share(10)),
      runsOldestFirst: true,
    },
    { name: "workflows of 10 jobs, 80 % load", ...split(share(10)), load: 0.8 },
    { name: "workflows of 1,000 jobs", ...split(share(1_000)) },
    { name: "workflows of 10,000 jobs", ...split(share(10_000)) },
    { name: "one workflow", ...split(1) },
    {
      name: "one workflow, looking at dependents only",
      ...split(1),
      checksDependentsOnly: true,
    },
  ];
}

/** Formats a time with two significant digits or whole seconds. */
function formatDuration(ms: number): string {
  const seconds = ms / 1_000;
  if (seconds < 0.1) return `${Math.round(ms)} ms`;
  if (seconds < 100) return `${seconds.toFixed(1)} s`;
  return seconds < 7_200
    ? `${Math.round(seconds / 60)} min`
    : `${(seconds / 3_600).toFixed(1)} h`;
}

/** Formats the outcome of a scenario as a row of the table. */
export function scenarioRow({ name }: Scenario, outcome: Outcome): string {
  const { totalMs, idealMs, waits, followUps, workflowTimes } = outcome;
  return `| ${
    [
      name,
      outcome.ranCount.toLocaleString("en"),
      formatDuration(totalMs),
      (totalMs / idealMs).toFixed(2),
      formatDuration(quantile(workflowTimes, 0.5)),
      `${formatDuration(quantile(waits, 0.5))}, ${
        formatDuration(quantile(waits, 0.99))
      }`,
      `${formatDuration(quantile(followUps, 0.5))}, ${
        formatDuration(quantile(followUps, 0.99))
      }`,
      `${Math.round(100 * outcome.coordinatorLoad)} %`,
      `${(outcome.peakBytesPerSecond / 1e6).toFixed(1)} MB/s`,
    ].join(" | ")
  } |`;
}

/** Headings of the columns. */
export const HEAD: readonly string[] = [
  "scenario",
  "jobs that ran",
  "time",
  "of the ideal",
  "a workflow (median)",
  "wait (median, 99 %)",
  "follow-up (median, 99 %)",
  "coordinator",
  "logs at most",
];

if (import.meta.main) {
  const { jobs, workers, seed } = parseArgs(Deno.args, {
    string: ["jobs", "workers", "seed"],
    default: { jobs: "100000", workers: "1000", seed: "1" },
  });
  console.log(`| ${HEAD.join(" | ")} |\n|${" --- |".repeat(HEAD.length)}`);
  const notes: string[] = [];
  for (const scenario of createScenarios(Number(jobs), Number(workers))) {
    const outcome = await simulate(scenario, Number(seed));
    console.log(scenarioRow(scenario, outcome));
    const { engineMs, ranCount, skippedCount, logBytes } = outcome;
    notes.push(
      `${scenario.name}: ${
        (1_000 * engineMs / (ranCount + skippedCount)).toFixed(0)
      } µs per job on this machine, ${skippedCount} skipped, ${
        (logBytes / 1e9).toFixed(1)
      } GB of logs`,
    );
  }
  console.log(`\n${notes.join("\n")}`);
}
