import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { RunnerError } from "../../src/errors.ts";
import { Job } from "../../src/steps/job.ts";
import type { JobResult } from "../../src/runner/job_result.ts";
import type { StepEvent } from "../../src/steps/step.ts";
import { waitForExit } from "../helpers/process_table.ts";
import { makeFiles } from "../helpers/temporary_directory.ts";
import { testRunner } from "../helpers/test_runner.ts";

/** A gate that one side opens and the other one waits for. */
function gate() {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { opened: promise, open: resolve };
}

/** Returns each step with its outcome and conclusion. */
function endings({ steps }: JobResult): string[] {
  return steps.map(({ name, outcome, conclusion }) =>
    `${name}: ${outcome}/${conclusion}`
  );
}

describe("a job with steps", () => {
  it("is refused before anything runs if its steps are not a valid graph", async () => {
    await using test = await testRunner();
    const job = new Job("x").addStep("a", "touch ran");
    job.addStep("a", "true");
    const error = await assertRejects(
      () => test.runner.runJob(job),
      RunnerError,
      'several steps are named "a"',
    );
    assertEquals(error.code, "invalid-job");
    await assertRejects(() => Deno.stat(`${test.path}/ran`));
    await assertRejects(
      () => test.runner.runJob(new Job("empty")),
      RunnerError,
      "it has no steps",
    );
  });

  it("ends with the exit code of the first step that failed", async () => {
    await using test = await testRunner();
    const result = await test.runner.runJob(
      new Job("x").addStep("a", "exit 3").addStep("b", "exit 4", {
        dependsOn: ["a"],
        condition: "any_failed",
      }),
    );
    assertEquals([result.status, result.exitCode], ["failed", 3]);
    assertEquals(result.error?.message, 'Step "a" ended with exit code 3');
    assertEquals(endings(result), ["a: failed/failed", "b: failed/failed"]);
  });

  it("after a failure, starts no new step, continues, or ends running steps", async () => {
    await using test = await testRunner();
    const job = (endsByItself: boolean) => {
      const both = gate();
      return new Job("x")
        .addStep("fails", async () => {
          await both.opened;
          throw new Error("no");
        })
        .addStep("runs", async ({ signal }) => {
          both.open();
          await new Promise<void>((resolve) => {
            signal.addEventListener("abort", () => resolve());
            if (endsByItself) setTimeout(resolve, 200);
          });
        })
        .addStep("later", "true", { dependsOn: ["runs"] })
        .addStep("cleans", "true", {
          dependsOn: ["fails", "later"],
          condition: "always",
        });
    };
    const run = async (failurePolicy: "finish" | "continue" | "kill") =>
      endings(
        await test.runner.runJob(job(failurePolicy !== "kill"), {
          failurePolicy,
          limits: { concurrency: 2 },
        }),
      );
    assertEquals(await run("finish"), [
      "fails: failed/failed",
      "runs: success/success",
      "later: skipped/skipped",
      "cleans: success/success",
    ]);
    assertEquals(await run("continue"), [
      "fails: failed/failed",
      "runs: success/success",
      "later: success/success",
      "cleans: success/success",
    ]);
    assertEquals(await run("kill"), [
      "fails: failed/failed",
      "runs: cancelled/cancelled",
      "later: skipped/skipped",
      "cleans: success/success",
    ]);
  });

  it("does not fail because of a step that is optional or has continueOnError", async () => {
    await using test = await testRunner();
    const result = await test.runner.runJob(
      new Job("x")
        .addStep("optional", "exit 1", { required: false })
        .addStep("forgiven", "exit 2", { continueOnError: true })
        .addStep("after", "true", { dependsOn: ["forgiven"] })
        .addStep("not after", "true", { dependsOn: ["optional"] }),
    );
    assertEquals([result.status, result.exitCode], ["success", 0]);
    assertEquals(endings(result), [
      "optional: failed/failed",
      "forgiven: failed/success",
      "after: success/success",
      "not after: skipped/skipped",
    ]);
  });

  it("calls a condition that is a function, and fails if it throws", async () => {
    await using test = await testRunner();
    const result = await test.runner.runJob(
      new Job("x")
        .addStep("a", "exit 9", { required: false })
        .addStep("b", "true", {
          dependsOn: ["a"],
          condition: ({ needs }) => needs.a.exitCode === 9,
        })
        .addStep("c", "true", { condition: ({ hasFailed }) => hasFailed })
        .addStep("d", "true", {
          condition: () => {
            throw new Error("odd");
          },
        }),
    );
    assertEquals(endings(result), [
      "a: failed/failed",
      "b: success/success",
      "c: skipped/skipped",
      "d: failed/failed",
    ]);
    assertEquals(result.error?.message, 'The condition of step "d" threw: odd');
  });

  it("retries a step, with new outputs, and reports it", async () => {
    await using test = await testRunner();
    const events: StepEvent[] = [];
    const result = await test.runner.runJob(
      new Job("x")
        .addStep(
          "flaky",
          `echo "n=old" >> "$REACTORCIDE_OUTPUT"
           [ -e tried ] || { touch tried; exit 75; }`,
          { retry: { attempts: 3, delayMs: 1, exitCodes: [75] } },
        )
        .addStep("other code", "exit 1", {
          retry: { attempts: 3, delayMs: 1, exitCodes: [75] },
          required: false,
        })
        .addStep("reads", '[ ! -e "$REACTORCIDE_OUTPUT" ]; env', {
          dependsOn: ["flaky"],
        }),
      { onStepEvent: (event) => events.push(event) },
    );
    assertEquals(result.status, "success");
    assertEquals(result.steps.map(({ attempts }) => attempts), [2, 1, 1]);
    const retrying = events.find(({ type }) => type === "retrying");
    assertEquals(retrying?.type === "retrying" && retrying.attempt, 2);
    assertStringIncludes(test.stdout(), "REACTORCIDE_OUTPUT_FLAKY_N=old\n");
  });

  it("limits the time of each attempt of a command or function", async () => {
    await using test = await testRunner();
    const result = await test.runner.runJob(
      new Job("x")
        .addStep("command", "sleep 1000", { timeoutMs: 50 })
        .addStep("function", ({ run }) => run("sleep 1000"), {
          timeoutMs: 50,
        })
        .addStep("deaf", () => new Promise<void>(() => {}), {
          timeoutMs: 50,
          retry: { attempts: 2, delayMs: 1 },
        }),
      { failurePolicy: "continue", limits: { graceMs: 100 } },
    );
    assertEquals(endings(result), [
      "command: timeout/timeout",
      "function: timeout/timeout",
      "deaf: timeout/timeout",
    ]);
    assertEquals(result.steps.map(({ attempts }) => attempts), [1, 1, 2]);
    assertEquals([result.status, result.exitCode], ["timeout", 124]);
    assertMatch(result.error!.message, /^Step ".*" exceeded its time limit/);
  });

  it("ends early and succeeds if there is nothing to do", async () => {
    await using test = await testRunner();
    const result = await test.runner.runJob(
      new Job("x")
        .addStep("changes", ({ endJob }) => endJob("nothing to do"))
        .addStep("build", "true", { dependsOn: ["changes"] })
        .addStep("tidy", "true", {
          dependsOn: ["build"],
          condition: "always",
        }),
    );
    assertEquals(result.status, "success");
    assertEquals(endings(result), [
      "changes: neutral/success",
      "build: skipped/skipped",
      "tidy: success/success",
    ]);
    assertEquals(
      result.steps[1].reason,
      "the job ended early: nothing to do",
    );
    const asked = await test.runner.runJob(
      new Job("x")
        .addStep("a", "exit 78", { neutralExit: true })
        .addStep("b", "true", { dependsOn: ["a"] }),
    );
    assertEquals(endings(asked), ["a: neutral/success", "b: skipped/skipped"]);
    const unasked = await test.runner.runJob(
      new Job("x").addStep("a", "exit 78"),
    );
    assertEquals(unasked.exitCode, 78);
  });

  it("runs steps with the condition `always` after a cancellation", async () => {
    await using test = await testRunner();
    const started = gate();
    const running = test.runner.runJob(
      new Job("x")
        .addStep("long", "sleep 1000 & echo $! > pid; wait")
        .addStep("next", "true", { dependsOn: ["long"] })
        .addStep("tidy", "touch tidied", {
          dependsOn: ["next"],
          condition: "always",
        }),
      {
        limits: { graceMs: 500 },
        onStepEvent: ({ type }) => type === "started" && started.open(),
      },
    );
    await started.opened;
    while (!await Deno.stat(`${test.path}/pid`).then((i) => i.size, () => 0)) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    test.signal("SIGTERM");
    const result = await running;
    assertEquals([result.status, result.exitCode], ["cancelled", 143]);
    assertEquals(endings(result), [
      "long: cancelled/cancelled",
      "next: skipped/skipped",
      "tidy: success/success",
    ]);
    await Deno.stat(`${test.path}/tidied`);
    await waitForExit(Number(await Deno.readTextFile(`${test.path}/pid`)));
  });

  it("ends immediately when it is cancelled twice", async () => {
    await using test = await testRunner();
    const started = gate();
    const running = test.runner.runJob(
      new Job("x")
        .addStep("stubborn", "trap '' TERM; sleep 1000 & wait; sleep 1000")
        .addStep("tidy", "true", {
          dependsOn: ["stubborn"],
          condition: "always",
        }),
      { onStepEvent: ({ type }) => type === "started" && started.open() },
    );
    await started.opened;
    test.signal("SIGINT");
    test.signal("SIGINT");
    const result = await running;
    assertEquals(result.exitCode, 130);
    assertEquals(endings(result)[1], "tidy: skipped/skipped");
  });

  it("has a time limit for all steps together", async () => {
    await using test = await testRunner();
    const result = await test.runner.runJob(
      new Job("x")
        .addStep("a", "sleep 1000")
        .addStep("tidy", "true", { dependsOn: ["a"], condition: "always" }),
      { limits: { timeoutMs: 1_000, graceMs: 100 } },
    );
    assertEquals([result.status, result.exitCode], ["timeout", 124]);
    assertEquals(endings(result), [
      "a: cancelled/cancelled",
      "tidy: success/success",
    ]);
  });

  it("runs a step for each item and combination, and collects their outputs", async () => {
    await using test = await testRunner();
    let seen: unknown;
    const result = await test.runner.runJob(
      new Job("x")
        .addStep("each", ({ env }) => env.DIR.length, {
          forEach: ["a", "bb", "ccc"],
          itemVar: "DIR",
        })
        .addStep("matrix", 'echo "v=$os-$n" > "$REACTORCIDE_OUTPUT"', {
          matrix: { axes: { os: ["linux"], n: ["1", "2"] } },
        })
        .addStep("none", "exit 1", { forEach: [] })
        .addStep("gather", ({ outputs, env }) => {
          seen = [
            outputs.each,
            outputs.matrix.map(({ v }) => v),
            outputs.none,
            env.REACTORCIDE_OUTPUT_MATRIX_LINUX_2_V,
          ];
        }, { dependsOn: ["each", "matrix", "none"] }),
    );
    assertEquals(result.status, "success", result.error?.message);
    assertEquals(result.steps.map(({ name }) => name), [
      "each[0]",
      "each[1]",
      "each[2]",
      "matrix (linux, 1)",
      "matrix (linux, 2)",
      "none",
      "gather",
    ]);
    assertEquals(endings(result)[5], "none: neutral/success");
    assertEquals(seen, [
      [1, 2, 3],
      ["linux-1", "linux-2"],
      [],
      "linux-2",
    ]);
  });

  it("masks an output that contains a secret completely, and passes it on", async () => {
    await using test = await testRunner();
    const result = await test.runner.runJob(
      new Job("x")
        .addStep("login", 'echo "header=Bearer $TOKEN" > "$REACTORCIDE_OUTPUT"')
        .addStep(
          "use",
          `echo "got $REACTORCIDE_OUTPUT_LOGIN_HEADER"
           [ "$REACTORCIDE_OUTPUT_LOGIN_HEADER" = "Bearer $TOKEN" ] || exit 1
           echo "$REACTORCIDE_SECRET_ENV_NAMES"`,
          { dependsOn: ["login"] },
        ),
      { env: { TOKEN: "hunter2-hunter2" }, secrets: { envNames: ["TOKEN"] } },
    );
    assertEquals(result.status, "success");
    assertStringIncludes(test.stdout(), "got [REDACTED]\n");
    assertMatch(test.stdout(), /REACTORCIDE_OUTPUT_LOGIN_HEADER\n/);
  });

  it("passes the names of secret variables on as one list", async () => {
    await using test = await testRunner({
      REACTORCIDE_SECRET_ENV_NAMES: '["ODD,NAME","TOKEN"]',
      "ODD,NAME": "hunter3-hunter3",
    });
    await test.runner.runJob(
      new Job("x")
        .addStep("login", 'echo "header=Bearer $TOKEN" > "$REACTORCIDE_OUTPUT"')
        .addStep("use", 'echo "$REACTORCIDE_SECRET_ENV_NAMES"', {
          dependsOn: ["login"],
        }),
      { env: { TOKEN: "hunter2-hunter2" } },
    );
    const [list] = /\["ODD.*$/m.exec(test.stdout()) ?? [];
    assertEquals(JSON.parse(list!), [
      ...["ODD,NAME", "TOKEN", "REACTORCIDE_OUTPUT_LOGIN_HEADER"],
    ]);
  });

  it("masks secrets in the names of steps", async () => {
    await using test = await testRunner();
    const events: StepEvent[] = [];
    const result = await test.runner.runJob(
      new Job("x").addStep("a", "echo one; exit 1", {
        matrix: { axes: { T: ["hunter2-hunter2", "hunter3-hunter3"] } },
      }),
      {
        secrets: { values: ["hunter2-hunter2", "hunter3-hunter3"] },
        failurePolicy: "continue",
        onStepEvent: (event) => events.push(event),
      },
    );
    assertEquals(result.steps.length, 2);
    const everything = test.stdout() + test.stderr() + JSON.stringify(events);
    assertEquals(/hunter/.test(everything), false, everything);
    assertStringIncludes(test.stdout(), "a ([REDACTED]) #2 | one\n");
    const logs = await Array.fromAsync(
      Deno.readDir(`${test.path}/job/artifacts/logs`),
      ({ name }) => name,
    );
    assertEquals(logs.some((name) => name.includes("hunter")), false);
  });

  it("masks listed secret variables of steps", async () => {
    await using test = await testRunner();
    await test.runner.runJob(
      new Job("x").addStep("a", 'echo "$STEP_TOKEN"', {
        env: { STEP_TOKEN: "hunter2-hunter2" },
      }),
      { secrets: { envNames: ["STEP_TOKEN"] } },
    );
    assertEquals(test.stdout(), "[REDACTED]\n");
  });

  it("fails a step whose outputs cannot be read", async () => {
    await using test = await testRunner();
    const result = await test.runner.runJob(
      new Job("x").addStep("a", 'echo nonsense > "$REACTORCIDE_OUTPUT"'),
    );
    assertEquals(
      result.error?.message,
      'Cannot read the outputs of step "a": line 1 is neither key=value nor key<<WORD',
    );
  });

  it("gives an untrusted step no tokens, secrets or socket", async () => {
    await using test = await testRunner({
      REACTORCIDE_API_TOKEN: "api-token-value",
      GITHUB_TOKEN: "another-token",
      SSH_AUTH_SOCK: "/tmp/agent",
      LANG: "C.UTF-8",
      UNKNOWN: "credential of a kind that nobody knows",
      WANTED: "yes",
      COPY: "x-hunter2-hunter2-y",
    });
    const result = await test.runner.runJob(
      new Job("x")
        .addStep("login", 'echo "header=Bearer $PASS" > "$REACTORCIDE_OUTPUT"')
        .addStep("untrusted", "env | cut -d= -f1 | sort", {
          dependsOn: ["login"],
          untrusted: true,
          inheritEnv: ["WANTED", "REGION", "COPY", "LANG"],
          env: { OWN: "yes", OWN_COPY: "hunter2-hunter2" },
        }),
      {
        env: { PASS: "hunter2-hunter2", REGION: "eu", ZONE: "a" },
        secrets: { envNames: ["PASS"] },
      },
    );
    assertEquals(result.status, "success");
    const names = [...test.stdout().matchAll(/^untrusted *\| (\w+)$/gm)]
      .map(([, name]) => name);
    for (
      const name of ["PATH", "WANTED", "REGION", "OWN", "REACTORCIDE_OUTPUT"]
    ) {
      assert(names.includes(name), name);
    }
    for (
      const name of [
        "UNKNOWN",
        "ZONE",
        "OWN_COPY",
        "REACTORCIDE_API_TOKEN",
        "GITHUB_TOKEN",
        "SSH_AUTH_SOCK",
        "COPY",
        "PASS",
        "REACTORCIDE_SECRETS_SOCKET",
        "REACTORCIDE_OUTPUT_LOGIN_HEADER",
      ]
    ) {
      assertEquals(names.includes(name), false, name);
    }
    const withheld = [...test.stderr().matchAll(/does not get "(\w+)"/g)]
      .map(([, name]) => name);
    assertEquals(withheld.sort(), [
      "COPY",
      "OWN_COPY",
      "REACTORCIDE_OUTPUT_LOGIN_HEADER",
    ]);
    assertEquals(test.stderr().includes("hunter2"), false);
  });

  it("lets an untrusted step inherit an allowlist by default", async () => {
    await using test = await testRunner({
      LANG: "C.UTF-8",
      UNKNOWN: "x",
      LISTED_BY_THE_JOB: "x",
    });
    const seen: string[][] = [];
    const job = new Job("x").addStep("names", ({ env }) => {
      assert("PATH" in env);
      seen.push(Object.keys(env).filter((key) => /^(LANG|UN|LIST)/.test(key)));
    }, { untrusted: true });
    await test.runner.runJob(job);
    await test.runner.runJob(job, {
      inheritEnv: ["LISTED_BY_THE_JOB", "LANG"],
    });
    assertEquals(seen, [["LANG"], []]);
    const naming = new Job("x").addStep("names", ({ env }) => {
      seen.push(Object.keys(env).filter((key) => /^(LANG|UN|LIST)/.test(key)));
    }, { untrusted: true, inheritEnv: ["UNKNOWN"] });
    await test.runner.runJob(naming, { inheritEnv: false });
    assertEquals(seen[2].sort(), ["LANG", "UNKNOWN"]);
  });

  it("limits what steps inherit", async () => {
    await using test = await testRunner({
      REACTORCIDE_JOB_ID: "1",
      CI: "true",
      A: "a",
      B: "b",
    });
    const result = await test.runner.runJob(
      new Job("x")
        .addStep("all", ({ env }) => Object.keys(env))
        .addStep("some", ({ env }) => Object.keys(env), { inheritEnv: ["A"] })
        .addStep("none", ({ env }) => Object.keys(env), { inheritEnv: false })
        .addStep("look", ({ outputs: { all, some, none } }) => {
          assert(["A", "B", "CI"].every((name) => all.includes(name)));
          assert(some.includes("A") && !some.includes("B"));
          assert(!none.includes("A") && !none.includes("B"));
          for (
            const name of ["CI", "TRACEPARENT", "REACTORCIDE_JOB_ID", "JOB"]
          ) {
            assert(none.includes(name), name);
          }
        }, { dependsOn: ["all", "some", "none"] }),
      { env: { JOB: "1" } },
    );
    assertEquals(result.status, "success", result.error?.message);
  });

  it("reports the error of a function, without secrets, and keeps the cause", async () => {
    await using test = await testRunner();
    const result = await test.runner.runJob(
      new Job("x").addStep("a", ({ registerSecret }) => {
        registerSecret("hunter2-hunter2");
        throw new TypeError("bad hunter2-hunter2");
      }),
    );
    assertInstanceOf(result.error, RunnerError);
    assertEquals(result.error.code, "step-failed");
    assertInstanceOf(result.error.cause, TypeError);
    assertEquals(test.stderr().includes("hunter2"), false);
  });

  it("passes on the exit code of a command in a function", async () => {
    await using test = await testRunner();
    const result = await test.runner.runJob(
      new Job("x").addStep("a", async ({ run, print }) => {
        await print("before");
        await run(["sh", "-c", "echo within; exit 5"]);
      }),
    );
    assertEquals(result.exitCode, 5);
    assertEquals(test.stdout(), "before\nwithin\n");
  });

  it("runs a step with its own shell and directory", async () => {
    await using test = await testRunner();
    await Deno.mkdir(`${test.path}/sub`);
    const result = await test.runner.runJob(
      new Job("x")
        .addStep("where", "pwd; echo $0", {
          workingDir: "sub",
          shell: ["bash"],
        })
        .addStep("out", "true", { workingDir: "../.." }),
    );
    assertStringIncludes(test.stdout(), `${test.path}/sub\n`);
    assertMatch(test.stdout(), /bash\n/);
    assertEquals(endings(result)[1], "out: failed/failed");
    assertMatch(result.error!.message, /outside/);
  });
});

describe("a job with selected steps", () => {
  const job = () =>
    new Job("x")
      .addStep("a", 'echo "n=1" > "$REACTORCIDE_OUTPUT"; date +%N > made')
      .addStep("b", ({ outputs }) => ({ n: `${outputs.a.n}2` }), {
        dependsOn: ["a"],
      })
      .addStep("c", 'echo "got $REACTORCIDE_OUTPUT_B_N"; cat made', {
        dependsOn: ["b"],
      });

  it("continues with the outputs and files of the other steps", async () => {
    await using test = await testRunner();
    await test.runner.runJob(job());
    const made = await Deno.readTextFile(`${test.path}/made`);
    const before = test.stdout();
    const result = await test.runner.runJob(job(), {
      selection: { from: ["c"] },
    });
    assertEquals(endings(result), [
      "a: skipped/success",
      "b: skipped/success",
      "c: success/success",
    ]);
    assertStringIncludes(
      test.stdout().slice(before.length),
      `got 12\nc | ${made}`,
    );
    const skipping = await test.runner.runJob(job(), {
      selection: { skip: ["a", "b"] },
    });
    assertEquals(endings(skipping), endings(result));
  });

  it("stores no secret on disk", async () => {
    await using test = await testRunner();
    await test.runner.runJob(
      new Job("x").addStep("a", 'echo "t=$T" > "$REACTORCIDE_OUTPUT"')
        .addStep("hunter2-hunter2 as a name", () => ({ n: 2 }))
        .addStep("b", () => ({ n: 1 })),
      { env: { T: "hunter2-hunter2" }, secrets: { envNames: ["T"] } },
    );
    const path = `${test.path}/job/.reactorcide/outputs.json`;
    assertEquals(await Deno.readTextFile(path), '{"b": {"n":1}}\n');
    assertEquals((await Deno.stat(path)).mode! & 0o777, 0o600);
  });

  it("warns if there are no stored outputs", async () => {
    await using test = await testRunner();
    await test.runner.runJob(job(), { selection: { only: ["b"] } });
    assertStringIncludes(test.stderr(), "have no outputs: none were kept");
  });
});

describe("a definition without type checks", () => {
  it("is refused with all its problems", async () => {
    await using test = await testRunner();
    const job = new Job("x");
    const add = job.addStep as (...args: unknown[]) => void;
    add.call(job, "a/b", 5, { timeoutMs: -1 });
    add.call(job, "c", "true", { condition: "on_sunday", itemVar: "A-B" });
    add.call(job, "d", "true", { retry: { attempts: 0.5 } });
    add.call(job, "e", "true", {
      permissions: { net: "no", nett: false, write: "out", read: [1], env: [] },
      inheritEnv: false,
    });
    add.call(job, "f", "true", { permissions: ["net"] });
    const error = await assertRejects(() => test.runner.runJob(job));
    assertEquals(
      (error as Error).message,
      `Cannot run the job's steps:
  step "a/b": its name must not contain "/", "," or control characters, start with "-" or ".", or have a space at either end
  step "a/b": must run a string, a list of strings or a function
  step "a/b": timeoutMs must be from 1 to 3153600000000 (100 years)
  step "c": its condition must be "all_success", "any_failed" or "always", or a function
  step "c": "A-B" is not a valid variable name
  step "d": retry.attempts must be a whole number from 1
  step "e": permissions.net must be true or false
  step "e": permissions.nett must be one of read, write, net and env
  step "e": permissions.write must be true, false or a list of strings
  step "e": permissions.read must be true, false or a list of strings
  step "e": has both inheritEnv and permissions.env; use only one of them
  step "f": its permissions must be an object`,
    );
  });
});

describe("a step that is retried", () => {
  it("starts on a new line", async () => {
    await using test = await testRunner();
    await test.runner.runJob(
      new Job("x").addStep("a", "printf unfinished; exit 1", {
        retry: { attempts: 2, delayMs: 1 },
      }),
    );
    assertEquals(test.stdout(), "unfinished\nunfinished");
  });
});

describe("a job with a trusted CI source", () => {
  it("fails after a step has changed the source", async () => {
    await using test = await testRunner();
    await makeFiles(test.path, { "ci/build.sh": "echo built\n" });
    const run = (change: string) =>
      test.runner.runJob(
        new Job("x")
          .addStep("test", change)
          .addStep("build", "sh $REACTORCIDE_CI_DIR/build.sh", {
            dependsOn: ["test"],
            env: { REACTORCIDE_CI_DIR: `${test.path}/job/ci` },
          }),
        { ciSource: { type: "copy", url: `${test.path}/ci` } },
      );
    assertEquals((await run("true")).status, "success");
    const result = await run(
      `chmod -R u+w "${test.path}/job/ci"; echo "echo bad" > "${test.path}/job/ci/build.sh"`,
    );
    assertEquals(endings(result), [
      "test: success/success",
      "build: failed/failed",
    ]);
    assertInstanceOf(result.error, RunnerError);
    assertEquals(result.error.code, "ci-source-modified");
    assertStringIncludes(result.error.message, "build.sh (changed)");
    assertEquals(/bad/.test(test.stdout()), false);
  });
});
