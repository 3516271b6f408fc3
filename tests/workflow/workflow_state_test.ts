import { assert, assertEquals, assertRejects } from "@std/assert";
import { RunnerError } from "../../src/errors.ts";
import { runWorkflow } from "../../src/workflow/local/run_workflow.ts";
import {
  type LocalJobState,
  openStateFile,
  type OpenStateFileOptions,
} from "../../src/workflow/local/workflow_state.ts";
import { Random } from "../helpers/random.ts";
import { soon } from "../helpers/soon.ts";
import { temporaryDirectory } from "../helpers/temporary_directory.ts";

const NEW: OpenStateFileOptions = { workflow: "w", earlier: "none" };

const RESUMED: OpenStateFileOptions = { workflow: "w", earlier: "required" };

function record(status: LocalJobState["status"] = "completed"): LocalJobState {
  return { name: "a", status, exitCode: 0, outputs: { x: 1 } };
}

Deno.test("openStateFile() saves a state that only its owner can read", async () => {
  await using directory = await temporaryDirectory();
  const path = `${directory.path}/.reactorcide/workflow-state.json`;
  {
    await using state = await openStateFile(path, NEW);
    await state.record("a[0]", record());
    const { jobs } = JSON.parse(await Deno.readTextFile(path));
    assertEquals(jobs["a[0]"], record());
  }
  const { mode } = await Deno.stat(path);
  assertEquals(mode! & 0o777, 0o600);
  await using again = await openStateFile(path, RESUMED);
  assertEquals(again.earlier.get("a[0]"), record());
});

Deno.test("openStateFile() restores all records, wherever a run was killed", async () => {
  const random = new Random();
  for (let round = 0; round < 20; round++) {
    await using directory = await temporaryDirectory();
    const path = `${directory.path}/state.json`;
    const expected: Record<string, string> = {};
    {
      await using state = await openStateFile(path, NEW);
      const writes: Promise<void>[] = [];
      for (let count = random.below(300); count >= 0; count--) {
        const key = `j${random.below(200)}`;
        const status = random.pick(["running", "completed"] as const);
        expected[key] = status;
        writes.push(state.record(key, record(status)));
        if (random.below(9) === 0) await Promise.all(writes.splice(0));
      }
      await Promise.all(writes);
      // A killed run leaves an outdated file, and a truncated line in the journal.
      await Deno.copyFile(path, `${path}.copy`);
      await Deno.copyFile(`${path}.log`, `${path}.copy.log`);
    }
    await Deno.writeTextFile(`${path}.copy.log`, '{"key":"j1","rec', {
      append: true,
    });
    await using state = await openStateFile(`${path}.copy`, RESUMED);
    assertEquals(
      Object.fromEntries(
        [...state.earlier].map(([key, { status }]) => [key, status]),
      ),
      expected,
      `seed ${random.seed}, round ${round}`,
    );
  }
});

Deno.test("openStateFile() ignores a journal of another run", async () => {
  await using directory = await temporaryDirectory();
  const path = `${directory.path}/state.json`;
  {
    await using state = await openStateFile(path, NEW);
    await state.record("a", record("failed"));
    await Deno.copyFile(`${path}.log`, `${path}.kept`);
  }
  {
    await using state = await openStateFile(path, NEW);
    await state.record("b", record());
  }
  await Deno.rename(`${path}.kept`, `${path}.log`);
  await using state = await openStateFile(path, RESUMED);
  assertEquals([...state.earlier.keys()], ["b"]);
});

Deno.test("openStateFile() reports why a run cannot be resumed", async () => {
  await using directory = await temporaryDirectory();
  const path = `${directory.path}/state.json`;
  await assertRejects(
    () => openStateFile(path, RESUMED),
    RunnerError,
    "does not exist",
  );
  {
    await using _ = await openStateFile(path, { ...NEW, workflow: "other" });
  }
  await assertRejects(
    () => openStateFile(path, RESUMED),
    RunnerError,
    'belongs to workflow "other"',
  );
  {
    await using state = await openStateFile(path, {
      workflow: "w",
      earlier: "wanted",
    });
    assertEquals(state.earlier.size, 0);
  }
  await Deno.writeTextFile(path, "[]");
  await assertRejects(
    () => openStateFile(path, RESUMED),
    RunnerError,
    "it is not the state of a workflow",
  );
});

Deno.test("runWorkflow() records 10,000 nodes in its state file", async () => {
  await using directory = await temporaryDirectory();
  const path = `${directory.path}/state.json`;
  const jobs = Array.from({ length: 10_000 }, (_, at) => ({
    name: `j${at}`,
    command: "x",
    env: {},
    dependsOn: at < 4 ? [] : [`j${at - 4}`],
    condition: "all_success" as const,
  }));
  await using state = await openStateFile(path, NEW);
  const results = await soon(
    runWorkflow({ vars: {}, jobs }, {
      executor: () => Promise.resolve({ status: "completed", exitCode: 0 }),
      concurrency: 4,
      state,
      signal: new AbortController().signal,
    }),
    "the end of the workflow",
  );
  assert(results.every(({ status }) => status === "completed"));
});

const IN_PLACE_OF_FILES: [what: string, script: string][] = [
  ["a pipe", "mkfifo state.json state.json.log"],
  ["a link", "ln -s victim state.json; ln -s victim state.json.log"],
  ["a hard link", "ln victim state.json; ln victim state.json.log"],
  ["a directory", "mkdir -p state.json/a state.json.log/a"],
];

for (const [what, script] of IN_PLACE_OF_FILES) {
  Deno.test(`openStateFile() replaces ${what} that a job has put in place of its files`, async () => {
    await using directory = await temporaryDirectory();
    const { path: cwd } = directory;
    await Deno.writeTextFile(`${cwd}/victim`, "kept");
    await new Deno.Command("sh", { args: ["-c", script], cwd }).output();
    const path = `${cwd}/state.json`;
    {
      await using state = await soon(openStateFile(path, NEW), "the file");
      await state.record("a", record());
    }
    await using again = await openStateFile(path, RESUMED);
    assertEquals(again.earlier.get("a"), record());
    assertEquals(await Deno.readTextFile(`${cwd}/victim`), "kept");
  });
}
