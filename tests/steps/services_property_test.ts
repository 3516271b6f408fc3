import { assert, assertEquals } from "@std/assert";
import { Job } from "../../src/steps/job.ts";
import type { StepEvent } from "../../src/steps/step.ts";
import { Random } from "../helpers/random.ts";
import { testRunner } from "../helpers/test_runner.ts";

/**
 * Description of a random step, from which the model and the job are created.
 */
interface RandomStep {
  name: string;
  dependsOn: string[];
  isService: boolean;
  isAlways: boolean;
  fails: boolean;
}

function randomSteps(random: Random): RandomStep[] {
  const steps = Array.from({ length: 2 + random.below(8) }, (_, index) => ({
    name: `s${index}`,
    dependsOn: Array.from({ length: index }, (_, need) => `s${need}`)
      .filter(() => random.below(3) === 0),
    isService: random.below(2) === 0,
    isAlways: random.below(5) === 0,
    fails: random.below(5) === 0,
  }));
  return steps.map((step) => ({
    ...step,
    // A service that nothing needs is refused.
    isService: step.isService &&
      steps.some(({ dependsOn }) => dependsOn.includes(step.name)),
  }));
}

/** Says how each step should end, in the order of their definition. */
function outcomesOf(steps: RandomStep[]): Map<string, string> {
  const outcomes = new Map<string, string>();
  for (const { name, dependsOn, isAlways, fails } of steps) {
    const lacksService = steps.some((step) =>
      step.isService && dependsOn.includes(step.name) &&
      outcomes.get(step.name) === "failed"
    );
    const isHeld = dependsOn.some((need) => outcomes.get(need) !== "success");
    const outcome = isAlways || !isHeld
      ? fails ? "failed" : "success"
      : lacksService
      ? "failed"
      : "skipped";
    outcomes.set(name, outcome);
  }
  return outcomes;
}

function jobOf(steps: RandomStep[]): Job<Record<string, unknown>> {
  const job = new Job("x") as unknown as Job<Record<string, unknown>>;
  for (const { name, dependsOn, isService, isAlways, fails } of steps) {
    const condition = isAlways ? "always" : "all_success";
    if (isService) {
      const command = fails ? "echo no; exit 3" : "echo up; exec sleep 60";
      const ready = { log: ["up"], intervalMs: 10 };
      job.addService(name, command, { dependsOn, condition, ready });
    } else {
      job.addStep(name, async () => {
        await Promise.resolve();
        if (fails) throw new Error("no");
      }, { dependsOn, condition });
    }
  }
  return job;
}

Deno.test("services run for exactly as long as steps need them, in random jobs", async () => {
  const random = new Random();
  for (let round = 0; round < 25; round++) {
    const steps = randomSteps(random);
    const shown = `seed ${random.seed}: ${JSON.stringify(steps)}`;
    const events: StepEvent[] = [];
    await using test = await testRunner();
    const result = await test.runner.runJob(jobOf(steps), {
      failurePolicy: "continue",
      limits: { concurrency: 1 + random.below(3) },
      onStepEvent: (event) => void events.push(event),
    });
    assertEquals(
      result.steps.map(({ name, outcome }) => [name, outcome]),
      [...outcomesOf(steps)],
      shown,
    );
    const at = (type: StepEvent["type"], name: string) =>
      events.findIndex((event) =>
        event.type === type &&
        ("step" in event
            ? event.step
            : "result" in event && event.result.name) ===
          name
      );
    for (const service of steps.filter(({ isService }) => isService)) {
      const ready = at("ready", service.name);
      if (ready === -1) continue;
      const users = steps.filter(({ dependsOn }) =>
        dependsOn.includes(service.name)
      );
      for (const { name } of users) {
        const started = at("started", name);
        assert(started === -1 || started > ready, shown);
        assert(at("ended", name) < at("ended", service.name), shown);
      }
    }
  }
});
