import {
  assert,
  assertEquals,
  assertLess,
  assertMatch,
  assertStringIncludes,
} from "@std/assert";
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

const DAY_MS = 24 * 60 * 60_000;

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
        if (random.below(40) === 0) setting.coordinator.jobs.clockMs -= DAY_MS;
      }
      return name === "broken" ? 3 : 0;
    }, {
      chooseTrouble: () =>
        random.below(3) === 0 ? random.pick(kinds) : undefined,
      hasOrphans: true,
    });
    const { coordinator, path, worker } = setting;
    coordinator.jobs.clockMs = random.pick([0, -DAY_MS, DAY_MS]);
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

Deno.test("workflow run --executor coordinator cancels a job that a lost request has created as well", async () => {
  const duplicate = crypto.randomUUID();
  await using setting = await setUp(
    "name: CI\njobs:\n  a: { command: a }\n",
    () => 0,
    {
      chooseTrouble({ method, path }) {
        const { rows } = setting.coordinator.jobs;
        if (method === "POST" && path.endsWith("/triggers")) {
          (rows as unknown[]).push({
            ...rows[0],
            job_id: duplicate,
            status: "queued",
          });
        }
        return undefined;
      },
    },
  );
  const { coordinator, path } = setting;
  coordinator.troubles.push("lost");
  const { code, stderr } = await submit(coordinator, path);
  assertEquals(code, 0, stderr);
  const cancelled = coordinator.requests
    .filter(({ method }) => method === "PUT").map(({ path }) => path);
  assertEquals(cancelled, [`/api/v1/jobs/${duplicate}/cancel`]);
  assertEquals(coordinator.jobs.workflows.length, 1);
});

Deno.test("workflow attach sends requests only to the coordinator of the submission", async () => {
  await using setting = await setUp(
    "name: CI\njobs:\n  a: { command: a }\n",
    () => 0,
  );
  const { coordinator, path } = setting;
  const { code, stdout } = await submit(coordinator, path, "--detach");
  assertEquals(code, 0);
  const [, id] = /workflow attach ([\w-]+)/.exec(stdout)!;
  await using other = startCoordinator();
  const attached = await runMain(["workflow", "attach", id], {
    cwd: path,
    env: other.userEnv,
  });
  assertEquals(attached.code, 1);
  assertStringIncludes(attached.stderr, "it was submitted to");
  assertEquals(other.requests, []);
});

Deno.test("workflow run --executor coordinator reads lines that arrive after the end of their job", async () => {
  let sendLate = () => {};
  let readCount = 0;
  await using setting = await setUp(
    "name: CI\njobs:\n  a: { command: a }\n",
    ({ log }) => {
      log("stdout", "early");
      sendLate = () => log("stdout", "late");
      return 0;
    },
    {
      chooseTrouble({ path }) {
        const row = setting.coordinator.jobs.rows
          .find(({ workflow_node_name }) => workflow_node_name === "a");
        const isRead = path.endsWith("/logs?stream=stdout") &&
          row?.status === "completed";
        // The worker sends it between the first two readings after the end.
        if (isRead && ++readCount === 2) sendLate();
        return undefined;
      },
    },
  );
  const { coordinator, path } = setting;
  const { code, stdout, stderr } = await submit(coordinator, path);
  assertEquals([code, stdout], [0, "early\nlate\n"], stderr);
});

Deno.test("workflow run --executor coordinator waits for a coordinator that is unreachable", async () => {
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

Deno.test("workflow run --executor coordinator reports unsupported features before it submits anything", async () => {
  await using setting = await setUp(
    `name: CI
jobs:
  steps:
    job:
      steps:
        - { name: x, run: "true", env: { A: "\${secret:a:b:c}" } }
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
  ci.yaml:5:7: job "steps": steps refer to secrets, which remote runners support only in the environment of a job
  ci.yaml:9:5: job "gpu": capabilities are accepted only from a job that an event started
  ci.yaml:13:5: job "saves": artifacts are not passed on by a coordinator, but by --executor kubernetes
  ci.yaml:15:5: job "gets": needs lists artifacts, which a coordinator does not pass on
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
    [
      ["--source", "git", "--only", "good"],
      {},
      "it is not a git repository; use --source-url and --source-ref",
    ],
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

Deno.test("workflow run --executor coordinator follows the jobs that jobs submit, and says when a workflow fails without a job", async () => {
  await using setting = await setUp(
    "name: CI\njobs:\n  a: { command: a }\n  b: { command: b }\n",
    ({ id, name, log }) => {
      log("stdout", `${name} runs`);
      if (name === "a") {
        setting.coordinator.jobs.submit(
          JSON.stringify({
            type: "trigger_job",
            operation_id: "1",
            jobs: [
              { job_name: "deploy", job_command: "x" },
              { job_name: "b", job_command: "x", depends_on: ["deploy"] },
              { job_name: "evil\x1b[2Jname", job_command: "x" },
            ],
          }),
          id,
        );
      }
      return name === "deploy" ? 7 : 0;
    },
  );
  const { coordinator, path } = setting;
  const first = await submit(coordinator, path);
  assertEquals(first.code, 7, first.stderr);
  assertStringIncludes(first.stdout, "deploy | deploy runs");
  assertMatch(first.stderr, /✗ deploy +exit code 7/);
  assertEquals((await statesIn(path)).deploy, "failed");
  assertStringIncludes(first.stderr, "evil\\u{1b}[2Jname");
  assert(!first.stderr.includes("\x1b"));

  await using clashing = await setUp(
    "name: CI\njobs:\n  a: { command: a }\n  b: { command: b }\n  c: { needs: [a, b], command: c }\n",
    ({ name }) => ({ output: JSON.stringify({ vars: { v: name } }) }),
  );
  const second = await submit(clashing.coordinator, clashing.path);
  assertEquals(second.code, 1);
  assertStringIncludes(
    second.stderr,
    'the coordinator did not start it: its workflow ended as "failed"',
  );
  assertStringIncludes(second.stderr, "although no job failed");
  assertEquals(clashing.worker.started, ["a", "b"]);
});

Deno.test("workflow run --executor coordinator --resume submits only what has not succeeded", async () => {
  let isBroken = true;
  await using setting = await setUp(
    `name: CI
vars: { v: 1 }
jobs:
  test:
    command: test
    for_each: [a, b, c]
  build: { needs: test, command: build }
  mend: { needs: build, condition: any_failed, command: mend }
  done: { command: done }
  last: { needs: [done, build], command: last }
`,
    ({ env, log }) => {
      const { ITEM } = env;
      log("stdout", `item ${ITEM} of ${env.RC_WF_VARS_JSON}`);
      return ITEM === "b" && isBroken ? 1 : 0;
    },
  );
  const { coordinator, path, worker } = setting;
  assertEquals((await submit(coordinator, path)).code, 1);
  assertEquals(
    worker.started.splice(0).sort(),
    ["done", "test[0]", "test[1]", "test[2]"],
  );
  isBroken = false;
  const { code, stdout, stderr } = await submit(
    ...[coordinator, path, "--resume", "--var", "w=2"] as const,
  );
  assertEquals(code, 0, stderr);
  assertEquals(worker.started, ["test[0]", "build", "last"]);
  assertStringIncludes(stdout, 'test[1] | item b of {"v":1,"w":"2"}');
  assertEquals(await statesIn(path), {
    ...{ "test[0]": "completed", "test[1]": "completed" },
    ...{ "test[2]": "completed", build: "completed", mend: "skipped" },
    ...{ done: "completed", last: "completed" },
  });
  worker.started.length = 0;
  const again = await submit(coordinator, path, "--only", "last");
  assertEquals([again.code, worker.started], [0, ["last"]], again.stderr);
});

Deno.test("workflow run --executor coordinator masks logs again on this machine", async () => {
  const secret = "first-l1ne-of-it\nsecond-l1ne-of-it";
  await using setting = await setUp(
    "name: CI\njobs:\n  a: { command: a }\n  b: { command: b }\n",
    async ({ name, log }) => {
      const [first, second] = secret.split("\n");
      log("stdout", `one ${btoa(secret)}`, `two ${first}`);
      log("stderr", "between");
      await pause(200);
      log("stdout", `${second} three`);
      return name === "a" ? 0 : {
        ...{ status: "failed", exit_code: -1 },
        last_error: `no ${secret}\x1b[2J`,
      };
    },
  );
  const { coordinator, path } = setting;
  const { code, stdout, stderr } = await runMain([
    ...["workflow", "run", "ci.yaml", "--executor", "coordinator"],
    ...["--source", "none"],
  ], { cwd: path, env: { ...coordinator.userEnv, DEPLOY_TOKEN: secret } });
  assertEquals(code, 1, stderr);
  const logs = await Promise.all(
    ["a", "b"].map((name) =>
      Deno.readTextFile(`${path}/.reactorcide/workflow/logs/${name}.log`)
    ),
  );
  const state = await Deno.readTextFile(
    `${path}/.reactorcide/workflow-state.json`,
  );
  for (const text of [stdout, stderr, ...logs]) {
    for (const part of [...secret.split("\n"), btoa(secret), "\x1b[2J"]) {
      assert(!text.includes(part), `${JSON.stringify(part)} in ${text}`);
    }
  }
  assertStringIncludes(stdout, "a | between");
  assertStringIncludes(stdout, "a | two [REDACTED]");
  assertStringIncludes(stdout, "[REDACTED] three");
  assertStringIncludes(stderr, "no [REDACTED]");
  assert(!state.includes("\x1b"));
});

Deno.test("workflow run --executor coordinator follows 500 jobs with few requests", async () => {
  await using setting = await setUp(
    `name: CI
jobs:
  many:
    command: x
    for_each: [${Array.from({ length: 499 }, (_, at) => `"${at}"`)}]
  last: { needs: many, command: x }
`,
    ({ env, log }) => {
      log("stdout", `line of ${env.ITEM}`);
      return 0;
    },
  );
  const { coordinator, path, worker } = setting;
  const { code, stdout, stderr } = await submit(coordinator, path);
  assertEquals(code, 0, stderr.slice(-500));
  assertEquals(worker.started.length, 500);
  const printed = stdout.split("\n").filter((line) => line !== "");
  assertEquals(new Set(printed).size, 500);
  assertEquals(printed.length, 500);
  const logs = coordinator.requests.filter(({ path }) =>
    path.includes("/logs")
  );
  // Two readings of both streams, and some while a job is running.
  assertLess(logs.length, 500 * 5);
});

Deno.test("workflow run --executor coordinator keeps two runs of a workflow apart, regardless of the coordinator's clock", async () => {
  const both = Promise.withResolvers<void>();
  let count = 0;
  await using setting = await setUp(
    "name: CI\nvars: { who: x }\njobs:\n  a: { command: a }\n  b: { needs: a, command: b }\n",
    async ({ name, env, log }) => {
      const { who } = JSON.parse(env.RC_WF_VARS_JSON);
      if (name === "a" && ++count === 2) both.resolve();
      if (name === "a") await both.promise;
      log("stdout", `${name} of ${who}`);
      return name === "b" && who === "two" ? 4 : 0;
    },
  );
  const { coordinator, path } = setting;
  coordinator.jobs.clockMs = -DAY_MS;
  const run = async (who: string) => {
    const cwd = `${path}/${who}`;
    await makeFiles(cwd, {
      "ci.yaml": await Deno.readTextFile(`${path}/ci.yaml`),
    });
    const result = await submit(coordinator, cwd, "--var", `who=${who}`);
    const record = await Deno.readTextFile(
      `${cwd}/.reactorcide/workflow/run.jsonl`,
    );
    const durations = record.trim().split("\n").map((line) => JSON.parse(line))
      .filter(({ event }) => event === "step.ended")
      .map(({ durationMs }) => durationMs);
    assertEquals(durations.length, 2);
    assert(durations.every((ms) => ms >= 0 && ms < DAY_MS), durations.join());
    return [result.code, result.stdout];
  };
  assertEquals(await Promise.all([run("one"), run("two")]), [
    [0, "a | a of one\nb | b of one\n"],
    [4, "a | a of two\nb | b of two\n"],
  ]);
});

Deno.test("workflow run --executor coordinator treats the responses of a coordinator as untrusted", async () => {
  for (const last_error of [null, 7, "\x1b[2Jno\nworker"] as const) {
    await using setting = await setUp(
      "name: CI\njobs:\n  a: { command: a }\n",
      () => ({
        status: "failed",
        exit_code: null,
        last_error,
      } as unknown as number),
    );
    const { coordinator, path } = setting;
    const { code, stderr } = await submit(coordinator, path);
    assertEquals(code, 1, stderr);
    assert(
      !stderr.includes("TypeError") && !stderr.includes("\x1b[2J"),
      stderr,
    );
    assertMatch(
      stderr,
      last_error === 7 ? /its response is not a job/ : /a: failed/,
    );
  }
});

Deno.test("workflow run --executor coordinator tolerates jobs that are missing from the list once, and reports those that are gone", async () => {
  const { promise: isOver, resolve: end } = Promise.withResolvers<void>();
  await using setting = await setUp(
    "name: CI\njobs:\n  gone: { command: a }\n  missed: { command: b }\n",
    async ({ id, name, log }) => {
      log("stdout", `${name} begins`);
      const { rows } = setting.coordinator.jobs;
      const reads = () =>
        setting.coordinator.requests.filter(({ path }) =>
          path.startsWith("/api/v1/jobs?")
        ).length;
      const readTimes = async (count: number) => {
        const end = reads() + count;
        await until(() => reads() >= end, "readings of the list");
      };
      await readTimes(2);
      const at = rows.findIndex(({ job_id }) => job_id === id);
      const [row] = (rows as unknown[]).splice(at, 1);
      if (name === "gone") {
        await isOver;
        (rows as unknown[]).push(row);
        return 0;
      }
      await readTimes(1);
      (rows as unknown[]).push(row);
      await readTimes(6);
      end();
      return 0;
    },
  );
  const { coordinator, path } = setting;
  const { code, stderr } = await submit(coordinator, path);
  assertEquals(code, 1, stderr);
  assertStringIncludes(
    stderr,
    "gone: failed, the coordinator no longer has it",
  );
  assertStringIncludes(stderr, "missed: completed");
});

Deno.test("workflow run --executor coordinator submits from the job that it runs in", async () => {
  await using setting = await setUp(
    "name: CI\njobs:\n  a: { command: a, capabilities: [gpu] }\n",
    () => 0,
  );
  const { coordinator, path, worker } = setting;
  const env = {
    ...coordinator.userEnv,
    ...coordinator.env,
    REACTORCIDE_READ_TOKEN: coordinator.readToken,
  };
  const { code, stderr } = await runMain([
    ...["workflow", "run", "ci.yaml", "--executor", "coordinator"],
    ...["--source-url", "https://u:pass-w0rd@git.example/a.git"],
    ...["--source-ref", "main"],
  ], { cwd: path, env });
  assertEquals(code, 0, stderr);
  assertEquals(worker.looseCount, 0);
  const [{ job, env: variables }] = coordinator.jobs.nodes;
  assertEquals(
    [job.source_type, job.source_url, job.source_ref],
    ["git", "https://git.example/a.git", "main"],
  );
  assertEquals(variables, {});
  const submitted = coordinator.requests
    .filter(({ method }) => method === "POST");
  assertEquals(submitted.map(({ path }) => path), [
    `/api/v1/jobs/${coordinator.jobId}/triggers`,
  ]);
});
