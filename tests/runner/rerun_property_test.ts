import { assertEquals } from "@std/assert";
import { Job } from "../../src/steps/job.ts";
import { Random } from "../helpers/random.ts";
import { testRunner } from "../helpers/test_runner.ts";

const ROUNDS = 40;

/** A random step; the model and the real job read the same. */
interface RandomStep {
  readonly name: string;
  readonly dependsOn: readonly string[];
}

function randomSteps(random: Random): RandomStep[] {
  return Array.from({ length: 1 + random.below(9) }, (_, index) => ({
    name: `s${index}`,
    dependsOn: Array.from({ length: index }, (_, need) => `s${need}`)
      .filter(() => random.below(3) === 0),
  }));
}

/** Returns the steps that run and that succeed, by checking each one in turn. */
function modelRun(
  steps: readonly RandomStep[],
  failing: ReadonlySet<string>,
  done: ReadonlySet<string>,
): { ran: string[]; succeeded: Set<string> } {
  const ran: string[] = [];
  const succeeded = new Set(done);
  for (const { name, dependsOn } of steps) {
    if (done.has(name)) continue;
    if (!dependsOn.every((need) => succeeded.has(need))) continue;
    ran.push(name);
    if (!failing.has(name)) succeeded.add(name);
  }
  return { ran, succeeded };
}

Deno.test("--rerun-failed runs what has not succeeded, until all has", async () => {
  const random = new Random();
  for (let round = 0; round < ROUNDS; round++) {
    await using test = await testRunner();
    const steps = randomSteps(random);
    const ran: string[] = [];
    const failing = new Set<string>();
    const job = new Job("random") as unknown as {
      addStep(name: string, run: () => unknown, options: object): void;
    } & Pick<Job, "steps">;
    for (const { name, dependsOn } of steps) {
      job.addStep(name, () => {
        ran.push(name);
        if (failing.has(name)) throw new Error("it fails");
        return { from: name };
      }, { dependsOn });
    }
    let done: ReadonlySet<string> = new Set();
    for (let count = 0; count === 0 || done.size < steps.length; count++) {
      failing.clear();
      // Some failures are repaired each time, and others are new.
      for (const { name } of steps) {
        if (random.below(3 + count) === 0) failing.add(name);
      }
      ran.length = 0;
      const { status } = await test.runner.runJob(job as Job, {
        failurePolicy: "continue",
        selection: { rerunFailed: count > 0 },
      });
      const model = modelRun(steps, failing, done);
      const seed = `seed ${random.seed}, round ${round}`;
      assertEquals([...ran].sort(), [...model.ran].sort(), seed);
      assertEquals(
        status === "success",
        model.succeeded.size === steps.length,
        seed,
      );
      done = model.succeeded;
    }
  }
});
