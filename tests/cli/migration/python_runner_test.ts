import { assertEquals } from "@std/assert";
import {
  findImportedModules,
  findMissingNames,
} from "../../../src/cli/migration/python_runner.ts";
import { REPOSITORY } from "../../helpers/cli.ts";
import { isProgramMissing } from "../../helpers/missing_program.ts";

Deno.test("findMissingNames() finds names that the package does not export", () => {
  const source = `from src.plugins import (
    Plugin,  # the base
    PluginPhase as Phase,
    PluginManagerOfMine,
)
from runnerlib.logging import logger, log_stdout
import runnerlib
import runnerlib.nowhere
import src.workflow as workflow
from other.src import nothing
text = "runnerlib.in_a_text"
runnerlib.trigger_job("deploy")
runnerlib.made_up()  # runnerlib.in_a_comment
workflow.flush_triggers()
workflow.also_made_up
myrunnerlib.nothing()
`;
  assertEquals(
    findMissingNames(source).map(({ name, line }) => `${line}: ${name}`),
    [
      "1: src.plugins.PluginManagerOfMine",
      "8: runnerlib.nowhere",
      "13: runnerlib.made_up",
      "15: workflow.also_made_up",
    ],
  );
});

Deno.test("findImportedModules() lists modules by their first names", () => {
  const source =
    "import os, yaml.nodes as n\nfrom git import Repo\n'import no'\n";
  assertEquals(
    findImportedModules(source).map(({ name }) => name),
    ["os", "yaml", "git"],
  );
});

Deno.test({
  name: "findMissingNames() knows every name that Python finds in the package",
  // Compares with real Python, which .ci/run installs.
  ignore: isProgramMissing("python3"),
  async fn() {
    const script = `
import importlib, json, pkgutil, runnerlib
names = [m.name for m in pkgutil.iter_modules(runnerlib.__path__) if m.name[0] != "_"]
modules = ["runnerlib"] + ["runnerlib." + name for name in names]
print(json.dumps({
    module: [name for name in dir(importlib.import_module(module)) if name[0] != "_"]
    for module in modules
}))`;
    const { stdout } = await new Deno.Command("python3", {
      args: ["-B", "-c", script],
      env: { PYTHONPATH: `${REPOSITORY}/src/plugins/python` },
    }).output();
    const modules: Record<string, string[]> = JSON.parse(
      new TextDecoder().decode(stdout),
    );
    assertEquals(Object.keys(modules).includes("runnerlib.plugins"), true);
    for (const [module, names] of Object.entries(modules)) {
      const source = `from ${module} import ${names.join(", ")}\n`;
      assertEquals(findMissingNames(source), [], module);
    }
  },
});
