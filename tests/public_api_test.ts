import { assert, assertEquals } from "@std/assert";
import * as runnerlib from "@reactorcide/runnerlib";
import * as pluginTypes from "@reactorcide/runnerlib/plugins";
import * as testing from "@reactorcide/runnerlib/testing";
import { REPOSITORY } from "./helpers/cli.ts";

Deno.test("mod.ts exports exactly what is promised", () => {
  assertEquals(Object.keys(runnerlib).sort(), [
    "Job",
    "RunnerError",
    "createRunner",
    "defaultRunner",
    "flushTriggers",
    "getJobResult",
    "getWorkflowVars",
    "git",
    "isJobRunning",
    "logNextJob",
    "processHost",
    "registerPlugin",
    "registerSecret",
    "registerSource",
    "runJob",
    "setWorkflowOutput",
    "setWorkflowVar",
    "submitJob",
    "triggerJob",
    "triggerJobs",
    "withTriggers",
  ]);
});

Deno.test("plugins.ts exports exactly what is promised", async () => {
  assertEquals(Object.keys(pluginTypes), ["PHASES"]);
  assertEquals(await exportsOf("plugins.ts"), [
    "CallContext",
    "PHASES",
    "Phase",
    "PhaseAlias",
    "PhaseContext",
    "Plugin",
    "PluginChanges",
    "PluginConfig",
    "PluginContext",
    "PluginDescription",
    "PluginFailure",
    "PluginManifest",
    "PluginMessage",
    "PluginPermissions",
    "RunnerMessage",
  ]);
});

Deno.test("testing.ts exports exactly what is promised", async () => {
  assertEquals(Object.keys(testing).sort(), [
    "assertEnv",
    "assertOrder",
    "assertRan",
    "commandsFromRecord",
    "commandsOf",
    "testJob",
  ]);
  assertEquals(await exportsOf("testing.ts"), [
    "CommandReply",
    "RecordedCommand",
    "StartedCommand",
    "StepMoment",
    "TestJobOptions",
    "TestedCommand",
    "TestedJob",
    "assertEnv",
    "assertOrder",
    "assertRan",
    "commandsFromRecord",
    "commandsOf",
    "testJob",
  ]);
});

Deno.test("each entry point is published, and each value has an example", async () => {
  const config = JSON.parse(
    await Deno.readTextFile(`${REPOSITORY}/deno.json`),
  );
  assertEquals(config.exports, {
    ".": "./mod.ts",
    "./cli": "./cli.ts",
    "./plugins": "./plugins.ts",
    "./testing": "./testing.ts",
  });
  for (const path of Object.values<string>(config.exports)) {
    assert(config.publish.include.includes(path.slice(2)), path);
  }
  assertEquals(await valuesWithoutExample("mod.ts"), []);
  assertEquals(await valuesWithoutExample("plugins.ts"), []);
  assertEquals(await valuesWithoutExample("testing.ts"), []);
});

/** A symbol of `deno doc --json`. */
interface DocSymbol {
  readonly name: string;
  readonly declarations: readonly {
    readonly kind: string;
    readonly jsDoc?: { readonly tags?: readonly { readonly kind: string }[] };
  }[];
}

async function exportsOf(path: string): Promise<string[]> {
  return (await symbolsOf(path)).map(({ name }) => name).sort();
}

async function valuesWithoutExample(path: string): Promise<string[]> {
  const isDocumented = ({ declarations }: DocSymbol) =>
    declarations.some(({ jsDoc }) =>
      jsDoc?.tags?.some(({ kind }) => kind === "example")
    );
  const isValue = ({ declarations }: DocSymbol) =>
    declarations.some(({ kind }) =>
      ["function", "variable", "class"].includes(kind)
    );
  return (await symbolsOf(path))
    .filter((symbol) => isValue(symbol) && !isDocumented(symbol))
    .map(({ name }) => name);
}

async function symbolsOf(path: string): Promise<readonly DocSymbol[]> {
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["doc", "--json", path],
    cwd: REPOSITORY,
  }).output();
  const { nodes } = JSON.parse(new TextDecoder().decode(stdout));
  const [module] = Object.values<{ symbols: readonly DocSymbol[] }>(nodes);
  return module.symbols;
}

Deno.test("submitJob is triggerJob", () => {
  assert(runnerlib.submitJob === runnerlib.triggerJob);
});
