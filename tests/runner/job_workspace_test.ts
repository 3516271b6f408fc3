import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { RunnerError } from "../../src/errors.ts";
import { Job } from "../../src/steps/job.ts";
import { makeFiles } from "../helpers/temporary_directory.ts";
import { type TestRunner, testRunner } from "../helpers/test_runner.ts";

const COPY = {
  source: { type: "copy", url: "code" },
  command: "cat name",
};

async function runnerWithCode(): Promise<TestRunner> {
  const made = await testRunner();
  await makeFiles(made.path, { "code/name": "code" });
  return made;
}

describe("runJob() in one workspace", () => {
  it("fails while another job uses it, or waits with `wait`", async () => {
    await using made = await runnerWithCode();
    const { runJob } = made.runner;
    const ends = await Promise.allSettled([runJob(COPY), runJob(COPY)]);
    const reasons = ends.flatMap((end) =>
      end.status === "rejected" ? [end.reason as RunnerError] : []
    );
    assertEquals(reasons.map(({ code }) => code), ["workspace-busy"]);
    const results = await Promise.all([
      runJob({ ...COPY, wait: true }),
      runJob({ ...COPY, wait: true }),
    ]);
    assertEquals(results.map(({ status }) => status), ["success", "success"]);
  });

  it("runs commands in the user's own directory concurrently", async () => {
    await using made = await testRunner();
    const results = await Promise.all(
      ["true", "true"].map((command) => made.runner.runJob({ command })),
    );
    assertEquals(results.map(({ status }) => status), ["success", "success"]);
  });

  it("runs jobs that functions and plugins of a job start", async () => {
    await using made = await runnerWithCode();
    const { runJob, registerPlugin } = made.runner;
    let isNested = false;
    using _ = registerPlugin({
      name: "nested",
      async postExecution() {
        if (isNested) return;
        isNested = true;
        await runJob({ ...COPY, sourceDir: "/job/plugin" });
      },
    });
    const job = new Job("outer").addStep("a", async () => {
      const { status } = await runJob({ ...COPY, sourceDir: "/job/step" });
      assertEquals(status, "success");
    });
    assertEquals((await runJob(job)).error, undefined);
    assertEquals(isNested, true);
    assertEquals(made.stdout(), "codecode");
  });

  const damages = [
    'rm -rf "$REACTORCIDE_WORKSPACE/.reactorcide"',
    'cd "$REACTORCIDE_WORKSPACE" && mv .reactorcide x && ln -s / .reactorcide',
    'cd "$REACTORCIDE_WORKSPACE/.reactorcide" && rm * && mkfifo owned_paths.json lock run.json',
  ];
  for (const damage of damages) {
    it(`replaces its source after ${damage}`, async () => {
      await using made = await runnerWithCode();
      const { runJob } = made.runner;
      await runJob({ ...COPY, command: damage });
      await makeFiles(made.path, { "code/name": "new" });
      await runJob(COPY);
      assertEquals(made.stdout(), "new");
    });
  }

  it("keeps variables that are set before, during and after a job", async () => {
    await using made = await runnerWithCode();
    const { runJob, setWorkflowVar } = made.runner;
    await makeFiles(made.path, {
      "job/workflow-output.json": '{"vars":{"x":1}}',
    });
    await setWorkflowVar("before", 1);
    const job = new Job("job").addStep("a", () => setWorkflowVar("in", 1));
    assertEquals((await runJob(job)).status, "success");
    await setWorkflowVar("after", 1);
    const file = `${made.path}/job/workflow-output.json`;
    assertEquals(JSON.parse(await Deno.readTextFile(file)), {
      vars: { before: 1, in: 1, after: 1 },
    });
  });

  it("keeps outputs that a command wrote directly, before the library", async () => {
    const stale = { "job/workflow-output.json": "stale" };
    for (const files of [{}, stale] as Record<string, string>[]) {
      await using made = await testRunner();
      const { runJob, setWorkflowOutput } = made.runner;
      await makeFiles(made.path, files);
      const command =
        `mkdir -p job; echo '{"vars":{"a":1}}' > job/workflow-output.json`;
      assertEquals((await runJob({ command })).status, "success");
      await setWorkflowOutput("b", 2);
      const file = `${made.path}/job/workflow-output.json`;
      assertEquals(JSON.parse(await Deno.readTextFile(file)), {
        vars: { a: 1 },
        outputs: { b: 2 },
      });
    }
  });
});
