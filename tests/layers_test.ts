import { assertEquals, assertLessOrEqual } from "@std/assert";
import {
  findLayerProblems,
  type Import,
  type SourceFile,
} from "./helpers/layers.ts";

const root = new URL("../", import.meta.url);

/**
 * Maximum number of modules that are evaluated before a command of the command
 * line starts. Each takes about 0.3 ms. Before raising it, load late what a
 * plain `run` does not need, or join files that are always loaded together.
 */
const MAX_STARTUP_MODULES = 79;

Deno.test("the package follows its floors", async () => {
  assertEquals(findLayerProblems(await readPackage()), []);
});

Deno.test("the command line evaluates few modules at its start", async () => {
  const modules = await startupModules("cli.ts");
  assertEquals(modules.has("src/runner/run_job.ts"), true);
  assertEquals(modules.has("src/runner/run_steps.ts"), false);
  assertLessOrEqual(
    modules.size,
    MAX_STARTUP_MODULES,
    [...modules].sort().join("\n"),
  );
});

Deno.test("findLayerProblems() accepts what the floors allow", () => {
  const files = [
    file("src/runner/step.ts", ["src/runner/plan.ts", "src/plugins/hooks.ts"]),
    file("src/output/pump.ts", ["src/errors.ts", "links/yaml/parse.ts"]),
    file("src/cli/commands/run.ts", ["src/cli/main.ts", "src/runner/step.ts"]),
    file("src/suggest.ts", ["src/errors.ts", "npm:yaml@^2.9.0"]),
    file("src/package_version.ts", ["deno.json"]),
    file("mod.ts", ["src/workflow/eval.ts", "src/errors.ts"]),
    file("plugins.ts", ["src/plugins/plugin.ts"]),
    file("cli.ts", ["src/cli/main.ts"], "Deno.exit(await main(Deno.args));"),
  ];
  assertEquals(findLayerProblems(files), []);
});

Deno.test("findLayerProblems() finds imports against the floors", () => {
  const wrong: [path: string, target: string][] = [
    ["src/runner/step.ts", "src/workflow/eval.ts"],
    ["src/plugins/hooks.ts", "src/triggers/queue.ts"],
    ["src/process/spawn.ts", "src/secrets/masker.ts"],
    ["src/errors.ts", "src/process/spawn.ts"],
    ["src/runner/step.ts", "mod.ts"],
    ["src/cli/main.ts", "cli.ts"],
    ["src/runner/step.ts", "tests/helpers/layers.ts"],
    ["src/runner/step.ts", "src/attic/old.ts"],
    ["mod.ts", "src/cli/main.ts"],
    ["plugins.ts", "src/runner/step.ts"],
    ["mod.ts", "cli.ts"],
    ["cli.ts", "mod.ts"],
  ];
  for (const [path, target] of wrong) {
    assertEquals(
      findLayerProblems([file(path, [target])]),
      [`${path}: may not import ${target}`],
    );
  }
});

Deno.test("findLayerProblems() finds a folder without a floor", () => {
  assertEquals(
    findLayerProblems([file("src/attic/old.ts")]),
    ["src/attic/old.ts: has no floor"],
  );
});

Deno.test("findLayerProblems() lets node: modules be loaded late only", () => {
  const late = file("src/source/git.ts");
  late.imports = [{ target: "node:fs", dynamic: true }];
  assertEquals(
    findLayerProblems([late, file("src/runner/step.ts", ["node:fs"])]),
    ["src/runner/step.ts: imports node:fs statically"],
  );
});

Deno.test("findLayerProblems() finds platform access outside its place", () => {
  const lines: [place: string, code: string][] = [
    ["src/process/spawn.ts", 'new Deno.Command("git");'],
    ["src/process/spawn.ts", 'Deno.kill(-pid, "SIGTERM");'],
    ["src/host.ts", "const home = Deno.env.get(name);"],
    ["src/host.ts", "const here = `${Deno.cwd()}/job`;"],
    ["src/host.ts", "await Deno.stdout.write(bytes);"],
    ["src/host.ts", 'Deno.addSignalListener("SIGTERM", onSignal);'],
    ["cli.ts", "Deno.exit(1);"],
    ["cli.ts", "const [name] = Deno.args;"],
    ["cli.ts", "console.error(1);"],
    ["src/coordinator/client.ts", "await fetch(url);"],
    ["src/coordinator/client.ts", "const { fetch = globalThis.fetch } = {};"],
    ["", "const { env } = Deno;"],
    ["", "globalThis.Deno.exit(1);"],
    ["", "console.log(1);"],
  ];
  for (const [place, code] of lines) {
    const elsewhere = findLayerProblems([file("src/runner/step.ts", [], code)]);
    assertEquals(elsewhere.length > 0, true, code);
    if (place === "") continue;
    assertEquals(findLayerProblems([file(place, [], code)]), [], code);
  }
});

Deno.test("findLayerProblems() reads code, not text and comments", () => {
  const text = [
    "/** Ends like `Deno.exit(1)`; see console.log(). */",
    'const help = "Deno.args are read // by cli.ts", // Deno.cwd()',
    "  prefetch = api.fetch(url), signal: Deno.Signal = 'SIGTERM';",
  ].join("\n");
  assertEquals(findLayerProblems([file("src/runner/step.ts", [], text)]), []);
});

Deno.test("findLayerProblems() finds variables and environments of their own", () => {
  for (
    const code of [
      'const id = env["REACTORCIDE_JOB_ID"];',
      "const id = env.REACTORCIDE_JOB_ID;",
      "const { RC_WF_ID: id } = env;",
      "const name = `REACTORCIDE_${key}`;",
      'if (name.startsWith("REACTORCIDE_")) return;',
      "spawn(argv, { env: fixedEnvironment(host.env) });",
      "spawn(argv, { env: { ...host.env, ...env } });",
      "spawn(argv, { env: host.env as ChildEnvironment });",
      "spawn(argv, { env: env as unknown as ChildEnvironment });",
    ]
  ) {
    const found = findLayerProblems([file("src/runner/step.ts", [], code)]);
    assertEquals(found.length, 1, code);
  }
  const text = [
    "/** Reads `REACTORCIDE_JOB_ID`. */",
    "// REACTORCIDE_JOB_ID is set by the worker.",
    'const help = "Options override REACTORCIDE_* variables";',
    "const id = env[Variable.jobId];",
    "spawn(argv, { env: childEnvironment(host.env, { kind }) });",
  ].join("\n");
  assertEquals(findLayerProblems([file("src/runner/step.ts", [], text)]), []);
});

Deno.test("findLayerProblems() finds a file that grew too long", () => {
  assertEquals(
    findLayerProblems([
      file("src/runner/step.ts", [], "\n".repeat(600)),
      file("src/runner/plan.ts", [], "\n".repeat(601)),
    ]),
    ["src/runner/plan.ts: has 601 lines"],
  );
});

Deno.test("findLayerProblems() finds duplicate names", () => {
  const text = [
    "export interface Step {}",
    "export async function run() {}",
    "const hidden = 1;",
    "export function over(a: string): void;",
    "export function over(a: unknown): void {}",
    "export const [FIRST, SECOND] = [1, 2];",
  ].join("\n");
  const [a, b] = ["src/steps/a.ts", "src/steps/b.ts"];
  assertEquals(
    findLayerProblems([
      file(a, [], text),
      file(
        b,
        [],
        "export const run = 1;\nconst hidden = 2;\nexport const SECOND = 3;",
      ),
      file("src/runner/a.ts"),
    ]),
    [
      `${b}: run is also a name in ${a}`,
      `${b}: SECOND is also a name in ${a}`,
      `src/runner/a.ts: a.ts is also a name in ${a}`,
    ],
  );
});

Deno.test("findLayerProblems() finds files that import one another", () => {
  const [a, b, c] = ["a", "b", "c"].map((name) => `src/steps/${name}.ts`);
  assertEquals(
    findLayerProblems([file(a, [b]), file(b, [c]), file(c, [b])]),
    [`${b} imports ${c} imports ${b}`],
  );
  assertEquals(findLayerProblems([file(a, [b, c]), file(b, [c]), file(c)]), []);
});

Deno.test("findLayerProblems() finds late imports of what is loaded anyway", () => {
  const [a, b, c] = ["a", "b", "c"].map((name) => `src/steps/${name}.ts`);
  const late = file(a, [b]);
  late.imports = [...late.imports, { target: c, dynamic: true }];
  assertEquals(
    findLayerProblems([late, file(b, [c]), file(c)]),
    [`${a}: delays ${c}, which is loaded anyway`],
  );
  const types = file(b);
  types.imports = [{ target: c, dynamic: false, typeOnly: true }];
  assertEquals(findLayerProblems([late, types, file(c)]), []);
});

function file(path: string, targets: string[] = [], text = ""): SourceFile {
  const imports = targets.map((target) => ({ target, dynamic: false }));
  return { path, imports, text };
}

/** Reads the entry points and all files under `src/`, whether reached or not. */
async function readPackage(): Promise<SourceFile[]> {
  const paths = [
    "mod.ts",
    "cli.ts",
    "plugins.ts",
    "testing.ts",
    ...await listSources("src"),
  ];
  const imports = await readImports(paths);
  return await Promise.all(paths.map(async (path) => ({
    path,
    imports: imports.get(path) ?? [],
    text: await Deno.readTextFile(new URL(path, root)),
  })));
}

async function listSources(folder: string): Promise<string[]> {
  const paths: string[] = [];
  for await (const entry of Deno.readDir(new URL(folder, root))) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory) paths.push(...await listSources(path));
    else if (path.endsWith(".ts")) paths.push(path);
  }
  return paths.sort();
}

/** Asks Deno for the imports of all files at once, through one that has all. */
async function readImports(paths: string[]): Promise<Map<string, Import[]>> {
  const entry = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    const lines = paths.map((path) => `import "${new URL(path, root)}";\n`);
    await Deno.writeTextFile(entry, lines.join(""));
    const { modules } = await denoInfo(entry);
    return new Map(modules.map(({ specifier, dependencies = [] }) => [
      fromRoot(specifier),
      dependencies.flatMap(({ code, type, isDynamic = false }) =>
        [...new Set([code?.specifier, type?.specifier])]
          .filter((item) => item !== undefined)
          .map((item) => ({
            target: fromRoot(item),
            dynamic: isDynamic,
            typeOnly: code === undefined,
          }))
      ),
    ]));
  } finally {
    await Deno.remove(entry);
  }
}

/** Finds the modules that a module imports statically, and what these import. */
async function startupModules(entry: string): Promise<Set<string>> {
  const { modules } = await denoInfo(entry);
  const imports = new Map(modules.map(({ specifier, dependencies = [] }) => [
    fromRoot(specifier),
    dependencies.filter(({ isDynamic }) => !isDynamic)
      .flatMap(({ code }) => code?.specifier ?? [])
      .map(fromRoot),
  ]));
  const found = new Set([entry]);
  for (const module of found) {
    for (const target of imports.get(module) ?? []) found.add(target);
  }
  return found;
}

interface ModuleGraph {
  modules: {
    specifier: string;
    dependencies?: {
      code?: { specifier?: string };
      type?: { specifier?: string };
      isDynamic?: boolean;
    }[];
  }[];
}

async function denoInfo(entry: string): Promise<ModuleGraph> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", "--config", "deno.json", entry],
    cwd: root,
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return JSON.parse(new TextDecoder().decode(stdout));
}

function fromRoot(specifier: string): string {
  return specifier.startsWith(root.href)
    ? specifier.slice(root.href.length)
    : specifier;
}
