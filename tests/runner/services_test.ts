import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { RunnerError } from "../../src/errors.ts";
import type { JobResult } from "../../src/runner/job_result.ts";
import { Job } from "../../src/steps/job.ts";
import type { StepEvent } from "../../src/steps/step.ts";
import { waitForExit } from "../helpers/process_table.ts";
import { testRunner } from "../helpers/test_runner.ts";

/** Prints "up" and keeps running, as a shell that a signal ends. */
const UP = "echo up; exec sleep 60";

/** A service that is ready when it prints "up". */
const READY = { ready: { log: ["up"] } };

function endings({ steps }: JobResult): string[] {
  return steps.map(({ name, outcome, conclusion }) =>
    `${name}: ${outcome}/${conclusion}`
  );
}

function reasonOf({ steps }: JobResult, step: string): string {
  return steps.find(({ name }) => name === step)?.reason ?? "";
}

/** Reads the process ID that a step wrote, and waits for its end. */
async function isOver(path: string): Promise<void> {
  await waitForExit(Number(await Deno.readTextFile(path)));
}

describe("a service", () => {
  it("is ready before the steps that need it start, and ends after the last of them", async () => {
    await using test = await testRunner();
    const events: string[] = [];
    const result = await test.runner.runJob(
      new Job("x")
        .addService("db", `echo $$ > pid; ${UP}`, READY)
        .addStep("one", 'kill -0 "$(cat pid)"; touch one', {
          dependsOn: ["db"],
        })
        .addStep("two", 'kill -0 "$(cat pid)"; test -e one', {
          dependsOn: ["db", "one"],
        })
        .addStep("after", "true", { dependsOn: ["two"] }),
      {
        limits: { concurrency: 1 },
        onStepEvent(event: StepEvent) {
          if (event.type === "started" || event.type === "ready") {
            events.push(`${event.type} ${event.step}`);
          }
          if (event.type === "ended") events.push(`ended ${event.result.name}`);
        },
      },
    );
    assertEquals(endings(result), [
      "db: success/success",
      "one: success/success",
      "two: success/success",
      "after: success/success",
    ]);
    assertEquals(events.slice(0, 6), [
      "started db",
      "ready db",
      "started one",
      "ended one",
      "started two",
      "ended two",
    ]);
    assertMatch(reasonOf(result, "db"), /^service, ready after \d+\.\ds$/);
    await isOver(`${test.path}/pid`);
  });

  it("gives ports and outputs to the steps that need it, and to no other", async () => {
    await using test = await testRunner();
    const result = await test.runner.runJob(
      new Job("x")
        .addService(
          "db",
          `echo "url=db://$NAME:$REACTORCIDE_PORT_DB" > "$REACTORCIDE_OUTPUT"; ${UP}`,
          { ...READY, ports: ["db", "admin"], env: { NAME: "local" } },
        )
        .addStep(
          "test",
          'echo "$REACTORCIDE_PORT_DB=$REACTORCIDE_OUTPUT_DB_URL=$REACTORCIDE_PORT_ADMIN"',
          { dependsOn: ["db"] },
        )
        .addStep("function", ({ outputs, env }) => {
          assertEquals(
            outputs.db.url,
            `db://local:${env.REACTORCIDE_PORT_DB}`,
          );
        }, { dependsOn: ["db"] })
        .addStep("other", 'test -z "$REACTORCIDE_PORT_DB"'),
    );
    assertEquals(result.status, "success");
    const [, port, inUrl, admin] =
      /(\d+)=db:\/\/local:(\d+)=(\d+)/.exec(test.stdout()) ?? [];
    assertEquals(port, inUrl);
    assert(port !== admin && admin !== undefined);
  });

  it("can need a service, which ends after it", async () => {
    await using test = await testRunner();
    const result = await test.runner.runJob(
      new Job("x")
        .addService("db", `trap 'echo db >> order; exit' TERM; ${STAY}`, READY)
        .addService("api", `trap 'echo api >> order; exit' TERM; ${STAY}`, {
          ...READY,
          dependsOn: ["db"],
        })
        .addStep("test", "echo test >> order", { dependsOn: ["api"] }),
    );
    assertEquals(result.status, "success");
    assertEquals(
      await Deno.readTextFile(`${test.path}/order`),
      "test\napi\ndb\n",
    );
  });

  it("that is not ready in time fails, and so do the steps that need it", async () => {
    await using test = await testRunner();
    const result = await test.runner.runJob(
      new Job("x")
        .addService("db", "echo $$ > pid; echo starting; exec sleep 60", {
          ready: { log: ["up", "ready on *"], timeoutMs: 300 },
        })
        .addStep("test", "true", { dependsOn: ["db"] })
        .addStep("always", "true", { dependsOn: ["db"], condition: "always" })
        .addStep("later", "true", { dependsOn: ["test"] }),
    );
    assertEquals(endings(result), [
      "db: failed/failed",
      "test: failed/failed",
      "always: success/success",
      "later: skipped/skipped",
    ]);
    assertEquals(
      result.error?.message,
      'Service "db" was not ready within 300 ms: it has not printed "up" or "ready on *"',
    );
    assertEquals(
      reasonOf(result, "test"),
      `Step "test" cannot run without its service: ${result.error?.message}; its last lines: starting`,
    );
    await isOver(`${test.path}/pid`);
  });

  it("that is not ready in time and does not end fails the steps that need it at once", async () => {
    await using test = await testRunner();
    const result = await test.runner.runJob(
      new Job("x")
        .addService(
          "db",
          `trap 'until [ -e over ]; do sleep 0.02; done; exit 3' TERM
          echo starting; while :; do sleep 0.02; done`,
          { ready: { log: ["up"], timeoutMs: 300 } },
        )
        .addStep("test", "true", { dependsOn: ["db"] })
        .addStep("end", "touch over", {
          dependsOn: ["test"],
          condition: "always",
        }),
    );
    assertEquals(endings(result), [
      "db: failed/failed",
      "test: failed/failed",
      "end: success/success",
    ]);
    assertEquals([result.steps[0].exitCode, result.steps[0].signal], [3, null]);
    assertStringIncludes(
      result.error?.message ?? "",
      'Service "db" was not ready within 300 ms',
    );
  });

  it("that ends while it is needed ends the running steps that need it", async () => {
    await using test = await testRunner();
    const result = await test.runner.runJob(
      new Job("x")
        .addService(
          "db",
          "mkfifo go; echo up; read _ < go; echo out of memory; exit 7",
          READY,
        )
        .addStep("test", "echo $$ > pid; echo > go; exec sleep 60", {
          dependsOn: ["db"],
        })
        .addStep("always", "test -e pid", {
          dependsOn: ["db", "test"],
          condition: "always",
        }),
    );
    assertEquals(endings(result), [
      "db: failed/failed",
      "test: failed/failed",
      "always: success/success",
    ]);
    assertEquals(result.exitCode, 7);
    assertStringIncludes(
      reasonOf(result, "test"),
      'Service "db" ended with exit code 7 while it was needed; its last lines: up | out of memory',
    );
    await isOver(`${test.path}/pid`);
  });

  it("that forks into the background has failed, and none of its processes remains", async () => {
    await using test = await testRunner();
    const result = await test.runner.runJob(
      new Job("x")
        .addService(
          "db",
          "setsid sh -c 'echo $$ > pid; exec sleep 60' >/dev/null 2>&1 & " +
            "until test -s pid; do sleep 0.01; done; echo forked",
          READY,
        )
        .addStep("test", "true", { dependsOn: ["db"] }),
    );
    assertEquals(endings(result), ["db: failed/failed", "test: failed/failed"]);
    assertEquals(
      result.error?.message,
      'Service "db" ended with exit code 0 before it was ready; it must stay in the foreground',
    );
    await isOver(`${test.path}/pid`);
  });

  it("that ignores SIGTERM is killed after the grace time", async () => {
    await using test = await testRunner();
    const result = await test.runner.runJob(
      new Job("x")
        .addService("db", `trap '' TERM; echo $$ > pid; ${STAY}`, READY)
        .addStep("test", "true", { dependsOn: ["db"] }),
      { limits: { graceMs: 200 } },
    );
    assertEquals(endings(result), [
      "db: success/success",
      "test: success/success",
    ]);
    assertMatch(reasonOf(result, "db"), /, killed after its grace time$/);
    await isOver(`${test.path}/pid`);
  });

  it("can print a lot", async () => {
    await using test = await testRunner();
    const result = await test.runner.runJob(
      new Job("x")
        .addService("db", `yes | head -c 20000000; ${UP}`, READY)
        .addStep("test", "true", { dependsOn: ["db"] }),
    );
    assertEquals(result.status, "success");
    const log = await Deno.stat(`${test.path}/job/artifacts/logs/db.log`);
    assertEquals(log.size, 20_000_003);
  });

  it("does not start if something else is on its port", async () => {
    await using test = await testRunner();
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr;
    const result = await test.runner.runJob(
      new Job("x")
        .addService("db", "touch ran", { ready: { port } })
        .addStep("test", "true", { dependsOn: ["db"] }),
    );
    assertEquals(
      result.error?.message,
      `Service "db" cannot start: port ${port} is in use`,
    );
    await assertRejects(() => Deno.stat(`${test.path}/ran`));
  });

  it("fails with the service that it needs", async () => {
    await using test = await testRunner();
    const result = await test.runner.runJob(
      new Job("x")
        .addService("db", "echo no disk; exit 3", READY)
        .addService("api", UP, { ...READY, dependsOn: ["db"] })
        .addStep("test", "true", { dependsOn: ["api"] })
        .addStep("other", "true"),
      { failurePolicy: "continue" },
    );
    assertEquals(endings(result), [
      "db: failed/failed",
      "api: failed/failed",
      "test: failed/failed",
      "other: success/success",
    ]);
    assertStringIncludes(reasonOf(result, "test"), "no disk");
    assertEquals(result.exitCode, 3);
  });

  it("is not ready while its command fails or hangs", async () => {
    await using test = await testRunner();
    const messageOf = async (command: string) => {
      const { error } = await test.runner.runJob(
        new Job("x")
          .addService("db", UP, { ready: { command, timeoutMs: 300 } })
          .addStep("test", "true", { dependsOn: ["db"] }),
      );
      return error?.message;
    };
    assertEquals(
      await messageOf("echo no such table; exit 4"),
      'Service "db" was not ready within 300 ms: its command ended with exit code 4 (no such table)',
    );
    assertEquals(
      await messageOf("echo $$ > pid; exec sleep 60"),
      'Service "db" was not ready within 300 ms: its command does not end',
    );
    await isOver(`${test.path}/pid`);
  });

  it("can be untrusted, with steps that are", async () => {
    await using test = await testRunner();
    const untrusted = true;
    const result = await test.runner.runJob(
      new Job("x")
        .addService("db", `trap 'echo bye; exit' TERM; ${STAY}`, {
          ...READY,
          ports: ["db"],
          untrusted,
        })
        .addStep("test", 'test -n "$REACTORCIDE_PORT_DB"', {
          dependsOn: ["db"],
          untrusted,
        }),
    );
    assertEquals(endings(result), [
      "db: success/success",
      "test: success/success",
    ]);
    assertMatch(test.stdout(), /^db +\| bye$/m);
  });

  it("may take any time to get ready", async () => {
    await using test = await testRunner();
    const { status } = await test.runner.runJob(
      new Job("x")
        .addService("db", `sleep 0.1; ${UP}`, {
          ready: { log: ["up"], timeoutMs: 2 ** 40 },
        })
        .addStep("test", "true", { dependsOn: ["db"] }),
    );
    assertEquals(status, "success");
  });

  it("shows no secret in the reasons of other steps", async () => {
    await using test = await testRunner();
    const result = await test.runner.runJob(
      new Job("x")
        .addService("db", 'echo "login $T"; exit 1', READY)
        .addStep("test", "true", { dependsOn: ["db"] }),
      { env: { T: "hunter2-hunter2" }, secrets: { envNames: ["T"] } },
    );
    assertMatch(
      reasonOf(result, "test"),
      /its last lines: login \[REDACTED\]$/,
    );
    assertEquals(/hunter2/.test(test.stdout() + test.stderr()), false);
  });

  it("ends when the job exceeds its time limit", async () => {
    await using test = await testRunner();
    const result = await test.runner.runJob(
      new Job("x")
        .addService("db", `echo $$ > pid; ${UP}`, READY)
        .addStep("test", "exec sleep 60", { dependsOn: ["db"] }),
      { limits: { timeoutMs: 1_000 } },
    );
    assertEquals(result.exitCode, 124);
    assertEquals(endings(result), [
      "db: success/success",
      "test: cancelled/cancelled",
    ]);
    await isOver(`${test.path}/pid`);
  });

  it("is skipped with its steps by a condition on the event", async () => {
    await using test = await testRunner();
    const result = await test.runner.runJob(
      new Job("x")
        .addService("db", UP, { ...READY, when: { event: "push" } })
        .addStep("test", "true", { dependsOn: ["db"] }),
    );
    assertEquals(endings(result), [
      "db: skipped/skipped",
      "test: skipped/skipped",
    ]);
  });
});

/** Prints "up" and keeps running, as a shell that runs its traps immediately. */
const STAY = "echo up; while :; do sleep 0.05; done";

describe("a job with services that is cancelled", () => {
  it("ends a service that is not ready", async () => {
    await using test = await testRunner();
    const result = await test.runner.runJob(
      new Job("x")
        .addService("db", "echo $$ > pid; exec sleep 60", READY)
        .addStep("test", "true", { dependsOn: ["db"] }),
      {
        onStepEvent(event) {
          if (event.type !== "started") return;
          queueMicrotask(() => test.signal("SIGTERM"));
        },
      },
    );
    assertEquals(endings(result), [
      "db: cancelled/cancelled",
      "test: skipped/skipped",
    ]);
    assertEquals(result.status, "cancelled");
  });

  it("ends a service after the steps that need it", async () => {
    await using test = await testRunner();
    const result = await test.runner.runJob(
      new Job("x")
        .addService("db", `echo $$ > pid; ${UP}`, READY)
        .addStep("test", async ({ signal, run }) => {
          test.signal("SIGTERM");
          assert(signal.aborted);
          await run("true").catch(() => {});
        }, { dependsOn: ["db"] })
        .addStep("clean", 'kill -0 "$(cat pid)"', {
          dependsOn: ["db", "test"],
          condition: "always",
        }),
    );
    assertEquals(endings(result), [
      "db: success/success",
      "test: cancelled/cancelled",
      "clean: success/success",
    ]);
    await isOver(`${test.path}/pid`);
  });

  it("kills services at the second signal", async () => {
    await using test = await testRunner();
    const result = await test.runner.runJob(
      new Job("x")
        .addService("db", `trap '' TERM; echo $$ > pid; ${STAY}`, READY)
        .addStep("test", async ({ signal }) => {
          await new Promise((resolve) => {
            signal.addEventListener("abort", resolve);
            test.signal("SIGTERM");
          });
          test.signal("SIGTERM");
        }, { dependsOn: ["db"] }),
      { limits: { graceMs: 60_000 } },
    );
    assertEquals(result.status, "cancelled");
    await isOver(`${test.path}/pid`);
  });
});

describe("a job with services and selected steps", () => {
  const job = () =>
    new Job("x")
      .addService("db", UP, READY)
      .addService("api", UP, { ...READY, dependsOn: ["db"] })
      .addService("mail", UP, READY)
      .addStep("test", "true", { dependsOn: ["api"] })
      .addStep("send", "true", { dependsOn: ["mail"] });
  const outcomes = async (selection: object) => {
    await using test = await testRunner();
    const { steps } = await test.runner.runJob(job(), { selection });
    return steps.filter(({ outcome }) => outcome === "success")
      .map(({ name }) => name);
  };

  it("starts the services that the selected steps need, unless they are skipped", async () => {
    assertEquals(await outcomes({ only: ["test"] }), ["db", "api", "test"]);
    assertEquals(await outcomes({ from: ["send"] }), ["mail", "send"]);
    assertEquals(await outcomes({ skip: ["test"] }), ["mail", "send"]);
    assertEquals(await outcomes({ only: ["test"], skip: ["api"] }), ["test"]);
    assertEquals(await outcomes({ only: ["mail"] }), ["mail"]);
  });
});

describe("many services", () => {
  it("start at once, and need no slots", async () => {
    await using test = await testRunner();
    const job = new Job("x");
    const names = Array.from({ length: 20 }, (_, index) => `s${index}`);
    for (const name of names) {
      job.addService(
        name,
        // Each waits until all others run.
        `touch up-${name}; until [ "$(ls up-* | wc -l)" = 20 ]; do sleep 0.02; done; ${UP}`,
        { ...READY, ports: [name] },
      );
    }
    const all = job as Job<Record<string, unknown>>;
    all.addStep("test", "env | grep -c ^REACTORCIDE_PORT_", {
      dependsOn: names,
    });
    const result = await test.runner.runJob(all, {
      limits: { concurrency: 1 },
    });
    assertEquals(result.status, "success");
    assertMatch(test.stdout(), /test +\| 20\n/);
  });
});

describe("a step in the background", () => {
  it("runs while other steps run, and ends with the job", async () => {
    await using test = await testRunner();
    const result = await test.runner.runJob(
      new Job("x")
        .addStep("watch", "echo $$ > pid; exec sleep 60", { background: true })
        .addStep("test", "until test -s pid; do sleep 0.01; done"),
      { limits: { concurrency: 1 } },
    );
    assertEquals(endings(result), [
      "watch: success/success",
      "test: success/success",
    ]);
    assertEquals(reasonOf(result, "watch"), "in the background");
    await isOver(`${test.path}/pid`);
  });

  it("fails the job if it fails, unless it is not required", async () => {
    await using test = await testRunner();
    const job = (options: object) =>
      new Job("x")
        .addStep("watch", "touch ran; exit 3", { background: true, ...options })
        .addStep("test", "until test -e ran; do sleep 0.01; done; sleep 0.2");
    const result = await test.runner.runJob(job({}));
    assertEquals([result.status, result.exitCode], ["failed", 3]);
    const allowed = await test.runner.runJob(job({ required: false }));
    assertEquals(endings(allowed)[0], "watch: failed/failed");
    assertEquals(allowed.status, "success");
  });
});

describe("an invalid service", () => {
  it("is refused with all its problems", async () => {
    await using test = await testRunner();
    const job = new Job("x");
    const add = job.addStep as (...args: unknown[]) => void;
    add.call(job, "a", () => {}, { service: true, ready: { port: 70_000 } });
    add.call(job, "b", "true", { service: true, retry: { attempts: 2 } });
    add.call(job, "c", "true", { service: true, ports: ["x", "a-b"] });
    add.call(job, "d", "true", {
      service: true,
      ports: ["X"],
      ready: { port: "y" },
    });
    add.call(job, "e", "true", { ready: {}, background: true });
    add.call(job, "f", "true", { dependsOn: ["b", "c", "d", "e"] });
    const error = await assertRejects(
      () => test.runner.runJob(job),
      RunnerError,
    );
    assertEquals(
      error.message,
      `Cannot run the job's steps:
  step "a": a service must run a command, not a function
  step "a": ready.port must be from 1 to 65535
  step "a": service is true, but no step needs it; "background" runs a step until the job ends
  step "b": retry is not for a service: "ready" is checked until it holds
  step "b": service needs "ready" or "ports", so that other steps know when to start
  step "c": ports: "a-b" is not a valid name
  step "d": ready names port "y", which "ports" does not
  step "d": ports names "X", which is also a port of "c"
  step "e": ready is only for steps with "service"
  step "f": dependsOn names "e", which runs in the background until the job ends; make it a service`,
    );
  });
});
