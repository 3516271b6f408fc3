import { assertEquals } from "@std/assert";
import { Job } from "../../src/steps/job.ts";
import type { Step, StepResult } from "../../src/steps/step.ts";
import { Random } from "../helpers/random.ts";
import { testRunner } from "../helpers/test_runner.ts";

const CONDITIONS = ["all_success", "any_failed", "always"] as const;

/**
 * Description of a random step, from which the model and the job are created.
 */
interface RandomStep {
  name: string;
  dependsOn: string[];
  condition: typeof CONDITIONS[number];
  /** Whether each attempt fails, the last value for all that follow. */
  fails: boolean[];
  attempts: number;
  continueOnError: boolean;
  required: boolean;
}

function randomSteps(random: Random): RandomStep[] {
  const count = 1 + random.below(12);
  return Array.from({ length: count }, (_, index) => ({
    name: `s${index}`,
    dependsOn: Array.from({ length: index }, (_, need) => `s${need}`)
      .filter(() => random.below(3) === 0),
    condition: random.pick([...CONDITIONS, "all_success"]),
    fails: Array.from(
      { length: 1 + random.below(3) },
      () => random.below(4) === 0,
    ),
    attempts: 1 + random.below(3),
    continueOnError: random.below(5) === 0,
    required: random.below(5) !== 0,
  }));
}

type Line = [
  name: string,
  outcome: string,
  conclusion: string,
  attempts: number,
];

/**
 * Computes what should happen, one step after another. Simple rather than fast.
 */
function interpret(
  steps: RandomStep[],
  policy: "finish" | "continue",
): { lines: Line[]; order: string[]; status: string } {
  const lines = new Map<string, Line>();
  const order: string[] = [];
  const waiting = new Set(steps);
  const ready: RandomStep[] = [];
  let hasFailed = false;
  function collect() {
    for (const step of waiting) {
      if (!step.dependsOn.every((name) => lines.has(name))) continue;
      waiting.delete(step);
      ready.push(step);
    }
  }
  for (collect(); ready.length > 0; collect()) {
    const step = ready.shift()!;
    const conclusions = step.dependsOn.map((name) => lines.get(name)![2]);
    const ancestors = steps.filter(({ name }) => isAncestor(name, step, steps));
    const runs = step.condition === "always" ||
      (step.condition === "any_failed"
        ? ancestors.some(({ name }) => lines.get(name)![2] === "failed")
        : conclusions.every((one) => one === "success") &&
          !(hasFailed && policy === "finish"));
    if (!runs) {
      lines.set(step.name, [step.name, "skipped", "skipped", 0]);
      continue;
    }
    let attempts = 0;
    let failed = true;
    while (failed && attempts < step.attempts) {
      failed = step.fails[Math.min(attempts, step.fails.length - 1)];
      attempts++;
      order.push(step.name);
    }
    const conclusion = failed && !step.continueOnError ? "failed" : "success";
    if (conclusion === "failed" && step.required) hasFailed = true;
    const outcome = failed ? "failed" : "success";
    lines.set(step.name, [step.name, outcome, conclusion, attempts]);
  }
  return {
    lines: steps.map(({ name }) => lines.get(name)!),
    order,
    status: hasFailed ? "failed" : "success",
  };
}

function isAncestor(
  name: string,
  { dependsOn }: RandomStep,
  steps: RandomStep[],
): boolean {
  return dependsOn.some((need) =>
    need === name ||
    isAncestor(name, steps.find((step) => step.name === need)!, steps)
  );
}

function realJob(steps: RandomStep[], order: string[]): Job {
  const job = new Job("random");
  for (const { name, fails, attempts, ...options } of steps) {
    const run: Step["run"] = ({ attempt }: { attempt: number }) => {
      order.push(name);
      if (fails[Math.min(attempt, fails.length) - 1]) throw new Error("fails");
    };
    // The type of a job does not know random names.
    (job.addStep as (name: string, run: unknown, options: unknown) => void)
      .call(job, name, run, { ...options, retry: { attempts, delayMs: 0 } });
  }
  return job;
}

const lineOf = ({ name, outcome, conclusion, attempts }: StepResult): Line => [
  name,
  outcome,
  conclusion,
  attempts,
];

Deno.test("a job of steps does what a naive interpreter does", async () => {
  const random = new Random();
  await using test = await testRunner();
  for (let round = 0; round < 150; round++) {
    const steps = randomSteps(random);
    const policy = random.pick(["finish", "continue"] as const);
    const order: string[] = [];
    const expected = interpret(steps, policy);
    const result = await test.runner.runJob(realJob(steps, order), {
      failurePolicy: policy,
      limits: { concurrency: 1 },
    });
    assertEquals(
      {
        lines: result.steps.map(lineOf),
        order,
        status: result.status,
      },
      expected,
      `seed ${random.seed}, round ${round}`,
    );
  }
});

Deno.test("a job with many concurrent steps starts none before its dependencies have ended", async () => {
  const random = new Random();
  await using test = await testRunner();
  for (let round = 0; round < 50; round++) {
    const steps = randomSteps(random).map((step) => ({
      ...step,
      fails: [false],
      condition: "all_success" as const,
    }));
    const events: string[] = [];
    const job = new Job("random");
    for (const { name, dependsOn } of steps) {
      const wait = random.below(3);
      (job.addStep as (...args: unknown[]) => void).call(
        job,
        name,
        async () => {
          events.push(`+${name}`);
          for (let turn = 0; turn < wait; turn++) await Promise.resolve();
          events.push(`-${name}`);
        },
        { dependsOn },
      );
    }
    const { status } = await test.runner.runJob(job, {
      limits: { concurrency: 4 },
    });
    assertEquals(status, "success");
    for (const { name, dependsOn } of steps) {
      const start = events.indexOf(`+${name}`);
      for (const need of dependsOn) {
        const end = events.indexOf(`-${need}`);
        const isRight = end !== -1 && end < start;
        assertEquals(isRight, true, `seed ${random.seed}: ${events}`);
      }
    }
  }
});
