import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import {
  type CoordinatorOptions,
  startCoordinator,
  type TestCoordinator,
} from "../helpers/coordinator.ts";
import { startWorker, type Work } from "../helpers/coordinator_worker.ts";
import { runMain } from "../helpers/run_main.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

/** Runs a workflow of a file at a coordinator, in this process. */
async function submit(
  coordinator: TestCoordinator,
  path: string,
  ...args: string[]
) {
  return await runMain([
    ...["workflow", "run", "ci.yaml", "--executor", "coordinator"],
    ...["--source", "none", ...args],
  ], { cwd: path, env: coordinator.userEnv });
}

/** Sets up a directory, a coordinator and its worker. */
async function setUp(
  file: string,
  work: Work,
  options: CoordinatorOptions = {},
) {
  const stack = new AsyncDisposableStack();
  const { path } = stack.use(await temporaryDirectory());
  await makeFiles(path, { "ci.yaml": file });
  const coordinator = stack.use(startCoordinator(options));
  const worker = startWorker(coordinator, work);
  return {
    path,
    coordinator,
    worker,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

async function statesIn(path: string): Promise<Record<string, string>> {
  const text = await Deno.readTextFile(
    `${path}/.reactorcide/workflow-state.json`,
  );
  const { jobs } = JSON.parse(text) as {
    jobs: Record<string, { status: string }>;
  };
  return Object.fromEntries(
    Object.entries(jobs).map(([key, { status }]) => [key, status]),
  );
}

async function savedIn(path: string): Promise<string[]> {
  const directory = `${path}/.reactorcide/workflow/coordinator`;
  try {
    const entries = await Array.fromAsync(Deno.readDir(directory));
    return entries.map(({ name }) => name);
  } catch {
    return [];
  }
}

const GRAPH = `
name: CI
vars: { start: 1 }
jobs:
  test:
    command: make test
    raw_command: true
    for_each: [a, b]
  build:
    needs: test
    command: make build
  broken:
    command: exit 3
  mend:
    needs: broken
    condition: any_failed
    command: mend
  never:
    needs: [broken]
    command: never
  off:
    when: { branch: other }
    command: never
`;

Deno.test("workflow run --executor coordinator submits the graph and reports it like a local run", async () => {
  await using setting = await setUp(GRAPH, ({ name, command, env, log }) => {
    log("stdout", `${name} runs ${command}`);
    log("stderr", `${name} has ${env.RC_WF_VARS_JSON}`);
    if (name === "broken") return 3;
    return name === "test[0]" ? { output: '{"outputs":{"sha":"abc"}}' } : 0;
  });
  const { coordinator, path, worker } = setting;
  const { code, stdout, stderr } = await submit(
    ...[coordinator, path, "--var", "more=2", "--branch", "main"] as const,
  );
  assertEquals(code, 3, stderr);
  const lines = stdout.split("\n").map((line) => line.replace(/ +\|/, " |"));
  assertEquals(
    lines.filter((line) => line.includes(" runs ")).sort(),
    [
      "broken | broken runs runnerlib run --job-command 'exit 3'",
      "build | build runs runnerlib run --job-command 'make build'",
      "mend | mend runs runnerlib run --job-command 'mend'",
      "test[0] | test[0] runs make test",
      "test[1] | test[1] runs make test",
    ],
  );
  const build = lines.find((line) => line.startsWith("build | build has"));
  assertEquals(
    JSON.parse(build?.replace(/^.* has /, "") ?? ""),
    { start: 1, more: "2", "test.sha": "abc" },
  );
  const table = stderr.slice(stderr.indexOf("✓"));
  for (
    const row of [
      "✓ test[0]  success",
      "✗ broken   exit code 3",
      "– never    skipped",
      "– off      skipped",
    ]
  ) assertStringIncludes(table, row);
  assertEquals(await statesIn(path), {
    "test[0]": "completed",
    "test[1]": "completed",
    build: "completed",
    broken: "failed",
    mend: "completed",
    never: "skipped",
    off: "skipped",
  });
  assertEquals(worker.looseCount, 1);
  assertEquals(worker.started.sort(), [
    ...["broken", "build", "mend", "test[0]", "test[1]"],
  ]);
  assertEquals(await savedIn(path), []);
  assert(!stderr.includes(coordinator.userToken));
});
