import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { RunnerError } from "../../src/errors.ts";
import { startCoordinator } from "../helpers/coordinator.ts";
import { exists, makeFiles } from "../helpers/temporary_directory.ts";
import { testRunner } from "../helpers/test_runner.ts";

describe("setWorkflowVar() and setWorkflowOutput()", () => {
  it("write the file that a worker reads", async () => {
    await using made = await testRunner();
    const { setWorkflowOutput: setOutput, setWorkflowVar: setVar } =
      made.runner;
    await setVar(" version ", "1.2");
    await setOutput("files", [{ org: "any key will do" }, null, 1.5]);
    await setOutput("files", ["later"]);
    const file = `${made.path}/job/workflow-output.json`;
    assertEquals(JSON.parse(await Deno.readTextFile(file)), {
      vars: { version: "1.2" },
      outputs: { files: ["later"] },
    });
  });

  it("lose nothing to concurrent writers", async () => {
    const run = { REACTORCIDE_RUN_ID: "run" };
    await using made = await testRunner(run);
    await using other = await testRunner({
      ...run,
      RC_WF_OUTPUT_FILE: `${made.path}/job/workflow-output.json`,
    });
    await Promise.all(
      Array.from(
        { length: 40 },
        (_, at) =>
          (at % 2 === 0 ? made : other).runner.setWorkflowOutput(`k${at}`, at),
      ),
    );
    const file = `${made.path}/job/workflow-output.json`;
    const { outputs } = JSON.parse(await Deno.readTextFile(file));
    assertEquals(Object.keys(outputs).length, 40);
  });

  it("refuse invalid values and files, and do not change the file", async () => {
    await using made = await testRunner({ REACTORCIDE_RUN_ID: "run" });
    const { setWorkflowOutput: setOutput } = made.runner;
    const values = [NaN, undefined, () => {}, new Date(), 1n, { a: Infinity }];
    for (const value of values) {
      await assertRejects(() => setOutput("a", value), TypeError);
    }
    await assertRejects(() => setOutput("  ", 1), TypeError);
    const name = "job/workflow-output.json";
    assertEquals(await exists(`${made.path}/${name}`), false);
    for (const broken of ["{", "[]", '{"outputs": 1}', "null"]) {
      await makeFiles(made.path, { [name]: broken });
      const error = await assertRejects(
        () => setOutput("a", 1),
        RunnerError,
      );
      assertEquals(error.code, "output-failed");
      assertEquals(await Deno.readTextFile(`${made.path}/${name}`), broken);
    }
    await makeFiles(made.path, { [name]: '{"vars": null, "more": 1}' });
    await assertRejects(
      () => setOutput("a", "x".repeat(2 ** 20)),
      RunnerError,
      "would exceed 1048576 bytes",
    );
    await setOutput("a", 1);
    const text = await Deno.readTextFile(`${made.path}/${name}`);
    assertEquals(JSON.parse(text), { vars: null, more: 1, outputs: { a: 1 } });
  });

  it("warn about the same key in all jobs of a fan-out", async () => {
    await using made = await testRunner({ RC_WF_NODE_NAME: "build[3]" });
    await made.runner.setWorkflowOutput("digest-3", 1);
    assertEquals(made.stderr(), "");
    await made.runner.setWorkflowOutput("digest", 1);
    assertStringIncludes(made.stderr(), 'Output "digest" is set by every job');
  });
});

describe("getWorkflowVars()", () => {
  it("prefers the environment to the file", async () => {
    await using made = await testRunner();
    assertEquals(await made.runner.getWorkflowVars(), {});
    await makeFiles(made.path, {
      "job/workflow-vars.json": '{"build.digest": "abc"}',
    });
    assertEquals(await made.runner.getWorkflowVars(), {
      "build.digest": "abc",
    });
    await using other = await testRunner({
      RC_WF_VARS_JSON: '{"a": 1}',
      RC_WF_VARS_FILE: `${made.path}/job/workflow-vars.json`,
    });
    assertEquals(await other.runner.getWorkflowVars(), { a: 1 });
  });

  it("warns about damaged variables without printing them", async () => {
    for (const text of ["[1]", "hidden{", "7"]) {
      await using made = await testRunner({ RC_WF_VARS_JSON: text });
      assertEquals(await made.runner.getWorkflowVars(), {});
      assertStringIncludes(made.stderr(), "they are not a JSON object");
      assertEquals(made.stderr().includes("hidden"), false);
    }
  });
});

describe("logNextJob()", () => {
  it("prints the next job and its command", async () => {
    await using made = await testRunner();
    await made.runner.logNextJob("deploy-staging", {
      reason: "tests passed",
      dependsOn: ["test", "build"],
    });
    assertEquals(
      made.stdout(),
      `📋 Next jobs to run:
  → deploy-staging (waiting on: test, build - all complete)

Run the next job:
  $ runnerlib run --job deploy-staging --workflow-file pipeline.yaml
`,
    );
    assertStringIncludes(made.stderr(), "tests passed");
  });

  it("reads completed jobs from the local workflow", async () => {
    await using made = await testRunner();
    await makeFiles(made.path, {
      "job/.reactorcide/workflow-state.json": JSON.stringify({
        jobs: { test: { status: "completed" }, build: { status: "running" } },
      }),
    });
    await made.runner.logNextJob("deploy", { dependsOn: ["test", "build"] });
    assertStringIncludes(made.stdout(), "not complete: build)");
  });
});

describe("a job of a workflow", () => {
  it("publishes its result for jobs without a token", async () => {
    await using coordinator = startCoordinator();
    const env = {
      ...coordinator.env,
      RC_WF_ID: "w1",
      RC_WF_RUN_ID: "run-1",
      RC_WF_NODE_NAME: "test",
    };
    await using made = await testRunner(env);
    await made.runner.runJob({ command: "exit 3" });
    const file = `${made.path}/job/workflow-output.json`;
    const { outputs } = JSON.parse(await Deno.readTextFile(file));
    await using later = await testRunner({
      ...env,
      RC_WF_VARS_JSON: JSON.stringify({
        "test.result@run-1": outputs["result@run-1"],
      }),
    });
    const result = await later.runner.getJobResult("test");
    assertEquals([result?.status, result?.exitCode, result?.jobId], [
      "failed",
      3,
      coordinator.jobId,
    ]);
    assertEquals(result?.lastError, "The command ended with exit code 3");
    assertEquals(coordinator.requests, []);
  });

  it("publishes nothing with too many variables, or without a coordinator", async () => {
    const envs: Record<string, string>[] = [
      { REACTORCIDE_COORDINATOR_URL: "" },
      { RC_WF_NODE_NAME: "test[50]" },
      { RC_WF_VARS_JSON: `{"a": "${"x".repeat(70_000)}"}` },
    ];
    for (const env of envs) {
      await using made = await testRunner({
        REACTORCIDE_COORDINATOR_URL: "https://localhost",
        RC_WF_RUN_ID: "run-1",
        ...env,
      });
      await made.runner.runJob({ command: "true" });
      const file = `${made.path}/job/workflow-output.json`;
      assertEquals(await exists(file), false);
    }
  });
});
