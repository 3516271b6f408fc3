import { assert, assertEquals, assertRejects } from "@std/assert";
import { RunnerError } from "../../src/errors.ts";
import { loadPluginDirectory } from "../../src/plugins/plugin_loader.ts";
import { PluginRegistry } from "../../src/plugins/registry.ts";
import { SILENT_LOGGER } from "../helpers/phase_context.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

/** Runs a test with a directory that holds the given files. */
async function withFiles(
  files: Record<string, string>,
  run: (directory: string, registry: PluginRegistry) => Promise<void>,
): Promise<void> {
  await using root = await temporaryDirectory();
  const directory = `${root.path}/plugins #1?%41`;
  await Deno.mkdir(directory);
  await makeFiles(directory, files);
  await run(directory, new PluginRegistry());
}

function namesOf(registry: PluginRegistry): string[] {
  return registry.plugins.map(({ name }) => name);
}

/** Loads an invalid directory, and returns the message of the error. */
async function refusal(
  directory: string,
  registry: PluginRegistry,
  code = "plugin-failed",
): Promise<string> {
  const before = namesOf(registry);
  const error = await assertRejects(
    () => loadPluginDirectory(directory, registry, SILENT_LOGGER),
    RunnerError,
  );
  assertEquals(error.code, code);
  assertEquals(namesOf(registry), before);
  return error.message;
}

Deno.test("loadPluginDirectory() loads each kind of export, by file name", () =>
  withFiles({
    "plugin_c_factory.ts":
      `export default (registry) => registry.add({ name: "factory" });`,
    "plugin_b_class.ts": `export default class {
      name: string = "class";
      cleanup(): void {}
    }`,
    "plugin_a_object.js": `export default { name: "object" };`,
    "plugin_d_returned.js":
      `export default async function () { return { name: "returned" }; }`,
    "plugin_e_several.js": `export default function (registry) {
      for (const name of ["x", "y"]) registry.add({ name });
    }`,
  }, async (directory, registry) => {
    const lines: string[] = [];
    const handle = await loadPluginDirectory(directory, registry, {
      ...SILENT_LOGGER,
      debug: (_component, message, fields) =>
        void lines.push(`${message} ${fields?.plugins}`),
    });
    assertEquals(namesOf(registry), [
      "object",
      "class",
      "factory",
      "returned",
      "x",
      "y",
    ]);
    assertEquals(lines.length, 5);
    assert(lines[4].endsWith(`plugin_e_several.js" 2`), lines[4]);
    handle[Symbol.dispose]();
    assertEquals(namesOf(registry), []);
  }));

Deno.test("loadPluginDirectory() ignores other files", () =>
  withFiles({
    "helper.ts": "throw new Error()",
    "plugin_a.d.ts": "throw new Error()",
    "my_plugin_a.ts": "throw new Error()",
    "plugin_a.ts.bak": "throw new Error()",
    "deeper/plugin_a.ts": "throw new Error()",
  }, async (directory, registry) => {
    await loadPluginDirectory(directory, registry, SILENT_LOGGER);
    assertEquals(registry.plugins, []);
  }));

Deno.test("loadPluginDirectory() accepts file names with a meaning in URLs", () =>
  withFiles({
    "plugin_#1?x=%20 é.ts": `import { name } from "./helper %23.ts";
      export default { name };`,
    "helper #.ts": `export const name = "odd";`,
  }, async (directory, registry) => {
    await loadPluginDirectory(directory, registry, SILENT_LOGGER);
    assertEquals(namesOf(registry), ["odd"]);
  }));

Deno.test("loadPluginDirectory() reports what a file should export", async () => {
  for (
    const text of [
      "export {};",
      `export const plugin = { name: "a" };`,
      "export default 5;",
      "export default null;",
      "export default {};",
      "export default () => {};",
      "export default () => 7;",
      `export default [{ name: "a" }];`,
    ]
  ) {
    await withFiles({ "plugin_a.js": text }, async (directory, registry) => {
      const root = await Deno.realPath(directory);
      assertEquals(
        await refusal(directory, registry),
        `Cannot load plugin file "${root}/plugin_a.js": its default export ` +
          "must be a plugin, a plugin class or a function that registers plugins",
      );
    });
  }
});

Deno.test("loadPluginDirectory() reports which file fails, and undoes the others", async () => {
  for (
    const [text, state] of [
      ["export default {", "Expected"],
      ["throw new Error('broken');", "broken"],
      ["throw undefined;", "it threw undefined"],
      [`export default { name: "a" };`, "the name is taken"],
      [`export default { name: "b", phases: ["x"] };`, "is unknown"],
      [
        `export default (registry) => {
          registry.add({ name: "b" });
          throw new Error("half way");
        };`,
        "half way",
      ],
    ]
  ) {
    await withFiles({
      "plugin_1.js": `export default { name: "a" };`,
      "plugin_2.js": text,
    }, async (directory, registry) => {
      registry.add({ name: "mine" });
      const message = await refusal(directory, registry);
      assert(message.includes("/plugin_2.js"), message);
      assert(message.includes(state), message);
    });
  }
});

Deno.test("loadPluginDirectory() follows no link out of the directory", () =>
  withFiles({
    "inner.js": `export default { name: "inner" };`,
    "plugin_inner.js": "-> inner.js",
    "../outer.js": `export default { name: "outer" };`,
  }, async (directory, registry) => {
    {
      using _ = await loadPluginDirectory(directory, registry, SILENT_LOGGER);
      assertEquals(namesOf(registry), ["inner"]);
    }
    await makeFiles(directory, { "plugin_outer.js": "-> ../outer.js" });
    const message = await refusal(directory, registry);
    assert(message.includes("/plugin_outer.js"), message);
    assert(message.endsWith("it is a link that leaves the directory"), message);
  }));

Deno.test("loadPluginDirectory() loads regular files only", () =>
  withFiles({ "plugin_a.ts/": "" }, async (directory, registry) => {
    const message = await refusal(directory, registry);
    assert(message.endsWith("it is not a regular file"), message);
  }));

Deno.test("loadPluginDirectory() reports a path that is not a directory", () =>
  withFiles({ "file": "" }, async (directory, registry) => {
    for (const name of ["missing", "file"]) {
      const path = `${directory}/${name}`;
      const message = await refusal(path, registry, "invalid-config");
      assert(message.startsWith(`Cannot load plugins from "${path}": `));
    }
  }));
