import { assertEquals, assertRejects } from "@std/assert";
import { readRecord } from "../../src/report/run_record.ts";
import { createRunnerContext } from "../../src/runner/runner_context.ts";
import type { WorkflowDefinition } from "../../src/workflow/definition/definition.ts";
import { runLocalWorkflow } from "../../src/workflow/local/run_local.ts";
import type { WorkflowExecutor } from "../../src/workflow/workflow_executor.ts";
import { createMainHost } from "../helpers/run_main.ts";
import { temporaryDirectory } from "../helpers/temporary_directory.ts";

const DEFINITION: WorkflowDefinition = {
  id: "ci",
  hasOwnId: true,
  name: "CI",
  sourceFile: "ci.yaml",
  dependencyPaths: ["ci.yaml"],
  triggers: {},
  paths: {},
  vars: {},
  jobs: [{ name: "a", body: { command: "true" }, env: {} }],
};

Deno.test("runLocalWorkflow() ends the record of a run that it can no longer follow", async () => {
  await using directory = await temporaryDirectory();
  const { path: root } = directory;
  const executor: WorkflowExecutor = {
    open: () =>
      Promise.resolve({
        runJob: () => Promise.resolve({ status: "completed", exitCode: 0 }),
        followOthers: () => Promise.reject(new Error("coordinator gone")),
        [Symbol.asyncDispose]: () => Promise.resolve(),
      }),
  };
  await assertRejects(
    () =>
      runLocalWorkflow(
        createRunnerContext(createMainHost({ cwd: root })),
        DEFINITION,
        {
          root,
          executor,
          concurrency: 1,
          wait: false,
          resume: false,
          only: undefined,
          otel: false,
          conditions: (jobs) => jobs,
          event: {},
        },
      ),
    Error,
    "coordinator gone",
  );
  const record = readRecord(
    await Deno.readTextFile(`${root}/.reactorcide/workflow/run.jsonl`),
  );
  assertEquals(record?.ended?.status, "failed");
  assertEquals(record?.steps.map(({ outcome }) => outcome), ["success"]);
});
