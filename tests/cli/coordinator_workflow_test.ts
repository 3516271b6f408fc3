import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import {
  type CoordinatorOptions,
  startCoordinator,
  type TestCoordinator,
  type Trouble,
} from "../helpers/coordinator.ts";
import { pause } from "../../src/process/time_limit.ts";
import { Random } from "../helpers/random.ts";
import { until } from "../helpers/soon.ts";
import { startWorker, type Work } from "../helpers/coordinator_worker.ts";
import { runMain } from "../helpers/run_main.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

/** Number of workflows that run with random failures. */
const ROUNDS = Number(Deno.env.get("COORDINATOR_ROUNDS") ?? 3);

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

Deno.test("workflow run --executor coordinator loses and repeats nothing when requests fail", async () => {
  const random = new Random();
  const kinds: Trouble[] = [
    ...[500, 502, 429, 408] as const,
    ...["cut", "short", "lost", "twice"] as const,
  ];
  for (let round = 0; round < ROUNDS; round++) {
    await using setting = await setUp(GRAPH, async ({ name, log }) => {
      for (let line = 0; line < 20; line++) {
        log(random.pick(["stdout", "stderr"]), `${name} line ${line}`);
        if (random.below(4) === 0) await pause(random.below(30));
      }
      return name === "broken" ? 3 : 0;
    }, {
      troubleOf: () => random.below(3) === 0 ? random.pick(kinds) : undefined,
      hasOrphans: true,
    });
    const { coordinator, path, worker } = setting;
    const hint = `seed ${random.seed}, round ${round}`;
    const { code, stdout, stderr } = await submit(coordinator, path);
    assertEquals(code, 3, `${hint}\n${stderr}`);
    assertEquals(
      worker.started.toSorted(),
      ["broken", "build", "mend", "test[0]", "test[1]"],
      hint,
    );
    assertEquals(coordinator.jobs.workflows.length, 1, hint);
    for (const name of worker.started) {
      const printed = stdout.split("\n")
        .filter((line) => line.startsWith(name.padEnd(7)))
        .map((line) => line.replace(/^.*\| /, ""));
      assertEquals(
        printed.toSorted(),
        Array.from({ length: 20 }, (_, at) => `${name} line ${at}`).toSorted(),
        hint,
      );
    }
    assertEquals(await savedIn(path), [], hint);
  }
});

Deno.test("workflow run --executor coordinator waits for a coordinator that is out of reach", async () => {
  const gate = Promise.withResolvers<void>();
  await using setting = await setUp(
    "name: CI\njobs:\n  a: { command: a }\n  b: { needs: a, command: b }\n",
    async ({ name, log }) => {
      log("stdout", `${name} begins`);
      if (name === "a") await gate.promise;
      log("stdout", `${name} ends`);
      return 0;
    },
  );
  const { coordinator, path, worker } = setting;
  await coordinator.stop();
  const running = submit(coordinator, path);
  await pause(700);
  coordinator.restart();
  await until(() => worker.started.length === 1, "the first job");
  await coordinator.stop();
  gate.resolve();
  await pause(700);
  coordinator.restart();
  const { code, stdout, stderr } = await running;
  assertEquals(code, 0, stderr);
  assertEquals(worker.started, ["a", "b"]);
  assertEquals(
    stdout.trimEnd().split("\n"),
    ["a | a begins", "a | a ends", "b | b begins", "b | b ends"],
  );
  assertStringIncludes(stderr, "Retrying the request");
});

Deno.test("workflow run --executor coordinator says what a coordinator cannot do before it submits anything", async () => {
  await using setting = await setUp(
    `name: CI
jobs:
  steps:
    job:
      steps:
        - { name: x, run: "true" }
  gpu:
    command: x
    capabilities: [gpu]
  good: { command: x }
  saves:
    command: x
    artifacts: { dist: { paths: [dist] } }
  gets:
    needs: [{ job: saves, artifacts: [dist] }]
    command: x
  off:
    steps: [{ name: x, run: "true" }]
    when: { branch: other }
`,
    () => 0,
  );
  const { coordinator, path } = setting;
  const { code, stderr } = await submit(coordinator, path, "--branch", "main");
  assertEquals(code, 1);
  assertStringIncludes(
    stderr,
    `Cannot submit workflow "CI" to a coordinator:
  ci.yaml:5:7: job "steps": steps is not supported by a coordinator
  ci.yaml:9:5: job "gpu": capabilities can be given only by a job that an event started
  ci.yaml:13:5: job "saves": artifacts is not supported by a coordinator
  ci.yaml:15:5: job "gets": needs asks for artifacts, which a coordinator does not pass on
`,
  );
  assertEquals(coordinator.requests, []);
  const settings: [string[], Record<string, string>, string][] = [
    [[], { REACTORCIDE_API_TOKEN: "" }, "REACTORCIDE_API_TOKEN is not set"],
    [
      ["--only", "good"],
      { REACTORCIDE_ALLOW_INSECURE_TRANSPORT: "false" },
      "plain HTTP would send the token unencrypted",
    ],
    [["--concurrency", "2"], {}, "--concurrency needs jobs on this machine"],
    [["--source", "copy"], {}, "a coordinator gives jobs the code of a git"],
    [["--source", "git", "--only", "good"], {}, "Cannot find the code"],
    [["--only", "good", "--var", "org=1"], {}, "Cannot submit the variables"],
  ];
  for (const [args, env, words] of settings) {
    const result = await runMain([
      ...["workflow", "run", "ci.yaml", "--executor", "coordinator"],
      ...args.includes("--source") ? [] : ["--source", "none"],
      ...["--branch", "main", "--only", "good", ...args],
    ], { cwd: path, env: { ...coordinator.userEnv, ...env } });
    assert(result.code > 0, words);
    assertStringIncludes(result.stderr, words);
  }
  assertEquals(coordinator.requests, []);
  assertEquals(await savedIn(path), []);
});
