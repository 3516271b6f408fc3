import { thrownText } from "../errors.ts";
import {
  loadSandboxed,
  programPermissions,
  type SandboxSetting,
} from "./load_sandboxed.ts";
import { checkManifest } from "./permissions/plugin_manifest.ts";
import { PHASES, type Plugin } from "./plugin.ts";
import {
  type PluginSource,
  type ResolvedPermissions,
  resolvePermissions,
} from "./plugin_source.ts";
import { PluginRegistry } from "./registry.ts";
import { getHooks } from "./run_phase.ts";

/** Description of a registered plugin. */
export interface PluginSummary {
  /** Name of the plugin. */
  readonly name: string;
  /** Priority of the plugin. */
  readonly priority: number;
  /** Phases in which the plugin is called. */
  readonly phases: readonly string[];
}

/** Result of {@linkcode inspectPlugin}. */
export interface InspectedPlugin extends ResolvedPermissions {
  /** Code of the plugins. */
  readonly source: PluginSource;
  /** Plugins in the code; empty if it cannot be loaded. */
  readonly plugins: readonly PluginSummary[];
  /** Why the code cannot be loaded without permissions. */
  readonly problem?: string;
}

/**
 * Loads a plugin in a process without permissions, to list what it contains.
 *
 * Programs are not started, because they cannot be sandboxed.
 *
 * @param source The plugin.
 * @param setting Environment of the plugin.
 * @returns Permissions and contents of the plugin, or the problem.
 */
export async function inspectPlugin(
  source: PluginSource,
  setting: SandboxSetting,
): Promise<InspectedPlugin> {
  const known: ResolvedPermissions = { permissions: {}, refused: [] };
  try {
    if (source.url === undefined) {
      const { permissions } = programPermissions(source, setting);
      return { source, permissions, refused: [], plugins: [] };
    }
    Object.assign(known, resolvePermissions(source, setting));
    await using loaded = await loadSandboxed(
      { ...source, requested: source.requested && {} },
      { ...setting, grantsOf: () => ({}) },
    );
    const { manifest } = await loaded.session.ready;
    const requested = source.requested ?? checkManifest(manifest);
    Object.assign(known, resolvePermissions(source, setting, requested));
    return { source, ...known, plugins: summarize(loaded.plugins) };
  } catch (error) {
    return { source, ...known, plugins: [], problem: thrownText(error) };
  }
}

function summarize(plugins: readonly Plugin[]): PluginSummary[] {
  const registry = new PluginRegistry();
  for (const plugin of plugins) registry.add(plugin);
  return registry.plugins.map((registered) => ({
    name: registered.name,
    priority: registered.priority,
    phases: PHASES.filter((phase) => getHooks(registered, phase).length > 0),
  }));
}
