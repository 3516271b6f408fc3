/**
 * A test kit for pipelines: it runs a job with recorded commands instead of
 * programs, in virtual time.
 *
 * ```ts
 * import { Job } from "@reactorcide/runnerlib";
 * import { assertOrder, testJob } from "@reactorcide/runnerlib/testing";
 *
 * const job = new Job("release")
 *   .addStep("test", "make test")
 *   .addStep("publish", "make publish", { dependsOn: ["test"] });
 *
 * const test = await testJob(job, { commands: { test: { durationMs: 60_000 } } });
 * assertOrder(test, ["test", "publish"]);
 * ```
 *
 * @module
 */
export {
  type StepMoment,
  type TestedJob,
  testJob,
  type TestJobOptions,
} from "./src/testing/test_job.ts";
export type {
  CommandReply,
  RecordedCommand,
  StartedCommand,
  TestedCommand,
} from "./src/testing/recorded_system.ts";
export {
  assertEnv,
  assertOrder,
  assertRan,
  commandsOf,
} from "./src/testing/assertions.ts";
export { commandsFromRecord } from "./src/testing/recorded_system.ts";
