import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { RunnerError } from "../../src/errors.ts";
import {
  type CoordinatorOptions,
  startCoordinator,
  type TestCoordinator,
} from "../helpers/coordinator.ts";
import { exists, makeFiles } from "../helpers/temporary_directory.ts";
import { type TestRunner, testRunner } from "../helpers/test_runner.ts";
import { decodeDocument } from "../helpers/trigger_decoder.ts";

async function withCoordinator(
  options: CoordinatorOptions,
  test: (made: TestRunner, coordinator: TestCoordinator) => Promise<void>,
  env: Record<string, string> = {},
): Promise<void> {
  await using coordinator = startCoordinator(options);
  await using made = await testRunner({ ...coordinator.env, ...env }, {
    allowInsecureTransport: true,
  });
  await test(made, coordinator);
  const said = made.stdout() + made.stderr();
  assert(!said.includes(coordinator.jobToken), said);
}

async function namesIn(path: string): Promise<string[]> {
  const { workflows } = decodeDocument(await Deno.readTextFile(path));
  return workflows.flatMap(({ jobs }) => jobs.map((job) => job.job_name));
}

describe("a job with follow-up jobs", () => {
  it("submits follow-up jobs to the coordinator, and leaves no file", () =>
    withCoordinator({ troubles: [503, "lost"] }, async (made, coordinator) => {
      made.runner.triggerJob("b", { dependsOn: ["a"] });
      made.runner.triggerJob("a");
      const result = await made.runner.runJob({ command: "true" });
      assertEquals(result.status, "success", result.error?.message);
      assertEquals(result.triggers.map(({ name }) => name), ["b", "a"]);
      assertEquals(coordinator.jobs.submitted, ["a", "b"]);
      assertEquals(await exists(`${made.path}/job/triggers.json`), false);
      await made.runner.runJob({ command: "true" });
      assertEquals(coordinator.requests.length, 3);
    }));

  it("never resends jobs that the coordinator refused", () =>
    withCoordinator({ troubles: [400] }, async (made, coordinator) => {
      made.runner.triggerJob("a");
      made.runner.triggerJob("b");
      const { status, error, triggers } = await made.runner.runJob({
        command: "true",
      });
      assertEquals([status, triggers], ["failed", []]);
      assertStringIncludes(error!.message, 'not now; refused: "a", "b"');
      assertEquals(coordinator.requests.length, 1);
      assertEquals(await exists(`${made.path}/job/triggers.json`), false);
      made.runner.triggerJob("c");
      assertEquals((await made.runner.flushTriggers()).length, 1);
      assertEquals(coordinator.jobs.submitted, ["c"]);
    }));

  it("refuses invalid jobs and their dependents, and submits the rest", () =>
    withCoordinator({}, async (made, coordinator) => {
      made.runner.triggerJobs([
        { name: "lint" },
        { name: "test", dependsOn: ["biuld"] },
        { name: "report", dependsOn: ["test", "lint"], condition: "always" },
        { name: "one", dependsOn: ["two"] },
        { name: "two", dependsOn: ["one"] },
        { name: "build", dependsOn: ["lint"] },
      ]);
      const { status, error, triggers } = await made.runner.runJob({
        command: "true",
      });
      assertEquals(status, "failed");
      assertEquals(triggers.map(({ name }) => name), ["lint", "build"]);
      assertEquals(coordinator.jobs.submitted, ["lint", "build"]);
      assertEquals(
        error!.message,
        'Cannot trigger "test": its dependency "biuld" is not triggered; did you mean "build"?; ' +
          'cannot trigger "report": its dependency "test" is refused; ' +
          'cannot trigger "one": it waits for itself: one → two → one; ' +
          'cannot trigger "two": its dependency "one" is refused',
      );
      assertStringIncludes(made.stderr(), error!.message);
      assertEquals(await made.runner.flushTriggers(), []);
    }));

  it("refuses fields that only a job started by an event can set", () =>
    withCoordinator({ parent: {} }, async (made, coordinator) => {
      made.runner.triggerJob("gpu", { capabilities: ["gpu"] });
      made.runner.triggerJob("ci", { ciSourceUrl: "https://git.example/ci" });
      made.runner.triggerJob("fine", { ciSourceType: "none" });
      const error = await assertRejects(
        () => made.runner.flushTriggers(),
        RunnerError,
        'Cannot trigger "gpu": capabilities must not be set: this job was submitted directly',
      );
      assertEquals(error.code, "invalid-trigger");
      assertStringIncludes(error.message, '"ci": ciSourceUrl must not be set');
      assertEquals(coordinator.jobs.submitted, ["fine"]);
      assertEquals(coordinator.jobs.doomed, []);
    }));

  it("keeps refused jobs from affecting jobs of other programs", async () => {
    await using made = await testRunner({ REACTORCIDE_RUN_ID: "run" });
    made.runner.triggerJob("bad", { dependsOn: ["missing"] });
    made.runner.triggerJob("good");
    await assertRejects(() => made.runner.flushTriggers(), RunnerError);
    await made.runner.withTriggers((t) => t.triggerJob("later"));
    const path = `${made.path}/job/triggers.json`;
    assertEquals(await namesIn(path), ["good", "later"]);
    // Only the job whose name is taken is refused.
    made.runner.triggerJobs([{ name: "good" }, { name: "last" }]);
    await assertRejects(
      () => made.runner.flushTriggers(),
      RunnerError,
      'Cannot trigger "good": it is already in',
    );
    assertEquals(await namesIn(path), ["good", "later", "last"]);
  });

  it("submits to the coordinator despite a broken file", () =>
    withCoordinator({}, async (made, coordinator) => {
      made.runner.triggerJob("a");
      const { status } = await made.runner.runJob({
        command: "mkdir -p job && echo broken > job/triggers.json",
      });
      assertEquals(status, "success");
      assertEquals(coordinator.jobs.submitted, ["a"]);
      assertStringIncludes(made.stderr(), "it is not valid JSON");
      const file = `${made.path}/job/triggers.json`;
      assertEquals(await Deno.readTextFile(file), "broken\n");
    }));

  it("logs why a job fails although its command succeeded", async () => {
    await using coordinator = startCoordinator();
    await using made = await testRunner(coordinator.env);
    made.runner.triggerJob("a");
    const { status } = await made.runner.runJob({ command: "true" });
    assertEquals(status, "failed");
    assertStringIncludes(
      made.stderr(),
      `[job] error: Cannot use coordinator "${coordinator.url}": plain HTTP would send`,
    );
    assertStringIncludes(
      made.stderr(),
      "REACTORCIDE_ALLOW_INSECURE_TRANSPORT=true",
    );
    assertEquals(coordinator.requests, []);
  });

  it("uses plain HTTP if a variable allows it and the runner does not forbid it", async () => {
    await using coordinator = startCoordinator({
      jobs: [{ job_id: "1", name: "a", status: "running", created_at: "1" }],
    });
    const env = {
      ...coordinator.env,
      REACTORCIDE_READ_TOKEN: coordinator.readToken,
      REACTORCIDE_ALLOW_INSECURE_TRANSPORT: "true",
    };
    await using made = await testRunner(env);
    await made.runner.withTriggers((t) => t.triggerJob("b"));
    assertEquals(
      await made.runner.isJobRunning("a", { scope: "organization" }),
      true,
    );
    assertEquals(coordinator.requests.length, 2);
    await using strict = await testRunner(env, {
      allowInsecureTransport: false,
    });
    for (
      const action of [
        () => strict.runner.withTriggers((t) => t.triggerJob("b")),
        () => strict.runner.isJobRunning("a"),
        () => strict.runner.getJobResult("a"),
      ]
    ) await assertRejects(action, RunnerError, "plain HTTP would send");
    assertEquals(coordinator.requests.length, 2);
  });

  it("uses the file if the option is set, with or without a coordinator", () =>
    withCoordinator({}, async (made, coordinator) => {
      made.runner.triggerJob("a");
      await made.runner.runJob({
        command: "true",
        triggers: { transport: "file" },
      });
      assertEquals(await namesIn(`${made.path}/job/triggers.json`), ["a"]);
      assertEquals(coordinator.requests, []);
    }));

  it("can be cancelled while the coordinator does not answer", () =>
    withCoordinator({ troubles: ["hang"] }, async (made, coordinator) => {
      made.runner.triggerJob("a");
      const running = made.runner.runJob({ command: "true" });
      while (coordinator.requests.length === 0) {
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      made.signal("SIGTERM");
      const { status, exitCode } = await running;
      assertEquals([status, exitCode], ["cancelled", 143]);
    }));

  it("prints no trigger if it fails", async () => {
    await using made = await testRunner({
      REACTORCIDE_TRIGGER_TRANSPORT: "stdout",
      REACTORCIDE_TRIGGER_NONCE: "the-nonce",
    });
    made.runner.triggerJob("a");
    await made.runner.runJob({ command: "printf x; exit 1" });
    assertEquals(made.stdout(), "x");
    made.runner.triggerJob("a");
    await made.runner.runJob({ command: "printf x" });
    const [, line] = made.stdout().split("\n");
    assertEquals(JSON.parse(line).nonce, "the-nonce");
    assertEquals(decodeDocument(line).workflows[0].jobs[0].job_name, "a");
  });

  it("does not start without a nonce for triggers on standard output", async () => {
    await using made = await testRunner();
    const error = await assertRejects(
      () =>
        made.runner.runJob({
          command: "touch started",
          triggers: { transport: "stdout" },
        }),
      RunnerError,
    );
    assertEquals(error.code, "invalid-config");
    assertEquals(await exists(`${made.path}/started`), false);
  });
});

describe("withTriggers()", () => {
  it("submits the jobs of the function as one document", () =>
    withCoordinator({}, async ({ runner }, coordinator) => {
      runner.triggerJob("another");
      const value = await runner.withTriggers(async (t) => {
        t.triggerJob("a");
        await Promise.resolve();
        t.triggerJobs([{ name: "b", dependsOn: ["a"] }]);
        return 42;
      });
      assertEquals(value, 42);
      assertEquals(coordinator.jobs.submitted, ["a", "b"]);
      assertEquals(coordinator.requests.length, 1);
    }));

  it("submits nothing if the function fails or adds nothing", () =>
    withCoordinator({}, async ({ runner }, coordinator) => {
      await assertRejects(
        () =>
          runner.withTriggers((t) => {
            t.triggerJob("a");
            throw new Error("broken");
          }),
        Error,
        "broken",
      );
      await runner.withTriggers(() => {});
      await assertRejects(
        () =>
          runner.withTriggers((t) => t.triggerJob("a", { dependsOn: ["b"] })),
        RunnerError,
      );
      assertEquals(coordinator.requests, []);
    }));

  it("refuses an invalid configuration", async () => {
    const envs: Record<string, string>[] = [
      { REACTORCIDE_TRIGGER_TRANSPORT: "pigeon" },
      { REACTORCIDE_COORDINATOR_TIMEOUT: "soon" },
    ];
    for (const env of envs) {
      await using made = await testRunner(env);
      const error = await assertRejects(
        () => made.runner.withTriggers((t) => t.triggerJob("a")),
        RunnerError,
      );
      assertEquals(error.code, "invalid-config");
    }
  });

  it("adds to the jobs of other programs", async () => {
    await using made = await testRunner({
      REACTORCIDE_RUN_ID: "run",
    });
    const file = "job/triggers.json";
    const document = { type: "trigger_job", jobs: [{ job_name: "first" }] };
    await makeFiles(made.path, { [file]: JSON.stringify(document) });
    await Promise.all(
      ["a", "b", "c"].map((name) =>
        made.runner.withTriggers((t) => t.triggerJob(name))
      ),
    );
    const names = await namesIn(`${made.path}/${file}`);
    assertEquals(names.sort(), ["a", "b", "c", "first"]);
  });
});
