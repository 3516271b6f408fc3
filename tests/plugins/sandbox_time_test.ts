import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { RunnerError } from "../../src/errors.ts";
import { Masker } from "../../src/secrets/masker.ts";
import { pluginFile } from "../../src/plugins/find_files.ts";
import { loadSandboxed } from "../../src/plugins/load_sandboxed.ts";
import { fileSource } from "../../src/plugins/plugin_source.ts";
import { PluginRegistry } from "../../src/plugins/registry.ts";
import { runPhase } from "../../src/plugins/run_phase.ts";
import { phaseContext, SILENT_LOGGER } from "../helpers/phase_context.ts";
import { cacheVariables } from "../helpers/passed_variables.ts";
import { temporaryDirectory } from "../helpers/temporary_directory.ts";

const context = phaseContext();

/** Loads a plugin from a file of the given text. */
async function load(directory: string, text: string, loadTimeoutMs?: number) {
  const path = `${directory}/plugin_slow.ts`;
  await Deno.writeTextFile(path, text);
  return await loadSandboxed(await fileSource((await pluginFile(path))!), {
    logger: SILENT_LOGGER,
    env: cacheVariables(),
    deno: Deno.execPath(),
    maskText: (text) => text,
    maskStream: () => new Masker().stream(),
    registerSecret() {},
    secretNames: () => new Set(),
    triggerJobs() {},
    cwd: directory,
    loadTimeoutMs,
    grantsOf: () => ({}),
    directories: { JOB_DIR: directory },
  });
}

Deno.test("a plugin that cannot be loaded in time is ended", async () => {
  await using directory = await temporaryDirectory();
  const error = await assertRejects(
    () => load(directory.path, "for (;;);", 500),
    RunnerError,
  );
  assertMatch(
    error.message,
    /^Cannot load plugin ".*": it was not loaded within 500 ms$/,
  );
});

Deno.test("a plugin that hangs is ended at its time limit, and not called again", async () => {
  for (const body of ["for (;;);", "await new Promise(() => {})"]) {
    await using directory = await temporaryDirectory();
    await using loaded = await load(
      directory.path,
      `export default { name: "slow", async execute() { ${body} } };`,
    );
    const registry = new PluginRegistry();
    for (const plugin of loaded.plugins) registry.add(plugin);
    await assertRejects(
      () =>
        runPhase(registry.plugins, "pre_execution", context, {
          logger: SILENT_LOGGER,
          maskStream: () => new Masker().stream(),
          hookTimeoutMs: 200,
        }),
      RunnerError,
      'Cannot run plugin "slow" in phase pre_execution: it did not end within 200 ms',
    );
    const cleanup = await runPhase(registry.plugins, "cleanup", context, {
      maskStream: () => new Masker().stream(),
      logger: SILENT_LOGGER,
    });
    assertEquals(cleanup, { errors: [], timings: [] });
  }
});
