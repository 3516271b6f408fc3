import {
  assert,
  assertEquals,
  assertMatch,
  assertStringIncludes,
} from "@std/assert";
import { isProgramMissing } from "../helpers/missing_program.ts";
import { runCli } from "../helpers/cli.ts";
import { startJsrRegistry } from "../helpers/jsr_registry.ts";
import { runZoo, type ZooOptions } from "../helpers/plugin_zoo.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

/** A plugin that prints the phases in which it is called. */
function teller(name: string): string {
  return `export default {
    name: "${name}",
    execute({ phase, log }) { log(phase); },
  };`;
}

function phasesOf(name: string, stderr: string): string[] {
  return [...stderr.matchAll(new RegExp(`^\\[plugin:${name}\\] (\\w+)$`, "gm"))]
    .map(([, phase]) => phase);
}

const ALL = [
  "pre_validation",
  "post_validation",
  "pre_source_prep",
  "post_source_prep",
  "pre_execution",
  "post_execution",
  "cleanup",
];

Deno.test("plugins of the CI source are loaded once it is prepared", async () => {
  const { result, stderr } = await runZoo({}, {
    plugins: { dir: undefined },
    ciSource: { type: "copy", url: "ci" },
    source: { type: "copy", url: "source" },
    files: {
      "ci/.reactorcide/plugins/plugin_trusted.ts": teller("trusted"),
      "source/.reactorcide/plugins/plugin_evil.ts": teller("evil"),
    },
  });
  assertEquals(result?.status, "success");
  assertEquals(phasesOf("trusted", stderr), ALL.slice(3));
  assertStringIncludes(
    stderr,
    'Plugin "trusted" was loaded after the sources were prepared, too late for pre_validation, post_validation, pre_source_prep',
  );
  assert(!stderr.includes("evil"), stderr);
});

Deno.test("plugins of the source are never loaded", async () => {
  for (const ci of [undefined, { type: "copy", url: "ci" }]) {
    const { result, stderr } = await runZoo({}, {
      plugins: { dir: undefined },
      ciSource: ci,
      source: { type: "copy", url: "source" },
      files: {
        "ci/other": "",
        "source/.reactorcide/plugins/plugin_evil.ts": teller("evil"),
      },
    });
    assertEquals(result?.status, "success");
    assert(!stderr.includes("evil"), stderr);
    assertMatch(
      stderr,
      /Plugins of the source are not loaded: ".*\/\.reactorcide\/plugins" contains some/,
    );
  }
});

Deno.test("a job is refused without the Python plugins of its source", async () => {
  const files = {
    "source/.reactorcide/plugins/plugin_checks.py":
      `from src.plugins import Plugin\n\n\nclass Checks(Plugin):\n    def pre_execution(self, context):\n        print("checked")\n`,
    "source/.reactorcide/plugins/__init__.py": "",
  };
  const source = {
    plugins: { dir: undefined },
    source: { type: "copy", url: "source" },
    files,
  };
  const refused = await runZoo({}, source);
  assertMatch(
    refused.message,
    /Cannot run the job without the plugins of its source, "plugin_checks\.py" in ".*\/\.reactorcide\/plugins": .*REACTORCIDE_PLUGIN_DIR/,
  );
  assert(refused.result?.status !== "success");
  if (!isProgramMissing("python3")) {
    const loaded = await runZoo({}, {
      ...source,
      hostEnv: {
        REACTORCIDE_PLUGIN_DIR: "job/src/.reactorcide/plugins",
        REACTORCIDE_PLUGIN_PERMISSIONS: "*:run=*",
      },
    });
    assertEquals(loaded.message, "");
    assertMatch(loaded.stderr + loaded.stdout, /checked/);
  }
  // A trusted CI source takes precedence, even if it has no plugins.
  const decided = await runZoo({}, {
    ...source,
    ciSource: { type: "copy", url: "ci" },
    files: { ...files, "ci/other": "" },
  });
  assertEquals(decided.result?.status, "success");
  assertMatch(decided.stderr, /Plugins of the source are not loaded/);
});

Deno.test("a link in the CI source cannot load plugins from elsewhere", async () => {
  const { message } = await runZoo({ "evil.ts": teller("evil") }, {
    plugins: { dir: undefined },
    ciSource: { type: "copy", url: "ci" },
    files: { "ci/.reactorcide/plugins": "-> ../../../plugins" },
  });
  assertMatch(message, /link/);
});

Deno.test("a plugin directory in a source is checked again after the preparation", async () => {
  const source = {
    plugins: { dir: "job/src/ours" },
    source: { type: "copy", url: "source" },
  };
  const { stderr } = await runZoo({}, {
    ...source,
    files: { "source/ours/plugin_late.ts": teller("late") },
  });
  assertEquals(phasesOf("late", stderr), ALL.slice(3));
  const { message } = await runZoo({}, {
    ...source,
    files: { "source/x": "" },
  });
  assertMatch(message, /^Cannot load plugins from ".*ours": no such file/);
});

Deno.test("plugins are loaded from the CI source that a worker mounted", async () => {
  await using directory = await temporaryDirectory();
  await makeFiles(directory.path, {
    ".reactorcide/plugins/plugin_early.ts": teller("early"),
  });
  const { stderr } = await runZoo({}, {
    plugins: { dir: undefined },
    hostEnv: { REACTORCIDE_CI_SOURCE_DIR: directory.path },
  });
  assertEquals(phasesOf("early", stderr), ALL);
});

Deno.test("twenty plugins are called by priority, and nest", async () => {
  const names = Array.from({ length: 20 }, (_, at) => `p${at}`);
  const { stderr, result } = await runZoo(Object.fromEntries(
    names.map((name, at) => [
      `${name}.ts`,
      `export default {
      name: "${name}", priority: ${100 - at},
      preExecution({ log }) { log("on"); },
      postExecution({ log }) { log("off"); },
    };`,
    ]),
  ));
  assertEquals(result?.status, "success");
  const calls = [...stderr.matchAll(/plugin:(p\d+)\] (on|off)/g)]
    .map(([, name, what]) => `${name} ${what}`);
  assertEquals(calls, [
    ...names.toReversed().map((name) => `${name} on`),
    ...names.map((name) => `${name} off`),
  ]);
});

Deno.test("a plugin with the permission can add steps", async () => {
  const { result, stdout } = await runZoo({
    "lint.ts": `export const manifest = { permissions: { steps: ["lint*"] } };
      export default { name: "lint", preExecution({ addStep }) {
        addStep({ name: "lint", run: "echo linted", dependsOn: ["command"] });
      } };`,
  }, { plugins: { permissions: { lint: { steps: ["lint"] } } } });
  assertEquals(result?.steps.map(({ name }) => name), ["command", "lint"]);
  assertMatch(stdout, /ran\n[^]*linted\n/);
});

Deno.test("a plugin with the permission can change settings before they are validated", async () => {
  const plugin = {
    "shorten.ts": `export const manifest = { permissions: {
        config: ["job_command", "plugin_dir"] } };
      export default { name: "shorten", preValidation({ config, shared }) {
        config.set("job_command", "echo other");
        if (config.get("artifacts_dir") === "/job/theirs") {
          config.set("plugin_dir", "/");
        }
      } };`,
  };
  const pluginPermissions = { shorten: { config: ["*"] } };
  const { stdout } = await runZoo(plugin, {
    plugins: { permissions: pluginPermissions },
  });
  assertEquals(stdout, "other\n");
  const { message } = await runZoo(plugin, {
    plugins: { permissions: pluginPermissions },
    artifactsDir: "/job/theirs",
  });
  assertStringIncludes(message, 'it cannot set config "plugin_dir"');
});

Deno.test("a plugin of a registry runs with its hash, and with no other", async () => {
  await using folder = await temporaryDirectory();
  await makeFiles(folder.path, {
    "deno.json": JSON.stringify({
      name: "@acme/teller",
      version: "1.0.0",
      exports: { ".": "./mod.ts" },
    }),
    "mod.ts": `export const manifest = { permissions: { env: ["ROOM"] } };
      export default { name: "teller", cleanup({ env, log }) {
        log("in " + env.ROOM);
      } };`,
  });
  await using registry = await startJsrRegistry([
    new URL(`file://${folder.path}/`),
  ]);
  const meta = await fetch(`${registry.url}@acme/teller/1.0.0_meta.json`);
  const digest = await crypto.subtle.digest("SHA-256", await meta.bytes());
  const hash = new Uint8Array(digest).toHex();
  const run = (hash: string) =>
    runZoo({}, {
      plugins: {
        dir: undefined,
        urls: [`jsr:@acme/teller@1.0.0#sha256-${hash}`],
        permissions: { "@acme/teller": { env: ["ROOM"] } },
      },
      env: { ROOM: "a" },
      secrets: { envNames: [] },
      hostEnv: { JSR_URL: registry.url, DENO_DIR: `${folder.path}/cache` },
    });
  const { stderr, message } = await run(hash);
  assertStringIncludes(stderr, "[plugin:@acme/teller] in a", message);
  const other = await run("0".repeat(64));
  assertMatch(
    other.message,
    /^Cannot fetch plugin "jsr:@acme\/teller@1\.0\.0": .*integrity/i,
  );
});

/** Offers packages in a registry, and runs one of them as a plugin. */
async function runPackage(
  files: Record<string, string>,
  options: ZooOptions = {},
) {
  await using folder = await temporaryDirectory();
  const names = [
    ...new Set(Object.keys(files).map((key) => key.split("/")[0])),
  ];
  await makeFiles(folder.path, {
    ...files,
    ...Object.fromEntries(names.map((name) => [
      `${name}/deno.json`,
      JSON.stringify({
        name: `@acme/${name}`,
        version: "1.0.0",
        exports: { ".": "./mod.ts" },
      }),
    ])),
  });
  await using registry = await startJsrRegistry(
    names.map((name) => new URL(`file://${folder.path}/${name}/`)),
  );
  const meta = await fetch(`${registry.url}@acme/plugin/1.0.0_meta.json`);
  const digest = await crypto.subtle.digest("SHA-256", await meta.bytes());
  const { host } = new URL(registry.url);
  const result = await runZoo({}, {
    ...options,
    plugins: {
      dir: undefined,
      urls: [`jsr:@acme/plugin@1.0.0#sha256-${new Uint8Array(digest).toHex()}`],
      permissions: JSON.parse(
        JSON.stringify(options.plugins?.permissions ?? {})
          .replaceAll("REGISTRY", host),
      ),
    },
    hostEnv: { JSR_URL: registry.url },
  });
  return { ...result, unknown: [...registry.refused] };
}

/** A plugin that tries to import what it was not loaded with. */
const IMPORTER = `export default { name: "importer", async cleanup({ log }) {
  const registry = new URL(import.meta.url).origin;
  for (const address of [
    "jsr:@acme/other@1.0.0",
    "jsr:@acme/data-of-the-job@1.0.0",
    registry + "/@acme/other/1.0.0/mod.ts",
    registry + "/data-of-the-job",
    "npm:data-of-the-job",
    "https://esm.sh/x",
    "http://127.0.0.1:1/x.js",
  ]) {
    try { await import(address); log("imported " + address); }
    catch { log("refused " + address); }
  }
} };`;

Deno.test("a plugin of a registry imports only its own module graph", async () => {
  const { stderr, message, unknown } = await runPackage({
    "plugin/mod.ts": `import "./part.ts"; ${IMPORTER}`,
    "plugin/part.ts": "export {};",
    "other/mod.ts": "export {};",
  });
  assertEquals(stderr.match(/refused/g)?.length, 7, stderr + message);
  assert(!stderr.includes("imported"), stderr);
  assertEquals(unknown, []);
});

Deno.test("a plugin of a registry reads what it is granted", async () => {
  const { stderr, message } = await runPackage({
    "plugin/mod.ts": `export const manifest = { permissions: {
        read: ["$JOB_DIR"] } };
      export default { name: "plugin", async postExecution({ log, jobPath }) {
        log("read " + await Deno.readTextFile(jobPath + "/made"));
        const { part } = await import("./part.ts");
        log(part);
        try { log("got " + await Deno.readTextFile(jobPath + "/out")); }
        catch { log("refused"); }
      } };`,
    "plugin/part.ts": `export const part = "loaded late";`,
  }, {
    files: { "job/made": "here", "job/out": "-> /etc/passwd" },
    plugins: { permissions: { "@acme/plugin": { read: ["$JOB_DIR"] } } },
  });
  for (const line of ["read here", "loaded late", "refused"]) {
    assertStringIncludes(stderr, `[plugin:@acme/plugin] ${line}\n`, message);
  }
});

Deno.test("dependencies of a package are loaded only if the operator allows it", async () => {
  const files = {
    "plugin/mod.ts": `import { word } from "jsr:@acme/other@^1.0.0";
      export default { name: "plugin", cleanup({ log }) { log(word); } };`,
    "other/mod.ts": `export const word = "from other";`,
  };
  const refused = await runPackage(files);
  assertMatch(
    refused.message,
    /it has dependencies, which its hash does not pin; to allow them, grant it with --allow-plugin @acme\/plugin:import=127\.0\.0\.1:\d+$/,
  );
  const { stderr, message } = await runPackage(files, {
    plugins: { permissions: { "@acme/plugin": { import: ["REGISTRY"] } } },
  });
  assertStringIncludes(stderr, "from other", message);
});

Deno.test("runnerlib plugins lists the plugins that would be loaded", async () => {
  await using directory = await temporaryDirectory();
  await makeFiles(directory.path, {
    "plugins/plugin_b.ts": `export const manifest = { permissions: {
        read: ["$JOB_DIR"], net: ["a.com"] } };
      export default { name: "second", cleanup() {} };`,
    "plugins/plugin_a.js":
      `export default { name: "first", priority: 5, execute() {} };`,
    "plugins/plugin_broken.ts": "export default 5;",
  });
  const options = {
    cwd: directory.path,
    env: { REACTORCIDE_PLUGIN_DIR: "plugins" },
  };
  const { path } = directory;
  const list = await runCli(["plugins", "list"], options);
  assertEquals(list.code, 1);
  assertEquals(list.stdout.split("\n"), [
    "first  priority 5  pre_validation, post_validation, pre_source_prep, post_source_prep, pre_execution, post_execution, on_error, cleanup",
    `  from ${path}/plugins/plugin_a.js`,
    "  may not read, write or use the network",
    "second  priority 100  cleanup",
    `  from ${path}/plugins/plugin_b.ts`,
    `  may read: ${path}/job`,
    "  requests net: a.com; to allow it: --allow-plugin b:net=a.com",
    "broken",
    `  from ${path}/plugins/plugin_broken.ts`,
    `  cannot be loaded: Cannot load plugin "${path}/plugins/plugin_broken.ts": its default export must be a plugin, a plugin class or a function that registers plugins`,
    "  may not read, write or use the network",
    "",
  ]);
  const check = await runCli([
    "plugins",
    "check",
    "plugins/plugin_b.ts",
    "--allow-plugin",
    "b:net=a.com",
  ], options);
  assertEquals(check.code, 0);
  assertStringIncludes(check.stdout, "  may net: a.com\n");
  const wrong = await runCli(["plugins", "check"], options);
  assertEquals(wrong.code, 2);
});

Deno.test("a newline in an option does not grant the text after it", async () => {
  await using directory = await temporaryDirectory();
  await makeFiles(directory.path, {
    "plugin_x.ts": `export const manifest = { permissions: {
        read: ["/etc"], run: ["*"] } };
      export default { name: "x", execute() {} };`,
  });
  for (const value of ["x:read=/a\nx:run=*", "x:env=A\nx:run=*"]) {
    const { code, stdout, stderr } = await runCli([
      ...["plugins", "check", "plugin_x.ts", "--allow-plugin", value],
    ], { cwd: directory.path });
    assert(!/may run/.test(stdout), stdout);
    assert(code === 1 || stdout.includes("requests run"), stdout + stderr);
  }
});
