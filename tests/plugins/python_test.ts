import {
  assert,
  assertEquals,
  assertMatch,
  assertStringIncludes,
} from "@std/assert";
import {
  runZoo,
  type ZooOptions,
  type ZooResult,
} from "../helpers/plugin_zoo.ts";
import { waitForExit } from "../helpers/process_table.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

const ALLOWED = { permissions: { "*": { run: ["*"] } } };

/** Runs a job with Python plugin files, which are granted. */
function runPython(
  plugins: Record<string, string>,
  options: ZooOptions = {},
): Promise<ZooResult> {
  return runZoo(
    Object.fromEntries(
      Object.entries(plugins).map(([name, text]) => [`${name}.py`, text]),
    ),
    { ...options, plugins: { ...ALLOWED, ...options.plugins } },
  );
}

/** Returns the lines that a plugin printed. */
function linesOf(name: string, { stderr }: ZooResult): string[] {
  const head = `[plugin:${name}] `;
  return stderr.split("\n").filter((line) => line.startsWith(head))
    .map((line) => line.slice(head.length));
}

const IMPORT =
  "from runnerlib.plugins import Plugin, PluginContext, PluginPhase\n";

Deno.test("a plugin in Python is called in its phases, execute first", async () => {
  const ran = await runPython({
    "build": `${IMPORT}
class Build(Plugin):
    def __init__(self):
        super().__init__("builder", priority=50)

    def supported_phases(self):
        return [PluginPhase.PRE_EXECUTION, PluginPhase.POST_EXECUTION, PluginPhase.CLEANUP]

    def execute(self, context: PluginContext) -> None:
        print("execute", context.phase.name, context.phase.value)

    def pre_execution(self, context):
        print("pre", context.exit_code, context.error)

    def post_container(self, context):
        print("post", context.exit_code, context.phase == PluginPhase.POST_EXECUTION)

    def post_source_prep(self, context):
        print("never")
`,
  });
  assertEquals(ran.message, "");
  assertEquals(ran.stdout, "ran\n");
  assertEquals(linesOf("build", ran), [
    "execute PRE_CONTAINER pre_container",
    "pre None None",
    "execute POST_CONTAINER post_container",
    "post 0 True",
    "execute CLEANUP cleanup",
  ]);
});

Deno.test("a Python file can contain classes, registrations or functions", async () => {
  const ran = await runPython({
    "several": `${IMPORT}
class Base(Plugin):
    def __init__(self, name):
        super().__init__(name=name)

    def supported_phases(self):
        return [PluginPhase.PRE_CONTAINER]

    def execute(self, context):
        print(self.name)

class First(Base):
    priority = 2
    def __init__(self):
        super().__init__("first")

class Second(Base):
    priority = 1
    def __init__(self):
        super().__init__("second")

class Off(Base):
    enabled = False
    def __init__(self):
        super().__init__("off")
`,
    "registers": `
import runnerlib

class Given(runnerlib.Plugin):
    def __init__(self, word):
        super().__init__("given")
        self.word = word

    def pre_execution(self, context):
        print(self.word)

runnerlib.register_plugin(Given("registered"))
`,
    "functions": `
from runnerlib.logging import logger
PRIORITY = 3

async def pre_execution(context):
    logger.info("a function of %s", context.phase.name, fields={"count": 3})
`,
    "old": `
from src.plugins import Plugin, PluginContext, PluginPhase
from src.logging import log_stdout, logger
import src.plugins, runnerlib.plugins
assert src.plugins.Plugin is runnerlib.plugins.Plugin

class Old(Plugin):
    def __init__(self):
        super().__init__(name="old", priority=4)

    def supported_phases(self):
        return [PluginPhase.PRE_CONTAINER]

    def pre_container(self, context):
        log_stdout("the old name works")
        logger.debug("not shown")
`,
    "disabled": `${IMPORT}
ENABLED = False

class Silent(Plugin):
    def execute(self, context):
        print("never")
`,
  });
  assertEquals(ran.message, "");
  assertEquals(
    ran.stderr.split("\n").filter((line) => line.startsWith("[plugin:")),
    [
      "[plugin:several] second",
      "[plugin:several] first",
      "[plugin:functions] a function of PRE_CONTAINER count=3",
      "[plugin:old] the old name works",
      "[plugin:registers] registered",
    ],
  );
});

Deno.test("a plugin in Python changes the configuration and variables", async () => {
  const ran = await runPython({
    "changes": `${IMPORT}
import os
os.environ["FOUR"] = "4"

class Changes(Plugin):
    def supported_phases(self):
        return [PluginPhase.PRE_VALIDATION, PluginPhase.PRE_CONTAINER]

    def pre_validation(self, context):
        assert context.config.job_command == "echo ran", context.config.job_command
        assert context.config["code_dir"] == "/job/src"
        assert context.config.source_url is None
        assert context.config.wait is True or context.config.wait is False
        assert getattr(context.config, "no_such_setting", "default") == "default"
        context.config.job_command = 'echo "$ONE $TWO $THREE $FOUR"'

    def pre_container(self, context):
        context.env["ONE"] = "1"
        context.env_vars["TWO"] = 2
        os.environ["THREE"] = "3"
        context.add_step("later", "echo later")
`,
  });
  assertEquals(ran.message, "");
  assertMatch(ran.stdout, /1 2 3 4\n/);
  assertMatch(ran.stdout, /later\n/);
});

Deno.test("plugins in Python share values", async () => {
  const ran = await runPython({
    "one": `${IMPORT}
class One(Plugin):
    def supported_phases(self):
        return [PluginPhase.PRE_CONTAINER, PluginPhase.POST_CONTAINER]

    def pre_container(self, context):
        context.metadata["artifacts"] = ["a.zip"]
        context.metadata["object"] = object

    def post_container(self, context):
        print(context.metadata["artifacts"], context.metadata["object"] is object)
`,
    "two": `${IMPORT}
class Two(Plugin):
    def post_container(self, context):
        assert "object" not in context.metadata
        context.metadata["artifacts"].append("b.zip")
`,
  });
  assertEquals(ran.message, "");
  // In this phase, the plugin that was set up last is called first.
  assertEquals(linesOf("one", ran), ["['a.zip', 'b.zip'] True"]);
});

Deno.test("a plugin in Python that raises fails the job, with file and line", async () => {
  const source = `${IMPORT}
import subprocess, sys

class Fails(Plugin):
    def supported_phases(self):
        return [PluginPhase.PRE_CONTAINER, PluginPhase.ON_ERROR]

    def pre_container(self, context):
        BODY

    def on_error(self, context):
        print("told:", context.error)
`;
  const cases = [
    [
      'raise ValueError("of no use")',
      /: ValueError: of no use \(plugin_fails\.py:10\)$/,
    ],
    ['[].index("x")', /: ValueError: .*not in list \(plugin_fails\.py:10\)$/],
    [
      "subprocess.run(['false'], check=True)",
      /: CalledProcessError: .* status 1.* \(plugin_fails\.py:10\)$/,
    ],
    ["sys.exit(3)", /: it called sys\.exit\(3\) \(plugin_fails\.py:10\)$/],
    ["sys.exit(0)", /: it called sys\.exit\(0\) \(plugin_fails\.py:10\)$/],
    [
      "raise BaseException",
      /: BaseException: it has no message \(plugin_fails\.py:10\)$/,
    ],
    ["context.metadata[('a', 'b')] = 1", /: TypeError: .*$/],
    [
      "context.config.source_url = 'x'",
      /: Cannot change setting "source_url": the configuration has already been validated$/,
    ],
  ] as const;
  for (const [body, expected] of cases) {
    const ran = await runPython({ fails: source.replace("BODY", body) });
    assertMatch(ran.message, expected);
    assertStringIncludes(
      ran.message,
      'Cannot run plugin "Fails" in phase pre_execution',
    );
    assert(!ran.stdout.includes("ran"), body);
    assertMatch(linesOf("fails", ran).join("\n"), /told: .*pre_execution/);
  }
});

Deno.test("a plugin in Python that cannot be loaded fails the job, with file and line", async () => {
  const cases = [
    [
      "import no_such_module",
      /ModuleNotFoundError: No module named 'no_such_module' \(plugin_broken\.py:1\)$/,
    ],
    ["def broken(:", /SyntaxError: .* \(plugin_broken\.py:1\)$/],
    ["x = 1", /it has no subclass of runnerlib\.plugins\.Plugin/],
    [
      `${IMPORT}class A(Plugin):\n    def __init__(self, x):\n        pass\n`,
      /TypeError: .*'x'$/,
    ],
    [
      `${IMPORT}class A(Plugin):\n    def supported_phases(self):\n        return ["pre_lunch"]\n`,
      /the phase "pre_lunch" is unknown/,
    ],
    [
      `${IMPORT}class A(Plugin):\n    name = "a"\n\nclass B(Plugin):\n    name = "a"\n`,
      /several plugins named 'a'/,
    ],
    [
      "import os\nprint('last words')\nos._exit(3)",
      /its process ended with exit code 3/,
    ],
  ] as const;
  for (const [source, expected] of cases) {
    const ran = await runPython({ broken: source });
    assertEquals(ran.result, undefined);
    assertMatch(ran.message, /^Cannot load plugin ".*plugin_broken\.py": /);
    assertMatch(ran.message, expected);
    if (source.includes("last words")) {
      assertEquals(linesOf("broken", ran), ["last words"]);
    }
  }
});

Deno.test("output of a plugin in Python and its programs is masked, complete and in order", async () => {
  const ran = await runPython({
    "talks": `${IMPORT}
import subprocess, sys
from runnerlib import register_secret

class Talks(Plugin):
    def supported_phases(self):
        return [PluginPhase.PRE_CONTAINER, PluginPhase.POST_CONTAINER]

    def pre_container(self, context):
        assert register_secret("s3cret-value")
        print("one s3cret-value")
        subprocess.run(["sh", "-c", "echo two s3cret-value; echo three >&2"])
        print("four", file=sys.stderr)
        print("multi-line-begin")
        register_secret("multi-line-begin\\nmulti-line-end")
        print("multi-line-begin\\nmulti-line-end")
        sys.stdout.write("no line break")

    def post_container(self, context):
        print("\\u20ac \\udcff")
        subprocess.run(["sh", "-c", "yes x | head -n 15000; echo done"])
        raise RuntimeError("about s3cret-value")
`,
  });
  const lines = linesOf("talks", ran);
  assertEquals(lines.slice(0, 5), [
    "one [REDACTED]",
    "two [REDACTED]",
    "three",
    "four",
    "multi-line-begin",
  ]);
  assert(!ran.stderr.includes("s3cret-value"));
  assert(!ran.stderr.includes("multi-line-end"));
  assertStringIncludes(
    ran.message,
    "RuntimeError: about [REDACTED] (plugin_talks.py:",
  );
  const rest = lines.slice(lines.indexOf("no line break") + 1);
  assertEquals(rest[0], "€ \\udcff");
  assertEquals(rest.slice(1, -1).length, 15_000);
  assertEquals(rest.at(-1), "done");
  assert(
    ran.stderr.indexOf("no line break") < ran.stderr.indexOf("$ echo ran"),
    "lines of a phase come before what follows it",
  );
});

Deno.test("a plugin in Python sees the runner's variables, secrets only if they are granted, and never its tokens", async () => {
  const show = `${IMPORT}
import os

class Shows(Plugin):
    def pre_container(self, context):
        names = {*os.environ, *context.env} - {"LC_CTYPE", "PWD", "PATH"}
        print(*sorted(names - {"REACTORCIDE_PROCESS_TAG"}))
`;
  const hostEnv = {
    HOME: "/nowhere",
    TEAM_WORD: "1",
    LISTED: "secret-of-a-list",
    DEPLOY_TOKEN: "secret-by-its-name",
    REACTORCIDE_CI_JOB: "test",
    REACTORCIDE_SHA: "abc",
    REACTORCIDE_API_TOKEN: "t0ken-of-the-job",
    REACTORCIDE_READ_TOKEN: "t0ken-that-reads",
    REACTORCIDE_SECRETS_PASSWORD: "p4ssword",
    REACTORCIDE_SECRET_ENV_NAMES: "LISTED,JOB_SECRET",
  };
  const env = { JOB_WORD: "a", JOB_SECRET: "secret-of-the-job" };
  const cases: [string[], string[]][] = [
    [[], []],
    [["LISTED", "REACTORCIDE_API_TOKEN"], ["LISTED"]],
    [["*"], ["DEPLOY_TOKEN", "JOB_SECRET", "LISTED"]],
  ];
  const always = [
    ...["HOME", "JOB_WORD", "REACTORCIDE_CI_JOB", "REACTORCIDE_SHA"],
    "TEAM_WORD",
  ];
  for (const [granted, secrets] of cases) {
    const ran = await runPython({ shows: show }, {
      hostEnv,
      env,
      secrets: { envPatterns: ["*_TOKEN"] },
      plugins: { permissions: { shows: { run: ["*"], env: granted } } },
    });
    assertEquals(ran.message, "");
    const names = linesOf("shows", ran).at(-1)!.split(" ")
      .filter((name) => Object.hasOwn({ ...hostEnv, ...env }, name));
    assertEquals(names, [...always, ...secrets].sort());
    assertEquals(
      /does not see these secrets: (.*);/.exec(ran.stderr)?.[1].split(", "),
      granted.includes("*")
        ? undefined
        : ["LISTED", "DEPLOY_TOKEN"].slice(granted.length / 2),
    );
  }
});

Deno.test("plugins of the trusted CI source run with one grant, in the runner's directory", async () => {
  await using directory = await temporaryDirectory();
  await makeFiles(directory.path, {
    ".reactorcide/plugins/__init__.py": "",
    ".reactorcide/plugins/plugin_ci_jobs.py": `${IMPORT}
import os

class Jobs(Plugin):
    def supported_phases(self):
        return [PluginPhase.POST_SOURCE_PREP, PluginPhase.CLEANUP]

    def execute(self, context):
        print(context.phase.value, os.getcwd(), os.path.isdir(context.metadata["ci_source_path"]))
`,
  });
  const ran = await runZoo({}, {
    plugins: { dir: undefined, permissions: { "ci/*": { run: ["*"] } } },
    ciSource: { type: "copy", url: directory.path },
    hostEnv: { PYTHONPATH: ".:" },
    // Files in the runner's directory must not replace modules of Python.
    files: {
      "json.py": "raise SystemExit('taken over')",
      "queue.py": "raise SystemExit('taken over')",
      "runnerlib.py": "raise SystemExit('taken over')",
      "sitecustomize.py": "raise SystemExit('taken over')",
    },
  });
  assertEquals(ran.message, "");
  assertMatch(linesOf("ci_jobs", ran)[0], /^post_source_prep \/.* True$/);
  assertMatch(linesOf("ci_jobs", ran)[1], /^cleanup \//);
  const left = await Array.fromAsync(
    Deno.readDir(`${directory.path}/.reactorcide/plugins`),
  );
  assertEquals(left.map(({ name }) => name).sort(), [
    "__init__.py",
    "plugin_ci_jobs.py",
  ]);
});

Deno.test("a plugin in Python adds follow-up jobs and metrics", async () => {
  const ran = await runPython({
    "follows": `${IMPORT}
import runnerlib
from runnerlib.workflow import workflow_context

class Follows(Plugin):
    def supported_phases(self):
        return [PluginPhase.PRE_CONTAINER, PluginPhase.CLEANUP]

    def pre_container(self, context):
        runnerlib.trigger_job("deploy", env={"STAGE": "test"}, depends_on=["build"], job_command="true", timeout=60)
        runnerlib.trigger_jobs([{"job_name": "build", "job_command": "make"}])
        with workflow_context() as workflow:
            workflow.trigger_job("third")
        runnerlib.flush_triggers()
        context.metric("files", 3)
        try:
            runnerlib.trigger_job("x", color="red")
        except runnerlib.RunnerError as error:
            print(error)

    def cleanup(self, context):
        runnerlib.trigger_job("late")
`,
  });
  assertEquals(ran.message, "");
  assertEquals(
    ran.result?.triggers.map((
      { name, dependsOn, timeoutSeconds },
    ) => [name, dependsOn, timeoutSeconds]),
    [["deploy", ["build"], 60], ["build", [], undefined], [
      "third",
      [],
      undefined,
    ]],
  );
  assertEquals(ran.result?.metrics.map(({ name, value }) => [name, value]), [[
    "files",
    3,
  ]]);
  assertMatch(linesOf("follows", ran)[0], /unknown key "color"/);
  assertStringIncludes(
    ran.stderr,
    "the follow-up jobs have already been submitted",
  );
});

Deno.test("a Python plugin queries git", async () => {
  const ran = await runPython({
    "asks": `
import runnerlib, subprocess, os, tempfile

def pre_execution(context):
    with tempfile.TemporaryDirectory() as path:
        def git(*arguments):
            subprocess.run(["git", "-c", "user.name=x", "-c", "user.email=x@localhost", *arguments], cwd=path, check=True, capture_output=True)
        git("init", "-q", "-b", "trunk")
        git("commit", "-q", "--allow-empty", "-m", "one")
        open(os.path.join(path, "a b.txt"), "w").close()
        git("add", ".")
        git("commit", "-q", "-m", "two")
        git("tag", "v1")
        info = runnerlib.git_info(path)
        print(info["branch"], info["tag"], len(info["commit"]), len(info["short_commit"]), info["remote_url"])
        print(runnerlib.changed_files(code_dir=path), runnerlib.changed_files("none", code_dir=path))
`,
  });
  assertEquals(ran.message, "");
  assertEquals(linesOf("asks", ran), ["trunk v1 40 7 None", "['a b.txt'] []"]);
});

Deno.test("a plugin in Python cleans up when it is cancelled", async () => {
  await using directory = await temporaryDirectory();
  const started = `${directory.path}/started`;
  await new Deno.Command("mkfifo", { args: [started] }).output();
  const controller = new AbortController();
  const running = runPython({
    "waits": `
import subprocess

def pre_execution(context):
    try:
        subprocess.run(["sh", "-c", "echo > '${started}'; sleep 3600"])
    finally:
        print("tidied up")
`,
  }, { signal: controller.signal });
  await Deno.readTextFile(started);
  controller.abort();
  const ran = await running;
  assertEquals(ran.message, "The job was cancelled by SIGTERM");
  assertEquals(linesOf("waits", ran), ["tidied up"]);
});

Deno.test("a plugin in Python replaces the command after the source is prepared", async () => {
  await using directory = await temporaryDirectory();
  await makeFiles(directory.path, {
    ".reactorcide/plugins/plugin_late.py": `
def post_source_prep(context):
    context.config.job_command = "echo replaced; sleep 3600"
    context.config.timeout = "1500ms"
`,
  });
  const ran = await runZoo({}, {
    plugins: { dir: undefined, permissions: { "ci/*": { run: ["*"] } } },
    ciSource: { type: "copy", url: directory.path },
  });
  assertEquals(ran.stdout, "replaced\n");
  assertEquals(ran.result?.status, "timeout");
});

Deno.test("a plugin in Python is ended at its time limit, with its processes", async () => {
  const ran = await runPython({
    "slow": `
import subprocess

def pre_execution(context):
    print("begun")
    subprocess.run(["sh", "-c", "sleep 3600 & echo $!; wait"])

def cleanup(context):
    print("never")
`,
  }, { plugins: { timeoutMs: 2_000 } });
  assertMatch(ran.message, /: it did not end within 2s$/);
  const [begun, pid, ...rest] = linesOf("slow", ran);
  assertEquals([begun, rest], ["begun", []]);
  await waitForExit(Number(pid));
});

Deno.test("a plugin in Python runs with trusted plugins, and needs python3", async () => {
  const shows = { shows: "def pre_execution(context):\n    print('runs')\n" };
  const trusted = { plugins: { trust: true, permissions: {} } };
  assertEquals(linesOf("shows", await runPython(shows, trusted)), ["runs"]);
  await using directory = await temporaryDirectory();
  const { message } = await runPython(shows, {
    ...trusted,
    hostEnv: { PATH: directory.path },
  });
  assertMatch(
    message,
    /plugin_shows\.py": python3, which runs plugins in Python, is not on PATH/,
  );
});

Deno.test("a Python plugin imports from PYTHONPATH, but not from the runner's directory", async () => {
  await using directory = await temporaryDirectory();
  await makeFiles(directory.path, {
    "team_helper.py": "WORD = 'found'",
    "json.py": "raise SystemExit('taken over')",
  });
  const { stderr } = await runPython({
    "imports": `
import json
from team_helper import WORD

def pre_execution(context):
    try:
        import from_the_source
    except ImportError:
        print(WORD)
`,
  }, {
    hostEnv: { PYTHONPATH: `${directory.path}:.` },
    files: { "from_the_source.py": "" },
  });
  assertStringIncludes(stderr, "[plugin:imports] found");
});

Deno.test("a plugin in Python can print bytes, close its streams and fork", async () => {
  const ran = await runPython({
    "odd": `
import os, sys, threading

def pre_execution(context):
    assert sys.stdin.read() == ""
    os.write(1, b"bytes \\xff\\n")
    sys.stdout.buffer.write(b"buffer\\n")
    print('{"type":"done","id":1,"changes":{}}')
    os.system("(sleep 0.1; echo from behind) & echo in front")
    sys.stdout.close()

def cleanup(context):
    sys.stdout = None
    os.write(2, b"still there\\n")
    if os.fork() == 0:
        os._exit(0)
`,
  });
  assertEquals(ran.message, "");
  assertEquals(
    linesOf("odd", ran).filter((line) => line !== "from behind"),
    [
      "bytes \ufffd",
      "buffer",
      '{"type":"done","id":1,"changes":{}}',
      "in front",
      "still there",
    ],
  );
});
