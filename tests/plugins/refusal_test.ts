import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { RunnerError } from "../../src/errors.ts";
import { findPluginFiles } from "../../src/plugins/find_files.ts";
import { runZoo } from "../helpers/plugin_zoo.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

const PLUGIN = `from runnerlib.plugins import Plugin


class Works(Plugin):
    def __init__(self):
        super().__init__("works")

    def supported_phases(self):
        return []
`;

Deno.test("a job with Python plugins is refused without a grant", async () => {
  const { result, message, stdout } = await runZoo({
    "build.py": PLUGIN,
    "publish.py": PLUGIN,
  });
  assertEquals(result, undefined);
  assertEquals(stdout, "");
  assertStringIncludes(message, "plugins/plugin_build.py");
  assertStringIncludes(message, "plugins/plugin_publish.py");
  assertStringIncludes(
    message,
    "grant each with --allow-plugin build:run=* --allow-plugin publish:run=*",
  );
  assert(!message.includes("CI source"), message);
});

Deno.test("a job with Python plugins in the trusted CI source is refused, whenever that is prepared", async () => {
  await using directory = await temporaryDirectory();
  await makeFiles(directory.path, {
    ".reactorcide/plugins/plugin_ci_jobs.py": PLUGIN,
  });
  const mounted = { REACTORCIDE_CI_SOURCE_DIR: directory.path };
  const copied = { ciSource: { type: "copy", url: directory.path } };
  for (const [hostEnv, options] of [[mounted, {}], [{}, copied]] as const) {
    const { result, message, stdout } = await runZoo({}, {
      plugins: { dir: undefined },
      hostEnv,
      ...options,
    });
    assertEquals([result?.status, stdout], [undefined, ""]);
    assertStringIncludes(message, ".reactorcide/plugins/plugin_ci_jobs.py");
    assertStringIncludes(message, "--allow-plugin ci_jobs:run=*");
    assertStringIncludes(
      message,
      "--allow-plugin 'ci/*:run=*', or the line ci/*:run=* in REACTORCIDE_PLUGIN_PERMISSIONS",
    );
  }
});

Deno.test("a grant for the CI source does not apply to other plugins", async () => {
  const { message } = await runZoo({ "build.py": PLUGIN }, {
    plugins: { permissions: { "ci/*": { run: ["*"] } } },
  });
  assertStringIncludes(message, "--allow-plugin build:run=*");
});

Deno.test("findPluginFiles() skips no file that may be a plugin", async () => {
  const refused = [
    ["plugin_a", "it is not executable"],
    ["plugin_a.sh", "it is not executable"],
    ["plugin_a.mjs", "it is not executable"],
    ["plugin_a.tsx", "it is not executable"],
    ["plugin_.py", "it is not executable"],
    ["plugin_.ts", "it is not executable"],
    ["plugin_", "it is not executable"],
  ];
  for (const [name, reason] of refused) {
    await using directory = await temporaryDirectory();
    await makeFiles(directory.path, { [name]: "" });
    const error = await assertRejects(
      () => findPluginFiles(directory.path),
      RunnerError,
    );
    assertStringIncludes(error.message, `${name}": ${reason}`);
  }
});

Deno.test("findPluginFiles() skips data and disabled plugins", async () => {
  await using directory = await temporaryDirectory();
  await makeFiles(directory.path, {
    "plugin_a.d.ts": "",
    "plugin_a.json": "",
    "plugin_a.md": "",
    "plugin_a.pyi": "",
    "plugin_a.py.disabled": PLUGIN,
    "plugin_a.py~": PLUGIN,
    "plugin_a.ts.orig": "",
    "plugin_dir/plugin_b.py": PLUGIN,
    "README": "",
    "__init__.py": "",
    "helper.py": PLUGIN,
  });
  assertEquals(await findPluginFiles(directory.path), []);
});

Deno.test("findPluginFiles() distinguishes Python programs from plugins that import runnerlib", async () => {
  await using directory = await temporaryDirectory();
  const files = {
    "plugin_a.py": PLUGIN,
    "plugin_b.py": "import os, json.decoder, runnerlib",
    "plugin_c.py": "if True:\n    from src.plugins import Plugin",
    "plugin_d.py": "#!/usr/bin/env python3\n# from runnerlib import x\n",
    "plugin_e.py": "",
  };
  await makeFiles(directory.path, files);
  for (const name of ["a", "b", "c", "d"]) {
    await Deno.chmod(`${directory.path}/plugin_${name}.py`, 0o755);
  }
  const found = await findPluginFiles(directory.path);
  assertEquals(found.map(({ name, kind }) => [name, kind]), [
    ["a", "python"],
    ["b", "python"],
    ["c", "python"],
    ["d", "program"],
    ["e", "python"],
  ]);
});
