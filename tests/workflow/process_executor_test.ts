import { assertEquals, assertRejects } from "@std/assert";
import { RunnerError } from "../../src/errors.ts";
import {
  readJobOutputs,
  readTriggered,
} from "../../src/workflow/local/process_executor.ts";
import { VariableStore } from "../../src/workflow/local/workflow_state.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

async function withFile<T>(
  content: string,
  read: (path: string) => Promise<T>,
): Promise<T> {
  await using directory = await temporaryDirectory();
  await makeFiles(directory.path, { file: content });
  return await read(`${directory.path}/file`);
}

Deno.test("readJobOutputs() reads variables and outputs; none without a file", async () => {
  assertEquals(await readJobOutputs("/nowhere/file"), {});
  assertEquals(
    await withFile('{"vars":{"a":1},"other":2}', readJobOutputs),
    { vars: { a: 1 }, outputs: null },
  );
});

Deno.test("readJobOutputs() rejects what the coordinator would reject", async () => {
  for (const content of ["[]", "{", '{"vars":[]}', '{"outputs":1}', "-> /"]) {
    await assertRejects(() => withFile(content, readJobOutputs), RunnerError);
  }
  const large = JSON.stringify({ vars: { a: "x".repeat(1024 * 1024) } });
  await assertRejects(
    () => withFile(large, readJobOutputs),
    RunnerError,
    "larger than 1048576 bytes",
  );
});

Deno.test("readJobOutputs() and readTriggered() reject values that are nested too deep", async () => {
  const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth);
  const outputs = (depth: number) => `{"outputs":{"a":${nested(depth)}}}`;
  const triggers = (depth: number) =>
    `{"type":"trigger_job","jobs":[{"job_name":"a","for_each":[${
      nested(depth)
    }]}]}`;
  for (
    const [content, read] of [
      [outputs(100_000), readJobOutputs],
      [triggers(100_000), readTriggered],
    ] as const
  ) {
    await assertRejects(
      () => withFile<unknown>(content, read),
      RunnerError,
      "is nested deeper than 1000 levels",
    );
  }
  const { outputs: kept } = await withFile(outputs(900), readJobOutputs);
  const variables = new VariableStore({});
  assertEquals(variables.add("job", { outputs: kept }), undefined);
  assertEquals(variables.add("job", { outputs: kept }), undefined);
  assertEquals(JSON.parse(variables.text)["job.a"].length, 1);
});

Deno.test("readTriggered() reads every form of a document", async () => {
  const job = { job_name: "a", job_command: "x", timeout: null };
  const trigger = { name: "a", jobCommand: "x" };
  const read = (document: object) =>
    withFile(
      JSON.stringify({ type: "trigger_job", ...document }),
      readTriggered,
    );
  assertEquals(await readTriggered("/nowhere/file"), []);
  assertEquals(await read({ jobs: [] }), []);
  assertEquals(await read({ jobs: [job] }), [{ jobs: [trigger] }]);
  assertEquals(
    await read({ workflow: { name: "W", vars: { v: 1 } }, jobs: [job] }),
    [{ name: "W", vars: { v: 1 }, jobs: [trigger] }],
  );
  assertEquals(
    await read({
      workflows: [
        { name: "W", jobs: [{ ...job, ci_origin: "base" }] },
        { name: "X", jobs: [] },
      ],
      jobs: [job],
    }),
    [{ name: "W", jobs: [trigger] }],
  );
});

Deno.test("readTriggered() rejects jobs that would never run", async () => {
  for (
    const document of [
      { jobs: [] },
      { type: "trigger_job", jobs: [{ job_name: "" }] },
      { type: "trigger_job", jobs: [{ job_name: "a", depends_on: ["b"] }] },
      { type: "trigger_job", jobs: [{ job_name: "a", comand: "b" }] },
      { type: "trigger_job", jobs: {} },
      { type: "trigger_job", workflows: [1] },
    ]
  ) {
    await assertRejects(
      () => withFile(JSON.stringify(document), readTriggered),
      RunnerError,
    );
  }
});
