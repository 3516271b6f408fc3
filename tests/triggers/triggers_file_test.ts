import { assert, assertEquals, assertRejects } from "@std/assert";
import { RunnerError } from "../../src/errors.ts";
import { lockDirectory } from "../../src/fs/file_lock.ts";
import type { Trigger } from "../../src/triggers/trigger_options.ts";
import { checkTriggers } from "../../src/triggers/check_triggers.ts";
import {
  writeTriggers as writeChecked,
  type WriteTriggersOptions,
} from "../../src/triggers/triggers_file.ts";
import {
  exists,
  listFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

/** Runs a test with the path of a file in a new directory. */
async function withFile(run: (path: string) => Promise<void>): Promise<void> {
  await using directory = await temporaryDirectory();
  await run(`${directory.path}/triggers.json`);
}

async function writeTriggers(
  path: string,
  triggers: readonly Trigger[],
  options: WriteTriggersOptions = { isAtomic: true },
) {
  const checked = checkTriggers(triggers);
  return (await writeChecked(path, checked, options)).document;
}

async function refusal(
  path: string,
  triggers: readonly Trigger[] = [{ name: "new" }],
  code = "output-failed",
): Promise<string> {
  const error = await assertRejects(
    () => writeTriggers(path, triggers),
    RunnerError,
  );
  assertEquals(error.code, code);
  return error.message;
}

Deno.test("writeTriggers() creates the file and returns its content", () =>
  withFile(async (path) => {
    const document = await writeTriggers(path, [
      { name: "build", dependsOn: ["test"] },
      { name: "test", timeoutSeconds: 5 },
    ]);
    assertEquals(JSON.parse(await Deno.readTextFile(path)), document);
    assertEquals(document.jobs.map((job) => job.job_name), ["test", "build"]);
    assertEquals(document.jobs[0].timeout, 5);
    const files = await listFiles(path.slice(0, path.lastIndexOf("/")));
    assertEquals(Object.keys(files), ["triggers.json"]);
  }));

Deno.test("writeTriggers() keeps the existing jobs in front", () =>
  withFile(async (path) => {
    const first = await writeTriggers(path, [{
      name: "test",
      env: { A: "1" },
      forEach: [1],
      resources: { cpu: { limit: 1 } },
    }]);
    const second = await writeTriggers(path, [
      { name: "build", dependsOn: ["test"] },
    ]);
    assertEquals(second.jobs.slice(0, 1), first.jobs);
    assertEquals(second.jobs[1].job_name, "build");
    assert(first.operation_id !== second.operation_id);
  }));

Deno.test("writeTriggers() accepts documents of other writers", () =>
  withFile(async (path) => {
    await Deno.writeTextFile(
      path,
      JSON.stringify({
        type: "trigger_job",
        jobs: [{
          job_name: "a",
          condition: "always()",
          env: null,
          for_each: [2],
          timeout: null,
        }],
      }),
    );
    const { jobs } = await writeTriggers(path, [{ name: "b" }]);
    assertEquals(jobs[0], {
      job_name: "a",
      depends_on: [],
      condition: "always",
      env: {},
      for_each: ["2"],
    });
  }));

Deno.test("writeTriggers() refuses a job that is already in the file", () =>
  withFile(async (path) => {
    await writeTriggers(path, [{ name: "a" }]);
    const before = await Deno.readTextFile(path);
    assertEquals(
      await refusal(path, [{ name: "b" }, { name: "a" }], "invalid-trigger"),
      `Cannot trigger "a": it is already in "${path}"`,
    );
    assertEquals(await Deno.readTextFile(path), before);
  }));

Deno.test("writeTriggers() writes nothing for invalid triggers", () =>
  withFile(async (path) => {
    await refusal(path, [{ name: "a", dependsOn: ["b"] }], "invalid-trigger");
    assert(!await exists(path));
  }));

Deno.test("writeTriggers() never overwrites a file that it cannot parse", () =>
  withFile(async (path) => {
    const job = { job_name: "a", depends_on: [], env: {} };
    for (
      const [content, state] of [
        ["", "it is not valid JSON"],
        ['{"password": hunter2', "it is not valid JSON"],
        ["[]", "it must be a plain object, not a list"],
        ["null", "it must be a plain object, not null"],
        ["\ufeff{}", "it is not valid JSON"],
        ["{}", 'its type is not "trigger_job"'],
        [{ type: " trigger_job" }, 'its type is not "trigger_job"'],
        [{ type: "trigger_job", version: null }, 'it contains "version"'],
        [{ type: "trigger_job", jobs: {} }, "its jobs must be a list"],
        [{ type: "trigger_job", jobs: [[]] }, '"jobs[0]": it must be a plain'],
        [{ type: "trigger_job", jobs: [{}] }, 'needs the key "job_name"'],
        [{ type: "trigger_job", jobs: [job, job] }, "its name occurs twice"],
        [
          { type: "trigger_job", trigger_type: "runnerlib_eval" },
          'its trigger_type is not "runnerlib"',
        ],
        [
          { type: "trigger_job", workflows: [{}] },
          'it contains "workflows"; only jobs are supported',
        ],
        [
          { type: "trigger_job", jobs: [{ ...job, dependsOn: [] }] },
          'unknown key "dependsOn"; did you mean "depends_on"?',
        ],
        [
          { type: "trigger_job", jobs: [{ ...job, env: { A: 1 } }] },
          "env.A must be a string, not a number",
        ],
        [
          '{"type": "trigger_job", "jobs": [{"__proto__": {"x": 1}}]}',
          'reserved key "__proto__"',
        ],
      ] as [string | object, string][]
    ) {
      const text = typeof content === "string"
        ? content
        : JSON.stringify(content);
      await Deno.writeTextFile(path, text);
      const message = await refusal(path);
      assert(message.startsWith(`Cannot add triggers to "${path}": `), message);
      assert(message.includes(state), message);
      assert(!message.includes("hunter2"), message);
      assertEquals(await Deno.readTextFile(path), text);
    }
    await Deno.writeFile(path, new Uint8Array([0x22, 0xff, 0x22]));
    assert((await refusal(path)).endsWith("it is not valid UTF-8"));
  }));

Deno.test("writeTriggers() reads only regular files", () =>
  withFile(async (path) => {
    await Deno.writeTextFile(`${path}.other`, "{}");
    await Deno.symlink(`${path}.other`, path);
    assert((await refusal(path)).endsWith("it is a symbolic link"));
    await Deno.remove(path);
    await Deno.mkdir(path);
    assert((await refusal(path)).endsWith("it is not a regular file"));
  }));

Deno.test("writeTriggers() names a missing directory", () =>
  withFile(async (path) => {
    const message = await refusal(`${path}/deeper/triggers.json`);
    assert(message.includes(`"${path}/deeper/triggers.json"`), message);
  }));

Deno.test("writeTriggers() keeps the file below 8 MiB", () =>
  withFile(async (path) => {
    const forEach = Array(50).fill("x".repeat(100 * 1024));
    await writeTriggers(path, [{ name: "a", forEach }]);
    const message = await refusal(
      path,
      [{ name: "b", forEach }],
      "invalid-trigger",
    );
    assert(message.endsWith("it would exceed 8388608 bytes"), message);
    await Deno.truncate(path, 8 * 1024 * 1024 + 1);
    assert((await refusal(path)).endsWith("it is larger than 8388608 bytes"));
  }));

Deno.test("writeTriggers() loses nothing to concurrent writers", () =>
  withFile(async (path) => {
    const names = Array.from({ length: 20 }, (_, index) => `j${index}`);
    await Promise.all(names.map((name) => writeTriggers(path, [{ name }])));
    const { jobs } = JSON.parse(await Deno.readTextFile(path));
    assertEquals(
      jobs.map((job: { job_name: string }) => job.job_name).sort(),
      names.sort(),
    );
  }));

Deno.test("lockDirectory() gives the lock to the next waiter when disposed", () =>
  withFile(async (path) => {
    const directory = path.slice(0, path.lastIndexOf("/"));
    const order: string[] = [];
    const first = await lockDirectory(directory);
    const second = lockDirectory(directory).then((lock) => {
      order.push("second");
      lock[Symbol.dispose]();
    });
    using _ = await lockDirectory(`${directory}/missing`);
    order.push("first");
    first[Symbol.dispose]();
    await second;
    assertEquals(order, ["first", "second"]);
  }));
