import { assertEquals } from "@std/assert";
import { CLI, cliEnv, REPOSITORY } from "../helpers/cli.ts";
import { isProgramMissing } from "../helpers/missing_program.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

/** Python programs that use the package for anything except running jobs. */
const SCRIPT = `
import json, os
from pathlib import Path
from runnerlib.config import RunnerConfig, get_config, get_environment_vars
from runnerlib.plugins import (
    Plugin, PluginContext, PluginManager, PluginPhase,
    get_plugin_manager, initialize_plugins, plugin_manager,
)
from runnerlib.workflow import (
    JobTrigger, WorkflowContext, changed_files, flush_triggers, get_job_result,
    git_info, is_job_running, submit_job, trigger_job, workflow_context,
)


def raises(kind, call):
    try:
        call()
    except kind as error:
        return str(error)
    raise AssertionError(f"{kind} is not raised")


class Recorder(Plugin):
    def __init__(self, name="recorder", priority=100):
        super().__init__(name=name, priority=priority)
        self.phases = []

    def supported_phases(self):
        return [PluginPhase.PRE_VALIDATION, PluginPhase.PRE_CONTAINER]

    def execute(self, context):
        self.phases.append(context.phase)
        context.metadata.setdefault("order", []).append(self.name)


class Failing(Plugin):
    def __init__(self):
        super().__init__(name="failing", priority=50)

    def supported_phases(self):
        return [PluginPhase.PRE_CONTAINER]

    def execute(self, context):
        raise ValueError("from a plugin")


# Plugins
plugin = Recorder("mine", 75)
assert (plugin.name, plugin.priority, plugin.enabled) == ("mine", 75, True)
context = PluginContext(
    config=None, phase=PluginPhase.PRE_CONTAINER, job_path=Path("/job"), env_vars={"A": "b"}
)
assert (context.metadata, context.env_vars) == ({}, {"A": "b"})

manager = PluginManager()
low, high = Recorder("low", 100), Recorder("high", 10)
manager.register_plugin(low)
manager.register_plugin(high)
assert manager.list_plugins() == ["low", "high"]
assert [one.name for one in manager.phase_plugins[PluginPhase.PRE_CONTAINER]] == ["high", "low"]
manager.execute_phase(PluginPhase.PRE_CONTAINER, context)
assert context.metadata["order"] == ["high", "low"]
manager.disable_plugin("low")
manager.execute_phase(PluginPhase.PRE_CONTAINER, context)
assert len(low.phases) == 1
manager.enable_plugin("low")
assert low.enabled
replacement = Recorder("low")
manager.register_plugin(replacement)
assert manager.get_plugin("low") is replacement
manager.unregister_plugin("low")
assert manager.get_plugin("low") is None
handler = Recorder("handler")
handler.supported_phases = lambda: [PluginPhase.ON_ERROR]
manager.register_plugin(Failing())
manager.register_plugin(handler)
assert raises(ValueError, lambda: manager.execute_phase(PluginPhase.PRE_CONTAINER, context)) == "from a plugin"
assert handler.phases == [PluginPhase.ON_ERROR]

# Files of plugins
files = PluginManager()
files.load_plugins_from_directory("plugins")
assert sorted(files.list_plugins()) == ["one", "two"], files.list_plugins()
files.load_plugins_from_directory("nowhere")
raises(FileNotFoundError, lambda: files.load_plugin_from_file("nowhere.py"))
assert "No Plugin subclass found" in raises(
    ImportError, lambda: files.load_plugin_from_file("plugins/plugin_broken.py")
)
assert get_plugin_manager() is plugin_manager
os.environ["REACTORCIDE_PLUGIN_DIR"] = "plugins"
initialize_plugins()
assert sorted(plugin_manager.list_plugins()) == ["one", "two"]

# Settings
os.environ["REACTORCIDE_RUNNER_IMAGE"] = "an:image"
config = get_config(job_command="make", job_env="A=1\\n# note\\n B = two words ")
assert (config.code_dir, config.job_dir, config.runner_image) == ("/job/src", "/job/src", "an:image")
assert config.source_url is None
variables = get_environment_vars(config)
assert variables["REACTORCIDE_JOB_COMMAND"] == "make"
assert (variables["A"], variables["B"]) == ("1", "two words")
for wrong in ("NO_EQUALS", "=x", "./job/../x"):
    raises(ValueError, lambda: get_environment_vars(RunnerConfig(job_env=wrong)))
raises(FileNotFoundError, lambda: get_environment_vars(RunnerConfig(job_env="./job/nowhere.env")))
assert RunnerConfig(code_dir="/job/src", job_dir="/job", job_command="x", runner_image="i").job_env is None

# Follow-up jobs
assert JobTrigger(job_name="test").to_dict() == {
    "job_name": "test", "depends_on": [], "condition": "all_success", "env": {}
}
full = JobTrigger("deploy", depends_on=["test"], env={"A": "b"}, source_type="git", priority=10)
assert (full.priority, full.timeout, full.to_dict()["source_type"]) == (10, None, "git")
file = Path("job/triggers.json")
os.environ.update(
    REACTORCIDE_JOB_ID="job-1", REACTORCIDE_GIT_BRANCH="main",
    REACTORCIDE_GIT_COMMIT="abc", REACTORCIDE_GIT_REF="refs/heads/main", RC_WF_ID="wf",
)
ctx = WorkflowContext("/job/triggers.json")
assert (ctx.job_id, ctx.branch, ctx.commit, ctx.ref, ctx.workflow_id) == (
    "job-1", "main", "abc", "refs/heads/main", "wf"
)
assert ctx.triggers_file == Path("/job/triggers.json")
was_there = file.exists()
ctx.flush_triggers()
assert file.exists() == was_there
ctx.trigger_job("test", env={"SUITE": "unit"})
ctx.submit_job("deploy", depends_on=["test"], condition="all_success")
assert [trigger.job_name for trigger in ctx.triggers] == ["test", "deploy"]
assert ctx.triggers[1].depends_on == ["test"]
ctx.flush_triggers()
assert ctx.triggers == []
with workflow_context() as block:
    assert isinstance(block, WorkflowContext)
    block.trigger_job("later")
written = json.loads(file.read_text())
assert written["type"] == "trigger_job"
assert [job["job_name"] for job in written["jobs"]] == ["test", "later", "deploy"]
assert written["jobs"][0]["env"]["SUITE"] == "unit"
try:
    with workflow_context() as block:
        block.trigger_job("never")
        raise KeyError("block")
except KeyError:
    pass
# Jobs of one document depend on one another, whatever they are added by.
submit_job("first")
trigger_job("second", depends_on=["first"])
flush_triggers()
names = [job["job_name"] for job in json.loads(file.read_text())["jobs"]]
assert [name for name in names if name in ("first", "second")] == ["first", "second"], names
assert "never" not in names
for caller in (ctx, None):
    running = caller.is_job_running if caller else is_job_running
    result = caller.get_job_result if caller else get_job_result
    assert (running("deploy"), result("deploy")) == (False, None)
ctx.log_next_job("deploy", reason="tests passed")
assert changed_files("nowhere", "HEAD", os.getcwd()) == []
assert set(git_info(os.getcwd()).values()) == {None}
print("checked")
`;

function pluginFile(name: string): string {
  return `from runnerlib.plugins import Plugin, PluginPhase


class ${name}(Plugin):
    def __init__(self):
        super().__init__(name="${name}", priority=50)

    def supported_phases(self):
        return [PluginPhase.PRE_CONTAINER]
`;
}

Deno.test({
  name: "the Python package has what programs use outside of jobs",
  ignore: isProgramMissing("python3"),
  async fn() {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeFiles(path, {
      "script.py": SCRIPT,
      "plugins/plugin_one.py": pluginFile("one"),
      "plugins/plugin_two.py": pluginFile("two"),
      "plugins/plugin_broken.py": "# Nothing here\n",
      "plugins/helper.py": pluginFile("helper"),
      "bin/runnerlib":
        `#!/bin/sh\nexec "${Deno.execPath()}" run -A --no-check --quiet ${CLI} "$@"\n`,
    });
    await Deno.chmod(`${path}/bin/runnerlib`, 0o755);
    const { PATH, ...env } = cliEnv();
    // Replaces leftovers of an earlier program.
    for (const time of ["first", "second"]) {
      const { code, stdout, stderr } = await new Deno.Command("python3", {
        args: ["-B", "script.py"],
        cwd: path,
        clearEnv: true,
        env: {
          ...env,
          PATH: `${path}/bin:${PATH}`,
          PYTHONPATH: `${REPOSITORY}/src/plugins/python`,
          REACTORCIDE_IN_CONTAINER: "false",
        },
        stdin: "null",
      }).output();
      const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
      assertEquals(
        [code, text(stdout).trim().split("\n").at(-1)],
        [0, "checked"],
        `${time}: ${text(stderr)}`,
      );
    }
  },
});
