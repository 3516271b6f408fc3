import { processHost } from "../src/host.ts";
import { createRunnerContext } from "../src/runner/runner_context.ts";
import { parseWorkflow } from "../src/workflow/definition/read_workflow.ts";
import { runLocalWorkflow } from "../src/workflow/local/run_local.ts";
import type { WorkflowExecutor } from "../src/workflow/workflow_executor.ts";
import type { Benchmark } from "./measure.ts";

/** Number of jobs of the large workflow. */
const MANY = 10_000;

/** Number of jobs of the small workflow, which is the baseline. */
const FEW = 2_500;

/** Number of runs of the small workflow per measurement. */
const FEW_ROUNDS = MANY / FEW;

/** Runs jobs that do nothing, so that only the overhead is measured. */
const EXECUTOR: WorkflowExecutor = {
  open: () =>
    Promise.resolve({
      runJob: () =>
        Promise.resolve({ status: "completed", exitCode: 0, outputs: {} }),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    }),
};

const SINK = {
  write: (bytes: Uint8Array) => Promise.resolve(bytes.length),
  isTerminal: () => false,
};

/**
 * Overhead per job of a local workflow: graph, saved state, record and log, with
 * jobs that do nothing.
 *
 * @param directory Directory to work in.
 * @returns The benchmark; its results are the time of 10,000 jobs.
 */
export function workflow(directory: string): Benchmark {
  const run = (count: number, resume = false) =>
    runJobs(`${directory}/workflow-${count}`, count, resume);
  return {
    title: "Workflow (time of 10,000 jobs)",
    unit: "ms",
    variants: [
      {
        name: `${FEW} jobs`,
        async measure() {
          let ms = 0;
          for (let round = 0; round < FEW_ROUNDS; round++) ms += await run(FEW);
          return ms;
        },
      },
      { name: `${MANY} jobs`, measure: () => run(MANY) },
      { name: "--resume", measure: () => run(MANY, true) },
    ],
    comparisons: [
      { subject: `${MANY} jobs`, floor: `${FEW} jobs`, goal: "G11 jobs" },
      { subject: "--resume", goal: "G11 resume" },
    ],
  };
}

/** Returns how long a run of a workflow takes. */
async function runJobs(
  root: string,
  count: number,
  resume: boolean,
): Promise<number> {
  await Deno.mkdir(root, { recursive: true });
  const host = { ...processHost(), cwd: root, stdout: SINK, stderr: SINK };
  const definition = await parseWorkflow(createDefinition(count), {
    root,
    sourceFile: "workflow.json",
  });
  const start = performance.now();
  const { jobs } = await runLocalWorkflow(
    createRunnerContext(host),
    definition,
    {
      root,
      concurrency: 2,
      wait: false,
      resume,
      only: undefined,
      executor: EXECUTOR,
      otel: false,
      conditions: (jobs) => jobs,
      event: {},
    },
  );
  const ms = performance.now() - start;
  if (jobs.some(({ status }) => status !== "completed")) {
    throw new Error("A job did not complete");
  }
  return ms;
}

/**
 * Creates a definition in which each job needs the job ten places before it, so
 * that the graph is neither wide nor a chain.
 */
function createDefinition(count: number): string {
  const jobs = Array.from({ length: count }, (_, index) => [
    `j${index}`,
    {
      ...index < 10 ? {} : { depends_on: [`j${index - 10}`] },
      job: { command: "true" },
    },
  ]);
  return JSON.stringify({ name: "bench", jobs: Object.fromEntries(jobs) });
}
