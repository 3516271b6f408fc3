import {
  loadSandboxed,
  programRights,
  type SandboxSetting,
} from "./load_sandboxed.ts";
import { PHASES, type Plugin } from "./plugin.ts";
import {
  type PluginRights,
  type PluginSource,
  rightsOf,
} from "./plugin_source.ts";
import { PluginRegistry } from "./registry.ts";
import { checkManifest } from "./rights/manifest.ts";
import { hooksOf } from "./run_phase.ts";
import { thrownText } from "./thrown_text.ts";

/** What a plugin says of itself. */
export interface PluginSummary {
  /** Name of the plugin. */
  readonly name: string;
  /** Its place among the plugins. */
  readonly priority: number;
  /** Phases in which it is called. */
  readonly phases: readonly string[];
}

/** What is known of the code of plugins before a job loads it. */
export interface InspectedPlugin extends PluginRights {
  /** The code. */
  readonly source: PluginSource;
  /** The plugins that it makes; none if it cannot be loaded. */
  readonly plugins: readonly PluginSummary[];
  /** What keeps it from being loaded without rights. */
  readonly problem?: string;
}

/**
 * Asks a plugin what it is, in a process without any permission.
 *
 * A program is not started: nothing could confine it.
 *
 * @param source The plugin.
 * @param setting What it would have to do with.
 * @returns What is known of it.
 */
export async function inspectPlugin(
  source: PluginSource,
  setting: SandboxSetting,
): Promise<InspectedPlugin> {
  const known: PluginRights = { rights: {}, refused: [] };
  try {
    if (source.url === undefined) {
      const { rights } = programRights(source, setting);
      return { source, rights, refused: [], plugins: [] };
    }
    Object.assign(known, rightsOf(source, setting));
    await using loaded = await loadSandboxed(
      { ...source, asked: source.asked && {} },
      { ...setting, grantsOf: () => ({}) },
    );
    const { manifest } = await loaded.session.ready;
    const asked = source.asked ?? checkManifest(manifest);
    Object.assign(known, rightsOf(source, setting, asked));
    return { source, ...known, plugins: summaries(loaded.plugins) };
  } catch (error) {
    return { source, ...known, plugins: [], problem: thrownText(error) };
  }
}

function summaries(plugins: readonly Plugin[]): PluginSummary[] {
  const registry = new PluginRegistry();
  for (const plugin of plugins) registry.add(plugin);
  return registry.plugins.map((registered) => ({
    name: registered.name,
    priority: registered.priority,
    phases: PHASES.filter((phase) => hooksOf(registered, phase).length > 0),
  }));
}
