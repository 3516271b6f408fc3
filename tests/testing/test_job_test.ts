import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Job } from "@reactorcide/runnerlib";
import {
  assertEnv,
  assertOrder,
  assertRan,
  commandsFromRecord,
  commandsOf,
  testJob,
} from "@reactorcide/runnerlib/testing";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";
import { testRunner } from "../helpers/test_runner.ts";

describe("testJob()", () => {
  it("runs no program, and tells what would have run", async () => {
    await using directory = await temporaryDirectory();
    const job = new Job("release")
      .addStep("build", `touch ${directory.path}/built; echo "$WHO"`)
      .addStep("push", ["git", "push", "a b"], { dependsOn: ["build"] });
    const test = await testJob(job, {
      env: { WHO: "world" },
      commands: { build: { stdout: "built\n" } },
    });
    assertEquals(test.status, "success");
    assertEquals(await Array.fromAsync(Deno.readDir(directory.path)), []);
    assertEquals(test.stdout, "build | built\n");
    assertEquals(test.commands.map(({ step, text }) => [step, text]), [
      ["build", `touch ${directory.path}/built; echo "$WHO"`],
      ["push", "git push 'a b'"],
    ]);
    assertEnv(test, "build", { WHO: "world", HOME: undefined });
    assertOrder(test, ["build", "push"]);
  });

  it("lets virtual time pass: commands, retries and time limits", async () => {
    const job = new Job("slow")
      .addStep("flaky", "deploy", {
        retry: { attempts: 4, delayMs: 60_000 },
      })
      .addStep("hour", "sleep 1h", { timeoutMs: 60 * 60_000 })
      .addStep("stuck", "sleep 1d", { timeoutMs: 90 * 60_000 });
    const test = await testJob(job, {
      commands: {
        flaky: [
          { exitCode: 1, durationMs: 1_000 },
          { exitCode: 1 },
          { exitCode: 0 },
        ],
        hour: { durationMs: 59 * 60_000 },
        stuck: { durationMs: 24 * 60 * 60_000, ignoresTermination: true },
      },
      config: { failurePolicy: "continue" },
    });
    assertEquals(
      commandsOf(test, "flaky").map(({ startMs }) => startMs),
      [0, 61_000, 121_000],
    );
    assertEquals(
      test.steps.map(({ name, outcome, durationMs }) => [
        name,
        outcome,
        durationMs,
      ]),
      [
        ["flaky", "success", 121_000],
        ["hour", "success", 59 * 60_000],
        ["stuck", "timeout", 90 * 60_000 + 10_000],
      ],
    );
    const [{ signal, endMs }] = commandsOf(test, "stuck");
    assertEquals([signal, endMs], ["SIGKILL", 90 * 60_000 + 10_000]);
    assertEquals(test.exitCode, 124);
  });

  it("ends the job at its time limit, and runs what always runs", async () => {
    const job = new Job("late")
      .addStep("test", "make test")
      .addStep("clean", "make clean", {
        dependsOn: ["test"],
        condition: "always",
      })
      .addStep("deploy", "make deploy", { dependsOn: ["test"] });
    const test = await testJob(job, {
      commands: { test: { durationMs: 120_000 } },
      config: { limits: { timeoutMs: 60_000 } },
    });
    assertEquals(test.status, "timeout");
    assertRan(test, ["test", "clean"]);
    assertEquals(commandsOf(test, "clean")[0].startMs, 60_000);
  });

  it("runs functions for real, with recorded commands and outputs", async () => {
    const job = new Job("release")
      .addStep("version", "make version")
      .addStep("notes", async ({ $, outputs }) => {
        const { tag } = outputs.version;
        const lines = await $`git log ${tag}`.lines();
        const { exitCode } = await $`git diff --quiet`.noThrow();
        return { count: lines.length, exitCode };
      }, { dependsOn: ["version"] })
      .addStep("publish", "make publish", { dependsOn: ["notes"] });
    const test = await testJob(job, {
      commands: {
        version: { outputs: { tag: "1.2" } },
        notes: ({ text }) =>
          text.startsWith("git log") ? { stdout: "a\nb\n" } : { exitCode: 1 },
      },
    });
    assertEquals(commandsOf(test, "notes").map(({ text }) => text), [
      "git log '1.2'",
      "git diff --quiet",
    ]);
    assertEnv(test, "publish", {
      REACTORCIDE_OUTPUT_NOTES_COUNT: "2",
      REACTORCIDE_OUTPUT_NOTES_EXITCODE: "1",
    });
  });

  it("tests permissions on machines that cannot enforce them", async () => {
    const job = new Job("confined")
      .addStep("check", "make check", {
        permissions: { read: ["/missing"], env: ["KEPT"] },
      })
      .addStep("theirs", "make", { untrusted: true });
    const test = await testJob(job, { env: { KEPT: "1", LOST: "2" } });
    assertEquals(test.status, "success", test.stderr);
    assertEnv(test, "check", { KEPT: "1", LOST: undefined });
    assertEnv(test, "theirs", { KEPT: undefined });
  });

  it("masks secrets in what the job prints", async () => {
    const test = await testJob(new Job("a").addStep("show", "env"), {
      env: { API_TOKEN: "hunter2-s3cret" },
      commands: { show: ({ env }) => ({ stdout: `${env.API_TOKEN}\n` }) },
    });
    assertEquals(test.stdout, "[REDACTED]\n");
  });

  it("keeps services and background steps until they are no longer needed", async () => {
    await using directory = await temporaryDirectory();
    await makeFiles(directory.path, {
      "job.yaml": `steps:
  - { name: db, service: true, ports: [db], ready: { port: db }, run: postgres }
  - { name: log, background: true, run: tail -f log }
  - { name: unit, needs: [db], matrix: { os: [linux, mac] }, run: make unit }
`,
    });
    const test = await testJob(`${directory.path}/job.yaml`, {
      commands: { unit: { durationMs: 5_000 } },
    });
    assertEquals(test.status, "success", test.stderr);
    assertRan(test, ["db", "log", "unit (linux)", "unit (mac)"]);
    const [db] = commandsOf(test, "db");
    assertEquals([db.startMs, db.endMs, db.signal], [0, 5_000, "SIGTERM"]);
    assert(commandsOf(test, "unit (mac)")[0].env.REACTORCIDE_PORT_DB);
  });

  it("runs a job file with one command", async () => {
    await using directory = await temporaryDirectory();
    await makeFiles(directory.path, { "job.yaml": "command: make all\n" });
    const test = await testJob(`${directory.path}/job.yaml`, {
      commands: { command: { exitCode: 7, durationMs: 2_000 } },
    });
    assertEquals([test.exitCode, test.durationMs], [7, 2_000]);
    assertEquals(commandsOf(test, "command")[0].text, "make all");
  });

  it("runs 1,000 steps, four at a time", async () => {
    const job = new Job("large") as unknown as {
      addStep(name: string, run: string, options: object): void;
    } & Pick<Job, "steps">;
    for (let index = 0; index < 1_000; index++) {
      const dependsOn = index < 4 ? [] : [`s${index - 4}`];
      job.addStep(`s${index}`, `make ${index}`, { dependsOn });
    }
    const test = await testJob(job, { otherwise: { durationMs: 1_000 } });
    assertEquals(test.status, "success");
    assertEquals(test.commands.length, 1_000);
    assertEquals(test.durationMs, 250_000);
  });

  it("replays the record of a real run", async () => {
    await using real = await testRunner();
    const job = new Job("real")
      .addStep("flaky", "test -e done || { touch done; exit 9; }", {
        retry: { attempts: 2, delayMs: 1 },
      })
      .addStep("fails", "exit 3");
    await real.runner.runJob(job);
    const record = await Deno.readTextFile(
      `${real.path}/job/artifacts/run.jsonl`,
    );
    const test = await testJob(job, { commands: commandsFromRecord(record) });
    assertEquals(test.exitCode, 3);
    assertEquals(
      test.commands.map(({ step, exitCode }) => [step, exitCode]).sort(),
      [["fails", 3], ["flaky", 0], ["flaky", 9]],
    );
    assertThrows(() => commandsFromRecord("{}"), TypeError);
  });

  it("rejects for a job that cannot be run at all", async () => {
    await assertRejects(
      () => testJob("/nowhere/job.yaml"),
      Error,
      "/nowhere/job.yaml",
    );
  });
});

describe("the assertions", () => {
  const job = new Job("checks")
    .addStep("test", "make test")
    .addStep("report", "make report", {
      dependsOn: ["test"],
      condition: "any_failed",
    });

  it("say which step did not run, and why", async () => {
    const test = await testJob(job);
    assertRan(test, ["test"]);
    assertMatch(
      assertThrows(() => assertRan(test, ["report", "lint"]), Error).message,
      /"report" did not run: none of its dependencies failed[^]*"lint" did not run: the job has no such step[^]*"test" ran/,
    );
  });

  it("say in which order the steps ran, and what a variable was", async () => {
    const test = await testJob(job, { commands: { test: { exitCode: 1 } } });
    assertOrder(test, ["test", "report"]);
    assertMatch(
      assertThrows(() => assertOrder(test, ["report", "test"]), Error).message,
      /"test" started before "report" had ended; the order was:\n {2}test started\n {2}test ended\n {2}report started/,
    );
    assertMatch(
      assertThrows(() => assertEnv(test, "test", { CI: "no" }), Error).message,
      /"CI" of step "test" is "true", not "no"/,
    );
    assertThrows(() => commandsOf(test, "deploy"), Error, "no command");
    // Steps that overlap have no order.
    const parallel = new Job("parallel").addStep("a", "a").addStep("b", "b");
    const both = await testJob(parallel, { otherwise: { durationMs: 5 } });
    assertThrows(() => assertOrder(both, ["a", "b"]), Error, "had ended");
    assertThrows(() => assertOrder(both, ["b", "a"]), Error, "had ended");
  });
});
