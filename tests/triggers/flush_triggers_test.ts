import { assertEquals, assertRejects } from "@std/assert";
import { RunnerError } from "../../src/errors.ts";
import {
  flushTriggers,
  type FlushTriggersOptions,
} from "../../src/triggers/flush_triggers.ts";
import {
  createRunnerContext,
  type RunnerContext,
} from "../../src/runner/runner_context.ts";
import { TriggerQueue } from "../../src/triggers/queue.ts";
import { startCoordinator, type Trouble } from "../helpers/coordinator.ts";
import { BARE_ENV } from "../helpers/running.ts";
import { exists } from "../helpers/temporary_directory.ts";
import { testRunner } from "../helpers/test_runner.ts";
import { decodeDocument } from "../helpers/trigger_decoder.ts";

const OPTIONS: FlushTriggersOptions = {
  file: "/job/triggers.json",
  transport: "auto",
  coordinatorTimeoutMs: 1_000,
  allowInsecureTransport: true,
  retry: { attempts: 2, delayMs: 1 },
};

/** Flushes a queue while requests to the coordinator fail. */
async function failingFlush(
  runner: RunnerContext,
  queue: TriggerQueue,
): Promise<string> {
  const { message } = await assertRejects(
    () => flushTriggers(runner, queue, OPTIONS),
    RunnerError,
  );
  return message;
}

async function withTroubles(
  troubles: Trouble[],
  test: (
    coordinator: ReturnType<typeof startCoordinator>,
    runner: RunnerContext,
    file: string,
  ) => Promise<void>,
): Promise<void> {
  await using coordinator = startCoordinator({ troubles });
  await using made = await testRunner(coordinator.env);
  const file = `${made.path}/job/triggers.json`;
  await test(coordinator, createRunnerContext(made.host), file);
}

async function namesIn(file: string): Promise<string[]> {
  const { workflows } = decodeDocument(await Deno.readTextFile(file));
  return workflows.flatMap(({ jobs }) => jobs.map((job) => job.job_name));
}

Deno.test("flushTriggers() keeps jobs after a transient failure of the coordinator", () =>
  withTroubles([503, 503, 401, 404], async (coordinator, runner, file) => {
    const queue = new TriggerQueue();
    queue.add({ name: "a" });
    for (const status of [503, 401, 404]) {
      const message = await failingFlush(runner, queue);
      assertEquals(
        message.includes(`it responded with ${status}`),
        true,
        message,
      );
      assertEquals(queue.size, 1);
      assertEquals(await namesIn(file), ["a"]);
    }
    const { triggers, path } = await flushTriggers(runner, queue, OPTIONS);
    assertEquals([triggers.length, path], [1, undefined]);
    assertEquals(new Set(coordinator.requests.map(({ body }) => body)).size, 1);
    assertEquals(coordinator.jobs.submitted, ["a"]);
    assertEquals(await exists(file), false);
  }));

Deno.test("flushTriggers() accepts an empty response after one that was lost", () =>
  withTroubles(["lost", "lost"], async (coordinator, runner) => {
    const queue = new TriggerQueue();
    queue.add({ name: "a" });
    await failingFlush(runner, queue);
    assertEquals(
      (await flushTriggers(runner, queue, OPTIONS)).triggers.length,
      1,
    );
    assertEquals(coordinator.jobs.submitted, ["a"]);
    assertEquals(queue.size, 0);
  }));

Deno.test("flushTriggers() discards jobs that the coordinator refused", () =>
  withTroubles([400, 413, 422, 403], async (coordinator, runner, file) => {
    for (const status of [400, 413, 422, 403]) {
      const queue = new TriggerQueue();
      // For a repository that operators do not allow, the status is 403.
      queue.add({ name: "a", sourceUrl: "https://git.example/other.git" });
      const message = await failingFlush(runner, queue);
      assertEquals(
        message.includes(`it responded with ${status}`),
        true,
        message,
      );
      assertEquals(
        message.includes('; refused: "a"; the coordinator logs'),
        true,
        message,
      );
      assertEquals(queue.size, 0);
      assertEquals(await exists(file), false);
    }
    assertEquals(coordinator.requests.length, 4);
  }));

Deno.test("flushTriggers() discards a document that starts no job", () =>
  withTroubles(["nothing"], async (_, runner, file) => {
    const queue = new TriggerQueue();
    queue.add({ name: "a" });
    const message = await failingFlush(runner, queue);
    assertEquals(message.includes("started no job"), true, message);
    assertEquals([queue.size, await exists(file)], [0, false]);
  }));

Deno.test("flushTriggers() discards a document that is too large", () =>
  withTroubles([], async (coordinator, runner, file) => {
    const queue = new TriggerQueue();
    const forEach = Array(90).fill("x".repeat(100_000));
    queue.add({ name: "a", forEach });
    const message = await failingFlush(runner, queue);
    assertEquals(message.includes("they exceed 8388608 bytes"), true, message);
    assertEquals([queue.size, await exists(file)], [0, false]);
    queue.add({ name: "b" });
    await flushTriggers(runner, queue, OPTIONS);
    assertEquals(coordinator.jobs.submitted, ["b"]);
    queue.add({ name: "c", forEach });
    await assertRejects(
      () => flushTriggers(runner, queue, { ...OPTIONS, transport: "file" }),
      RunnerError,
      "it would exceed 8388608 bytes",
    );
    assertEquals([queue.size, await exists(file)], [0, false]);
  }));

Deno.test("flushTriggers() adds to earlier manual calls, and replaces nothing within a run", async () => {
  const options: FlushTriggersOptions = {
    ...OPTIONS,
    isAtomic: true,
    joinsEarlier: true,
  };
  await using made = await testRunner();
  const file = `${made.path}/job/triggers.json`;
  const call = async (name: string, env: Record<string, string> = {}) => {
    const queue = new TriggerQueue();
    queue.add({ name });
    const host = { ...made.host, env: { ...BARE_ENV, ...env } };
    await flushTriggers(createRunnerContext(host), queue, options);
  };
  const byHand = { REACTORCIDE_IN_CONTAINER: "false" };
  for (const name of ["a", "b", "a"]) await call(name, byHand);
  assertEquals(await namesIn(file), ["b", "a"]);
  const inRun = { ...byHand, REACTORCIDE_RUN_ID: "run" };
  await call("c", inRun);
  await assertRejects(() => call("c", inRun), RunnerError, "already");
  assertEquals(await namesIn(file), ["b", "a", "c"]);
});
