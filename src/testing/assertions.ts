import { AssertionError } from "@std/assert";
import type { TestedCommand } from "./recorded_system.ts";
import type { TestedJob } from "./test_job.ts";

/**
 * Asserts that exactly these steps ran, in any order.
 *
 * @param test The tested job.
 * @param steps Names of the steps.
 *
 * @example
 * ```ts
 * import { Job } from "@reactorcide/runnerlib";
 * import { assertRan, testJob } from "@reactorcide/runnerlib/testing";
 *
 * const job = new Job("checks")
 *   .addStep("test", "make test")
 *   .addStep("report", "make report", {
 *     dependsOn: ["test"],
 *     condition: "any_failed",
 *   });
 * assertRan(await testJob(job), ["test"]);
 * ```
 */
export function assertRan(
  { timeline, steps }: Pick<TestedJob, "timeline" | "steps">,
  expected: readonly string[],
): void {
  const ran = new Set(timeline.map(({ step }) => step));
  const missing = expected.filter((name) => !ran.has(name));
  const extra = [...ran].filter((name) => !expected.includes(name));
  if (missing.length === 0 && extra.length === 0) return;
  const findReason = (name: string) => {
    const step = steps.find((one) => one.name === name);
    return step === undefined
      ? "the job has no such step"
      : step.reason ?? step.outcome;
  };
  throw new AssertionError([
    "The wrong steps ran:",
    ...missing.map((name) => `  "${name}" did not run: ${findReason(name)}`),
    ...extra.map((name) => `  "${name}" ran`),
  ].join("\n"));
}

/**
 * Asserts that steps ran one after the other: each one started after the last
 * attempt of the step before it had ended.
 *
 * @param test The tested job.
 * @param steps Names of steps, in the expected order; others may run between
 * them.
 *
 * @example
 * ```ts
 * import { Job } from "@reactorcide/runnerlib";
 * import { assertOrder, testJob } from "@reactorcide/runnerlib/testing";
 *
 * const job = new Job("release")
 *   .addStep("build", "make")
 *   .addStep("deploy", "make deploy", { dependsOn: ["build"] });
 * assertOrder(await testJob(job), ["build", "deploy"]);
 * ```
 */
export function assertOrder(
  { timeline }: Pick<TestedJob, "timeline">,
  steps: readonly string[],
): void {
  const order = timeline.map(({ type, step }) => `${step} ${type}`);
  for (const [index, step] of steps.entries()) {
    const start = order.indexOf(`${step} started`);
    if (start === -1) throw new AssertionError(`Step "${step}" did not run`);
    const before = steps[index - 1];
    if (before === undefined || order.lastIndexOf(`${before} ended`) < start) {
      continue;
    }
    throw new AssertionError(
      `Step "${step}" started before "${before}" had ended; the order was:\n${
        order.map((line) => `  ${line}`).join("\n")
      }`,
    );
  }
}

/**
 * Asserts that each command of a step got these variables.
 *
 * @param test The tested job.
 * @param step Name of the step.
 * @param expected Values by name; `undefined` for a variable that must not be
 * set.
 *
 * @example
 * ```ts
 * import { Job } from "@reactorcide/runnerlib";
 * import { assertEnv, testJob } from "@reactorcide/runnerlib/testing";
 *
 * const job = new Job("release")
 *   .addStep("version", "make version")
 *   .addStep("tag", "git tag", { dependsOn: ["version"] });
 * const test = await testJob(job, {
 *   commands: { version: { outputs: { name: "1.2.3" } } },
 * });
 * assertEnv(test, "tag", {
 *   REACTORCIDE_OUTPUT_VERSION_NAME: "1.2.3",
 *   GITHUB_TOKEN: undefined,
 * });
 * ```
 */
export function assertEnv(
  test: Pick<TestedJob, "commands">,
  step: string,
  expected: Readonly<Record<string, string | undefined>>,
): void {
  for (const { env } of commandsOf(test, step)) {
    for (const [name, value] of Object.entries(expected)) {
      if (env[name] === value) continue;
      throw new AssertionError(
        `Variable "${name}" of step "${step}" is ${
          formatValue(env[name])
        }, not ${formatValue(value)}`,
      );
    }
  }
}

/**
 * Returns the commands that a step started, at least one.
 *
 * @param test The tested job.
 * @param step Name of the step.
 *
 * @example
 * ```ts
 * import { Job } from "@reactorcide/runnerlib";
 * import { commandsOf, testJob } from "@reactorcide/runnerlib/testing";
 * import { assertEquals } from "@std/assert";
 *
 * const job = new Job("release").addStep("push", async ({ $ }) => {
 *   const { stdout } = await $`git rev-parse HEAD`;
 *   await $`git push origin ${stdout.trim()}`;
 * });
 * const test = await testJob(job, {
 *   commands: {
 *     push: ({ text }) => text.includes("rev-parse") ? { stdout: "abc\n" } : {},
 *   },
 * });
 * assertEquals(commandsOf(test, "push").map(({ text }) => text), [
 *   "git rev-parse HEAD",
 *   "git push origin 'abc'",
 * ]);
 * ```
 */
export function commandsOf(
  { commands }: Pick<TestedJob, "commands">,
  step: string,
): readonly TestedCommand[] {
  const found = commands.filter((command) => command.step === step);
  if (found.length > 0) return found;
  throw new AssertionError(`Step "${step}" started no command`);
}

function formatValue(value: string | undefined): string {
  return value === undefined ? "not set" : JSON.stringify(value);
}
