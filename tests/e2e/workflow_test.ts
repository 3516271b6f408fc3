import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { CLI, REPOSITORY, runCli, startCli } from "../helpers/cli.ts";
import { runMain } from "../helpers/run_main.ts";
import { until } from "../helpers/soon.ts";
import {
  exists,
  listFiles,
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

const PIPELINE = `
name: CI
vars: { start: 1 }
jobs:
  test:
    command: |
      echo "testing $VERSION in $(basename "$PWD")"
      echo '{"outputs":{"sha":"abc"},"vars":{"v":[1]}}' > "$RC_WF_OUTPUT_FILE"
    environment: { VERSION: 1.0 }
  lint:
    command: echo "lint $ITEM $RC_WF_NODE_NAME"
    for_each: [a, b]
  build:
    needs: [test, lint]
    command: |
      echo "$RC_WF_VARS_JSON"
      cat > "$REACTORCIDE_WORKSPACE/triggers.json" <<END
      {"type":"trigger_job","jobs":[
        {"job_name":"verify","job_command":"echo verified","depends_on":["deploy"]},
        {"job_name":"deploy","job_command":"echo deploying $STAGE","env":{"STAGE":"prod"}}]}
      END
    environment: { STAGE: test }
  broken:
    command: exit 3
  mend:
    needs: broken
    condition: any_failed
    command: echo mending
  never:
    needs: [broken]
    command: echo never
`;

async function stateOf(path: string) {
  const text = await Deno.readTextFile(
    `${path}/.reactorcide/workflow-state.json`,
  );
  const { jobs } = JSON.parse(text) as {
    jobs: Record<string, { status: string; exitCode: number | null }>;
  };
  return Object.fromEntries(
    Object.entries(jobs).map(([name, { status }]) => [name, status]),
  );
}

Deno.test("a local job has the options of its definition, as on a worker", async () => {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  await makeFiles(path, {
    "ci.yaml": `
name: w
jobs:
  shell:
    command: echo "bash <\${BASH_VERSION:+is there}>"
    shell: bash
  variable:
    command: echo "bash <\${BASH_VERSION:+is there}>"
    environment: { REACTORCIDE_SHELL: bash }
  plain:
    command: echo "plain <\$BASH_VERSION>"
  plugin:
    command: echo with a plugin
    plugin_dir: plugins
  secret:
    command: echo "\$TOKEN"
    environment: { TOKEN: s3cr3t-t0k3n }
    secret_env_names: [TOKEN]
`,
    "plugins/plugin_hello.ts":
      `export default { name: "hello", preExecution({ log }) { log("ran"); } };`,
  });
  const { code, stdout, stderr } = await runCli(
    ["workflow", "run", "ci.yaml"],
    { cwd: path },
  );
  const output = stdout + stderr;
  assertEquals(code, 0, output);
  for (
    const line of [
      ...["shell    | bash <is there>", "variable | bash <is there>"],
      ...["plain    | plain <>", "plugin   | [plugin:hello] ran"],
      "secret   | [REDACTED]",
    ]
  ) assertStringIncludes(output, line);
});

describe("runnerlib workflow", () => {
  it("runs the whole graph with its follow-up jobs, and reports the results", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeFiles(path, { "pipeline.yaml": PIPELINE, "code.txt": "x" });
    const { code, stdout, stderr } = await runCli(
      ["workflow", "run", "pipeline.yaml", "--concurrency", "1"],
      { cwd: path },
    );
    assertEquals(code, 3, stderr);
    const lines = stdout.split("\n").map((line) => line.replace(/ +\|/, " |"));
    assertEquals(lines.filter((line) => line !== "").sort(), [
      'build | {"start":1,"v":[1],"test.sha":"abc"}',
      "deploy | deploying test",
      "lint[0] | lint a lint[0]",
      "lint[1] | lint b lint[1]",
      "mend | mending",
      "test | testing 1.0 in src",
      "verify | verified",
    ]);
    assert(lines.indexOf("deploy | deploying test") > 0);
    assert(
      lines.indexOf("verify | verified") >
        lines.indexOf("deploy | deploying test"),
    );
    assertStringIncludes(stderr, "exit code 3");
    assertEquals(await stateOf(path), {
      test: "completed",
      "lint[0]": "completed",
      "lint[1]": "completed",
      build: "completed",
      broken: "failed",
      mend: "completed",
      never: "skipped",
      deploy: "completed",
      verify: "completed",
    });
  });

  it("runs jobs that have not succeeded when it is resumed", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeFiles(path, { "pipeline.yaml": PIPELINE });
    const first = await runMain(["workflow", "run", "pipeline.yaml"], {
      cwd: path,
    });
    assertEquals((await stateOf(path))["lint[1]"], "completed", first.stderr);
    await makeFiles(path, {
      "pipeline.yaml": PIPELINE.replace("exit 3", "echo well"),
    });
    const { code, stdout } = await runMain(
      ["workflow", "run", "pipeline.yaml", "--resume", "--concurrency", "1"],
      { cwd: path },
    );
    assertEquals(code, 0);
    assertEquals(
      stdout.replace(/ +\|/g, " |"),
      "broken | well\nnever | never\n",
    );
    const done = await runMain(
      ["workflow", "run", "pipeline.yaml", "--resume", "--only", "broken"],
      { cwd: path },
    );
    assertEquals([done.code, done.stdout], [0, ""]);
    assertStringIncludes(done.stderr, "No job is left to run");
  });

  it("loses and repeats no finished job when it is killed and resumed", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const count = 12;
    const jobs = Array.from({ length: count }, (_, at) => `
  j${at}:
    command: echo j${at} >> ${path}/ran; sleep 0.05
    needs: [${at < 2 ? "" : `j${at - 2}`}]`);
    await makeFiles(path, {
      "pipeline.yaml": `name: Long\njobs:${jobs}`
        .replaceAll(",\n", "\n"),
    });
    const args = [
      "workflow",
      "run",
      "pipeline.yaml",
      "--concurrency",
      "2",
      "--source",
      "none",
    ];
    await using running = startCli(args, { cwd: path });
    const ended = running.end();
    const lines = () =>
      Deno.readTextFileSync(`${path}/ran`).split("\n")
        .filter((line) => line !== "");
    await Deno.writeTextFile(`${path}/ran`, "");
    await until(() => lines().length >= 5, "five jobs");
    running.child.kill("SIGKILL");
    await ended;
    const before = lines();
    const { code, stderr } = await runCli([...args, "--resume"], { cwd: path });
    assertEquals(code, 0, stderr);
    const after = lines();
    assertEquals(new Set(after).size, count);
    const again = after.slice(before.length)
      .filter((name) => before.includes(name));
    // What ran as it was killed had not succeeded; all before it had.
    assert(again.length <= 2, `${again}`);
    const started = before.map((name) => Number(name.slice(1)));
    for (const name of again) {
      const dependent = Number(name.slice(1)) + 2;
      assert(!started.includes(dependent), `${name} had succeeded: ${before}`);
    }
    assertEquals(
      new Set(Object.values(await stateOf(path))),
      new Set(["completed"]),
    );
  });

  it("ends its jobs after SIGTERM, and can be resumed", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeFiles(path, {
      "pipeline.yaml": `
name: Wait
jobs:
  a: { command: "echo a" }
  b: { command: "echo ready; [ -e ${path}/go ] || sleep 60", needs: a }
  c: { command: "echo c", needs: b }
`,
    });
    const args = ["workflow", "run", "pipeline.yaml", "--source", "none"];
    await using running = startCli(args, { cwd: path });
    await running.sees("ready");
    running.child.kill("SIGTERM");
    const { code } = await running.end();
    assertEquals(code, 143);
    assertEquals((await stateOf(path)).b, "cancelled");
    await makeFiles(path, { go: "" });
    const resumed = await runCli([...args, "--resume"], { cwd: path });
    assertEquals(resumed.code, 0);
    assertEquals(
      resumed.stdout.replace(/ +\|/g, " |"),
      "b | ready\nc | c\n",
    );
  });

  it("runs one job with the outputs of the others, and prints the next jobs", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeFiles(path, { "ci/pipeline.yaml": PIPELINE });
    const options = { cwd: path };
    const file = ["--workflow-file", "ci/pipeline.yaml"];
    const test = await runMain(["run", "--job", "test", ...file], options);
    assertEquals(test.code, 0, test.stderr);
    assertStringIncludes(
      test.stdout,
      "Next jobs to run:\n",
    );
    const lint = await runMain(["run", "--job", "lint", ...file], options);
    assertStringIncludes(
      lint.stdout,
      "  $ runnerlib run --job build --workflow-file ci/pipeline.yaml\n",
    );
    const build = await runMain(["run", "--job", "build", ...file], options);
    assertStringIncludes(
      build.stdout,
      '{"start":1,"v":[1],"test.sha":"abc"}',
    );
    const broken = await runMain(["run", "--job", "broken", ...file], options);
    assertEquals(broken.code, 3);
    const usage = await runMain(["run", "--job", "broken"], options);
    assertEquals(usage.code, 2);
    const both = await runMain(
      ["run", "--job", "test", ...file, "--timeout", "3"],
      options,
    );
    assertEquals(both.code, 2);
  });

  it("prints its plan, and whether an event starts it", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeFiles(path, {
      ".reactorcide/workflows/a.yaml":
        `name: A\non: { events: [push], branches: [main] }\n${
          PIPELINE.slice(PIPELINE.indexOf("jobs:"))
        }`,
    });
    const run = (...args: string[]) =>
      runMain(["workflow", "run", ".reactorcide/workflows/a.yaml", ...args], {
        cwd: path,
      });
    const dry = await run("--dry-run");
    assertEquals(dry.code, 0);
    assertStringIncludes(dry.stdout, "  mend (after broken, any_failed)\n");
    assertEquals(await exists(`${path}/.reactorcide/workflow`), false);
    const other = await run("--event", "push", "--branch", "dev");
    assertEquals(other.code, 0);
    assertEquals(
      other.stdout,
      'Skipped "A": branch "dev" does not match main\n',
    );
    assertEquals((await run("--event", "nonsense")).code, 1);
    assertEquals((await run("--only", "lint")).code, 0);
    const listed = await runMain(["workflow", "list"], { cwd: path });
    assertStringIncludes(
      listed.stdout,
      ".reactorcide/workflows/a.yaml  A  (on push)\n  test  ",
    );
  });

  it("refuses a file with problems, each with line and column", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeFiles(path, {
      "p.yaml":
        "name: A\njobs:\n  a: { command: x, neds: b }\n  b: { command: x, needs: c }\n",
    });
    const { code, stderr } = await runMain(["workflow", "run", "p.yaml"], {
      cwd: path,
    });
    assertEquals(code, 1);
    assertStringIncludes(
      stderr,
      `Cannot use workflow file "p.yaml": 2 problems
  p.yaml:3:20: unknown key "jobs.a.neds"; did you mean "jobs.a.needs"?
    3 |   a: { command: x, neds: b }
      |                    ^
  p.yaml:4:20: jobs.b.needs refers to "c", which is not a job; did you mean "a"?
    4 |   b: { command: x, needs: c }
      |                    ^
`,
    );
  });

  it("runs jobs in a workspace that the library uses", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeFiles(path, {
      "script.ts": `
import { flushTriggers, getJobResult, isJobRunning, triggerJob, setWorkflowOutput } from "${REPOSITORY}/mod.ts";
triggerJob("next", { jobCommand: 'echo "next $A"', env: { A: "1" } });
await flushTriggers();
await setWorkflowOutput("k", 5);
console.log(await isJobRunning("script"), await isJobRunning("after"));
console.log((await getJobResult("first"))?.exitCode);
`,
      "p.yaml": `
name: Library
jobs:
  first: { command: "true" }
  script: { command: "${Deno.execPath()} run -A --no-check --config ${REPOSITORY}/deno.json script.ts", needs: first }
  after: { command: 'echo "$RC_WF_VARS_JSON"', needs: script }
`,
    });
    const { code, stdout, stderr } = await runCli(
      ["workflow", "run", "p.yaml"],
      { cwd: path },
    );
    assertEquals(code, 0, stderr);
    assertEquals(
      stdout.split("\n").map((line) => line.replace(/ +\|/, " |")).sort(),
      [
        "",
        'after | {"script.k":5}',
        "next | next 1",
        "script | 0",
        "script | true false",
      ],
    );
  });

  it("masks its logs again when a job registers a secret later", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const register =
      `${Deno.execPath()} run -A --no-check ${CLI} register-secret`;
    await makeFiles(path, {
      "p.yaml": `
name: p
jobs:
  a: { command: "echo from a late-value-1 late-value-2" }
  steps:
    steps: [{ name: s, run: "echo from a step late-value-2" }]
    needs: [a]
  b:
    needs: [steps]
    command: ${register} late-value-2 && exit 3
  c:
    needs: [a]
    command: echo before late-value-1; ${register} late-value-1
`,
    });
    const { stderr } = await runMain(["workflow", "run", "p.yaml"], {
      cwd: path,
      env: { LOG_LEVEL: "error" },
    });
    const files = await listFiles(`${path}/.reactorcide/workflow`);
    const logs = Object.entries(files).filter(([name]) =>
      name.endsWith(".log")
    );
    assertEquals(
      Object.fromEntries(
        logs.filter(([, text]) => text.includes("[REDACTED]")),
      ),
      {
        "jobs/steps/job/artifacts/logs/s.log": "from a step [REDACTED]\n",
        "logs/a.log": "from a [REDACTED] [REDACTED]\n",
        "logs/c.log": "before [REDACTED]\nRegistered 1 secret\n",
        "logs/steps.log": "from a step [REDACTED]\n",
      },
    );
    for (const text of [...logs.map(([, text]) => text), stderr]) {
      assertEquals(/late-value-\d/.exec(text)?.[0], undefined);
    }
  });

  it("uses its own directories even if jobs have replaced them with links", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeFiles(path, {
      "root/.reactorcide/workflow": "-> ../../victim",
      "root/w.yaml": "name: w\njobs: { a: { command: echo hello } }",
      "victim/jobs/a/file": "kept",
    });
    const before = await listFiles(`${path}/victim`);
    const cwd = `${path}/root`;
    const first = await runMain(["workflow", "run", "w.yaml"], { cwd });
    assertEquals(first.code, 0, first.stderr);
    for (const name of ["jobs", "logs"]) {
      const own = `${cwd}/.reactorcide/workflow/${name}`;
      await Deno.remove(own, { recursive: true });
      await Deno.symlink(`${path}/victim`, own);
    }
    const second = await runMain(["workflow", "run", "w.yaml"], { cwd });
    assertEquals(second.code, 0, second.stderr);
    assertEquals(await listFiles(`${path}/victim`), before);
  });

  it("hides outputs of jobs from other users", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeFiles(path, {
      "p.yaml": `
name: p
jobs:
  a:
    command: |
      echo '{"outputs":{"token":"s3cret"}}' > "$RC_WF_OUTPUT_FILE"
  b: { needs: [a], command: "true" }
`,
    });
    const { code, stderr } = await runMain(["workflow", "run", "p.yaml"], {
      cwd: path,
    });
    assertEquals(code, 0, stderr);
    const place = `${path}/.reactorcide/workflow`;
    const modes = [place, `${place}/jobs/b/job/workflow-vars.json`]
      .map((path) => Deno.lstatSync(path).mode! & 0o777);
    assertEquals(modes, [0o700, 0o600]);
  });
});

Deno.test("runnerlib workflow run sets variables of the workflow and of its jobs", async () => {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  await makeFiles(path, {
    "w.yaml": `
name: W
vars: { a: file, b: file, c: file }
jobs:
  show:
    command: echo "$RC_WF_VARS_JSON $STAGE"
    environment: { STAGE: test }
`,
    "in.json": '{"b":["input"],"c":1}',
    "stage.env": "STAGE=prod\n",
  });
  const run = (...args: string[]) =>
    runMain(["workflow", "run", "w.yaml", ...args], { cwd: path });
  const { code, stdout, stderr } = await run(
    ...["--var", "c=x=y", "--input", "in.json", "--env-file", "stage.env"],
  );
  assertEquals(code, 0, stderr);
  const [, json, stage] = /(\{.*\}) (\w+)/.exec(stdout)!;
  assertEquals(JSON.parse(json), { a: "file", b: ["input"], c: "x=y" });
  assertEquals(stage, "prod");
  assertEquals((await run("--var", "=x")).code, 2);
  for (const option of ["--input", "--env-file"]) {
    const wrong = await run(option, "w.yaml");
    assertEquals(wrong.code, 1);
    assertStringIncludes(wrong.stderr, 'Cannot read "w.yaml": ');
  }
});
