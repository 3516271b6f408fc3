import { assert, assertEquals, assertThrows } from "@std/assert";
import { PHASES, type Plugin, resolvePhase } from "../../src/plugins/plugin.ts";
import { PluginRegistry } from "../../src/plugins/registry.ts";

function refusal(plugin: unknown): string {
  const registry = new PluginRegistry();
  const error = assertThrows(() => registry.add(plugin as Plugin), Error);
  assert(error instanceof TypeError || error instanceof RangeError);
  assertEquals(registry.plugins, []);
  return error.message;
}

function namesOf(registry: PluginRegistry): string[] {
  return registry.plugins.map(({ name }) => name);
}

Deno.test("resolvePhase() resolves the eight phases and two legacy names", () => {
  assertEquals(PHASES.map(resolvePhase), [...PHASES]);
  assertEquals(resolvePhase("pre_container"), "pre_execution");
  assertEquals(resolvePhase("post_container"), "post_execution");
  for (const name of ["constructor", "preExecution", "", 1, null]) {
    assertEquals(resolvePhase(name), undefined);
  }
});

Deno.test("PluginRegistry lists plugins by priority, then in order of registration", () => {
  const registry = new PluginRegistry();
  registry.add({ name: "b" });
  registry.add({ name: "last", priority: 200 });
  registry.add({ name: "first", priority: -1 });
  registry.add({ name: "a", priority: 100 });
  assertEquals(namesOf(registry), ["first", "b", "a", "last"]);
});

Deno.test("PluginRegistry reads a plugin once", () => {
  const registry = new PluginRegistry();
  const plugin = { name: "a", priority: 5, phases: ["cleanup" as const] };
  registry.add(plugin);
  const before = registry.plugins;
  plugin.name = "b";
  plugin.priority = 500;
  plugin.phases.length = 0;
  registry.add({ name: "z", priority: 6 });
  assertEquals(before.length, 1);
  assertEquals(namesOf(registry), ["a", "z"]);
  assertEquals([...registry.plugins[0].phases], ["cleanup"]);
});

Deno.test("PluginRegistry reads phases and their older names", () => {
  const registry = new PluginRegistry();
  registry.add({ name: "all" });
  registry.add({ name: "list", phases: ["pre_container", "pre_execution"] });
  registry.add(
    new (class implements Plugin {
      name = "method";
      supportedPhases() {
        return [this.name === "method" ? "on_error" : "cleanup"] as const;
      }
    })(),
  );
  assertEquals(
    registry.plugins.map(({ phases }) => [...phases]),
    [[...PHASES], ["pre_execution"], ["on_error"]],
  );
});

Deno.test("PluginRegistry returns a handle that unregisters the plugin", () => {
  const registry = new PluginRegistry();
  const first = registry.add({ name: "a" });
  first[Symbol.dispose]();
  const second = registry.add({ name: "a" });
  first[Symbol.dispose]();
  assertEquals(namesOf(registry), ["a"]);
  second[Symbol.dispose]();
  assertEquals(namesOf(registry), []);
});

Deno.test("PluginRegistry rejects a name that is in use", () => {
  const registry = new PluginRegistry();
  registry.add({ name: "a" });
  assertThrows(
    () => registry.add({ name: "a" }),
    TypeError,
    'Cannot register plugin "a": the name is taken',
  );
  assertEquals(registry.plugins.length, 1);
});

Deno.test("PluginRegistry rejects invalid plugins", () => {
  for (
    const [plugin, message] of [
      [undefined, "Cannot register a plugin: it is not an object"],
      [class {}, "Cannot register a plugin: it is not an object"],
      [{}, "Cannot register a plugin: it has no name"],
      [{ name: " " }, "Cannot register a plugin: it has no name"],
      [{ name: 5 }, "Cannot register a plugin: it has no name"],
      [
        { name: "a", priority: 1.5 },
        'Cannot register plugin "a": its priority is not a whole number',
      ],
      [
        { name: "a", priority: "5" },
        'Cannot register plugin "a": its priority is not a whole number',
      ],
      [
        { name: "a", priority: Infinity },
        'Cannot register plugin "a": its priority is not a whole number',
      ],
      [
        { name: "a", execute: "x" },
        'Cannot register plugin "a": execute is not a function',
      ],
      [
        { name: "a", preContainer: {} },
        'Cannot register plugin "a": preContainer is not a function',
      ],
      [
        { name: "a", preContainer() {}, preExecution() {} },
        'Cannot register plugin "a": it has both preExecution and preContainer',
      ],
      [
        { name: "a", pre_container() {} },
        'Cannot register plugin "a": it has pre_container, which is never called; did you mean "preExecution"?',
      ],
      [
        { name: "a", phases: "cleanup" },
        'Cannot register plugin "a": its phases are not a list',
      ],
      [
        { name: "a", phases: ["pre_exec"] },
        'Cannot register plugin "a": the phase "pre_exec" is unknown',
      ],
      [
        { name: "a", phases: ["preExecution"] },
        'Cannot register plugin "a": the phase "preExecution" is unknown; did you mean "pre_execution"?',
      ],
    ]
  ) assertEquals(refusal(plugin), message);
});
