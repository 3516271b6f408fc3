import { assert, assertEquals } from "@std/assert";
import {
  createScenarios,
  HEAD,
  type Outcome,
  type Scenario,
  scenarioRow,
  simulate,
} from "../../bench/scale.ts";

const WORKERS = 40;

function scenario(workflows: number, rest: Partial<Scenario> = {}): Scenario {
  return {
    name: "test",
    workflowCount: workflows,
    jobCount: 2_000 / workflows,
    workerCount: WORKERS,
    ...rest,
  };
}

function median(times: Float64Array): number {
  return times[Math.floor(times.length / 2)];
}

function assertWorks({ ranCount, skippedCount, ...outcome }: Outcome): void {
  assertEquals(ranCount + skippedCount, 2_000);
  assertEquals(outcome.waits.length, ranCount);
  assertEquals(outcome.maxRunning, WORKERS);
  assert(outcome.totalMs >= outcome.idealMs);
  assert(outcome.coordinatorLoad > 0 && outcome.coordinatorLoad < 1);
}

Deno.test("the simulation runs each job once, and is deterministic", async () => {
  const [one, again] = await Promise.all([
    simulate(scenario(100)),
    simulate(scenario(100)),
  ]);
  assertWorks(one);
  assert(one.skippedCount > 0, "a job that fails skips others");
  const row = scenarioRow(scenario(100), one);
  assertEquals(scenarioRow(scenario(100), again), row);
  assert(scenarioRow(scenario(100), await simulate(scenario(100), 2)) !== row);
});

Deno.test("the simulation confirms docs/scale.md", async () => {
  const [small, large, better, oldest, loaded] = await Promise.all([
    simulate(scenario(200)),
    simulate(scenario(1)),
    simulate(scenario(1, { checksDependentsOnly: true })),
    simulate(scenario(200, { runsOldestFirst: true })),
    simulate(scenario(200, { load: 0.8 })),
  ]);
  for (const outcome of [small, large, better, oldest]) assertWorks(outcome);
  // The coordinator looks at all jobs of a workflow after each end.
  assert(median(large.followUps) > 10 * median(small.followUps));
  assert(median(better.followUps) <= median(small.followUps));
  assert(median(oldest.workflowTimes) < 0.7 * median(small.workflowTimes));
  assert(median(loaded.waits) < 1_000);
});

Deno.test("the table of docs/scale.md has the scenarios of the simulation", async () => {
  const page = await Deno.readTextFile(
    new URL("../../docs/scale.md", import.meta.url),
  );
  const [, ...rows] = page.split(`| ${HEAD.join(" | ")} |`)[1].split("\n");
  const names = rows.slice(1).filter((row) => row.startsWith("|"))
    .map((row) => row.split("|")[1].trim());
  assertEquals(names, createScenarios(100_000, 1_000).map(({ name }) => name));
});
