/**
 * Types for writing plugins, which run code in the eight phases of a job.
 *
 * A plugin is registered with `registerPlugin()`, or is a file that a job
 * loads. A file runs in a sandbox; its `manifest` lists the permissions that it
 * requests.
 *
 * @example A plugin file that reads one variable
 * ```ts
 * import type { Plugin, PluginManifest } from "@reactorcide/runnerlib/plugins";
 * import { assertEquals } from "@std/assert";
 *
 * // In a plugin file, both are exported: `export const manifest` and
 * // `export default`.
 * const manifest: PluginManifest = { permissions: { env: ["GREETING"] } };
 * const greeter: Plugin = {
 *   name: "greeter",
 *   preExecution: ({ env, log }) => log(`GREETING is ${env.GREETING}`),
 * };
 *
 * assertEquals(manifest.permissions?.env, ["GREETING"]);
 * assertEquals(greeter.name, "greeter");
 * ```
 *
 * @module
 */
export { PHASES } from "./src/plugins/plugin.ts";
export type {
  Phase,
  PhaseAlias,
  PhaseContext,
  Plugin,
  PluginConfig,
  PluginContext,
} from "./src/plugins/plugin.ts";
export type { PluginManifest } from "./src/plugins/permissions/plugin_manifest.ts";
export type { PluginPermissions } from "./src/plugins/permissions/plugin_permissions.ts";
export type {
  PluginDescription,
  PluginFailure,
  PluginMessage,
  RunnerMessage,
} from "./src/plugins/sandbox/messages.ts";
export type {
  CallContext,
  PluginChanges,
} from "./src/plugins/sandbox/changes.ts";
