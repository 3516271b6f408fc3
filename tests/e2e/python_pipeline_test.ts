import {
  assert,
  assertEquals,
  assertMatch,
  assertStringIncludes,
} from "@std/assert";
import { CLI, runCli } from "../helpers/cli.ts";
import { runMain } from "../helpers/run_main.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

const PIPELINE = `
import os, sys
import runnerlib
from runnerlib.plugins import Plugin, PluginPhase


class Build(Plugin):
    def __init__(self):
        super().__init__("build", priority=50)
        self.count = 0

    def supported_phases(self):
        return [PluginPhase.PRE_EXECUTION, PluginPhase.POST_EXECUTION]

    def pre_execution(self, context):
        self.count += 1
        context.env["COUNT"] = str(self.count)
        assert context.env["WORD"] == "a b", dict(context.env)

    def post_execution(self, context):
        print("ended with", context.exit_code)


build = Build()
runnerlib.register_plugin(build)
runnerlib.register_secret("s3cr3t-value")
code = runnerlib.run_job(
    command='echo "$WORD $COUNT s3cr3t-value"; exit 3',
    env={"WORD": "a b"},
    secret_env_names="NONE",
    log_group=False,
    inherit_env=True,
)
print("code", code)
job = runnerlib.Job("steps").add_step("one", "echo 1")
job.add_step("two", "echo 2", depends_on=["one"])
print("code", runnerlib.run_job(job, env={"WORD": "a b"}), "count", build.count)
assert sys.argv[1:] == ["argument"], sys.argv
assert "OTHER" not in os.environ
`;

Deno.test("runnerlib exec runs a pipeline in Python, which runs jobs with its plugins", async () => {
  await using directory = await temporaryDirectory();
  await makeFiles(directory.path, { "pipeline.py": PIPELINE });
  const { code, stdout, stderr } = await runCli(
    ["exec", "pipeline.py", "argument"],
    { cwd: directory.path, env: { OTHER: "unseen" } },
  );
  assertEquals(code, 0, stderr);
  assertEquals(stdout.replaceAll(/ +$/gm, "").split("\n").slice(0, 5), [
    "a b 1 [REDACTED]",
    "ended with 3",
    "code 3",
    "one | 1",
    "two | 2",
  ]);
  assertMatch(stdout, /ended with 0\ncode 0 count 2\n$/);
  assert(!stderr.includes("s3cr3t-value"), stderr);
  const left = await Array.fromAsync(Deno.readDir(`${directory.path}/job`));
  assertEquals(left.map(({ name }) => name).sort(), [
    ".reactorcide",
    "artifacts",
  ]);
});

Deno.test("a pipeline in Python fails a job whose plugin raises, with its message", async () => {
  await using directory = await temporaryDirectory();
  await makeFiles(directory.path, {
    "pipeline.py": `
import runnerlib

class Fails(runnerlib.Plugin):
    name = "fails"
    def pre_execution(self, context):
        raise ValueError("of no use")

runnerlib.register_plugin(Fails)
print(runnerlib.run_job("echo never"))
`,
  });
  const { stdout, stderr } = await runCli(["exec", "pipeline.py"], {
    cwd: directory.path,
  });
  assertEquals(stdout, "1\n");
  assertMatch(
    stderr,
    /Cannot run plugin "fails" in phase pre_execution: ValueError: of no use \(.*pipeline\.py:7\)/,
  );
});

Deno.test("follow-up jobs of a pipeline in Python are submitted when it succeeds", async () => {
  const pipeline = (end: string) => `
import sys
import runnerlib
from runnerlib.workflow import workflow_context
runnerlib.trigger_job(job_name="deploy", env={"STAGE": "test", "COUNT": 1}, depends_on=["build"])
runnerlib.trigger_jobs([{"job_name": "build", "timeout": 60}])
${end}
`;
  const ends: [string, number, string[]][] = [
    ["", 0, ["deploy", "build"]],
    ["runnerlib.flush_triggers()\nsys.exit(4)", 4, ["deploy", "build"]],
    ["with workflow_context() as jobs:\n    jobs.trigger_job('third')", 0, [
      "deploy",
      "build",
      "third",
    ]],
    ["sys.exit(4)", 4, []],
    ["raise ValueError('no')", 1, []],
    ["runnerlib.trigger_job('x', color='red')", 1, []],
  ];
  await Promise.all(ends.map(async ([end, expected, names]) => {
    await using directory = await temporaryDirectory();
    await makeFiles(directory.path, { "pipeline.py": pipeline(end) });
    const { code, stderr } = await runCli(["exec", "pipeline.py"], {
      cwd: directory.path,
    });
    assertEquals(code, expected, stderr);
    const jobs = await Deno.readTextFile(`${directory.path}/job/triggers.json`)
      .then((text) => JSON.parse(text).jobs, () => []);
    assertEquals(
      jobs.map(({ job_name }: { job_name: string }) => job_name).sort(),
      names.toSorted(),
    );
    if (names.length === 0) {
      assertMatch(stderr, /discarded: deploy, build|unknown key "color"/);
    }
  }));
});

Deno.test("a pipeline in Python queries other jobs of its workflow, and registers secrets with its job", async () => {
  await using directory = await temporaryDirectory();
  await makeFiles(directory.path, {
    "pipeline.py": `
import runnerlib
assert runnerlib.register_secret("s3cr3t-value")
print("secret s3cr3t-value")
result = runnerlib.get_job_result("test")
print(result["exit_code"], result["status"], result["instances"][0]["last_error"])
print(runnerlib.is_job_running("deploy"), runnerlib.get_job_result("none"))
runnerlib.log_next_job("deploy", reason="tests passed", depends_on=["test"])
runnerlib.set_workflow_var("version", "1.2")
print(runnerlib.workflow_vars())
`,
    "workflow.yaml": `
name: ci
jobs:
  test: { command: "exit 0" }
  follow:
    needs: [test]
    command: ${
      JSON.stringify(
        `'${Deno.execPath()}' run -A --quiet '${CLI}' exec pipeline.py`,
      )
    }
`,
  });
  const { code, stdout, stderr } = await runCli(
    ["workflow", "run", "workflow.yaml"],
    { cwd: directory.path },
  );
  assertEquals(code, 0, stdout + stderr);
  for (
    const text of [
      "secret [REDACTED]",
      "0 completed None",
      "False None",
      "deploy (waiting on: test - all complete)",
    ]
  ) assertStringIncludes(stdout, text);
});

Deno.test("runnerlib call reports problems as JSON", async () => {
  await using directory = await temporaryDirectory();
  const options = { cwd: directory.path };
  assertEquals((await runMain(["call"], options)).code, 2);
  const unknown = await runMain(["call", "toString"], options);
  assertStringIncludes(unknown.stderr, 'Unknown function "toString"');
  const { code, stdout } = await runMain(["call", "getJobResult"], options);
  assertEquals(code, 1);
  assertEquals(JSON.parse(stdout), {
    error: {
      code: "invalid-config",
      message: 'the argument "name" must be a string',
    },
  });
});

Deno.test("python -m runnerlib.cli is the program", async () => {
  await using directory = await temporaryDirectory();
  await makeFiles(directory.path, {
    "pipeline.py": `
import subprocess, sys
for name in ("runnerlib.cli", "runnerlib"):
    subprocess.run([sys.executable, "-m", name, "run", "--job-command", "echo in a job"], check=True)
subprocess.run([sys.executable, "-m", "runnerlib.register_secret", "x"])
`,
  });
  const { code, stdout } = await runCli(["exec", "pipeline.py"], {
    cwd: directory.path,
  });
  assertEquals([code, stdout], [0, "in a job\nin a job\n"]);
});
