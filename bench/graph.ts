import { Job, type Step } from "@reactorcide/runnerlib";
import { schedule } from "../src/graph_scheduler.ts";
import { GraphRun } from "../src/steps/graph_run.ts";
import { planJob } from "../src/steps/job_plan.ts";
import type { Benchmark } from "./measure.ts";

const SHAPES = {
  /** Every step depends on the first one. */
  wide: (index: number) => index === 0 ? [] : ["s0"],
  /** Every step depends on the previous one. */
  chain: (index: number) => index === 0 ? [] : [`s${index - 1}`],
} as const;

const COUNTS = [10_000, 100_000] as const;

/** Number of runs of the small graph per measurement. */
const SMALL_ROUNDS = 10;

/**
 * Overhead per step of planning, conditions, results and events in graphs of
 * different sizes, with steps that do nothing.
 *
 * @returns The benchmark; its results are the time of 100,000 steps.
 */
export function graph(): Benchmark {
  const variants = Object.entries(SHAPES).flatMap(([shape, dependsOn]) =>
    COUNTS.map((count) => {
      const steps = createSteps(count, dependsOn);
      const rounds = count === COUNTS[0] ? SMALL_ROUNDS : 1;
      return {
        name: `${count} steps, ${shape}`,
        async measure() {
          const start = performance.now();
          for (let round = 0; round < rounds; round++) await runGraph(steps);
          return performance.now() - start;
        },
      };
    })
  );
  return {
    title: "Graph (time of 100,000 steps)",
    unit: "ms",
    variants,
    comparisons: Object.keys(SHAPES).map((shape) => ({
      subject: `${COUNTS[1]} steps, ${shape}`,
      floor: `${COUNTS[0]} steps, ${shape}`,
      goal: "G11",
    })),
  };
}

function createSteps(
  count: number,
  dependsOn: (index: number) => readonly string[],
): readonly Step[] {
  const job = new Job("graph");
  for (let index = 0; index < count; index++) {
    const name: string = `s${index}`;
    job.addStep(name, "true", { dependsOn: dependsOn(index) as never[] });
  }
  return job.steps;
}

async function runGraph(steps: readonly Step[]): Promise<void> {
  const plan = planJob(steps, {});
  let endedCount = 0;
  const run = new GraphRun(plan, {
    failurePolicy: "finish",
    onEvent: () => endedCount++,
    onFailure: () => {},
  });
  await schedule(plan.graph, {
    concurrency: 2,
    start(step) {
      if (!run.shouldStart(step)) return undefined;
      run.running.add(step);
      const startedAt = new Date();
      return Promise.resolve().then(() => {
        const end = { outcome: "success", exitCode: 0, signal: null } as const;
        run.end(step, { ...end, attemptResults: [] }, startedAt, 0);
      });
    },
  });
  if (endedCount !== steps.length) {
    throw new Error(`${endedCount} of ${steps.length} steps ended`);
  }
}
