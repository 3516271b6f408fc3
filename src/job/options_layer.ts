import { layerOf } from "../config/settings.ts";
import { grantLines } from "../config/plugin_grants.ts";
import type { Layer, SettingValue } from "../config/settings.ts";
import type { RunJobOptions } from "./job_options.ts";

/**
 * Takes the configuration out of the options of the library.
 *
 * @param options Options.
 * @returns The strongest layer.
 */
export function optionsLayer(options: RunJobOptions): Layer {
  const { pluginPermissions } = options;
  const values: Record<string, unknown> = {
    ...options,
    pluginPermissions: pluginPermissions && grantLines(pluginPermissions),
  };
  return layerOf(
    (key) => key.option ? settingOf(key.option, values[key.option]) : undefined,
    (key) => `option "${key.option}"`,
  );
}

function settingOf(name: string, value: unknown): SettingValue | undefined {
  if (name.endsWith("Ms") && typeof value === "number") return `${value}ms`;
  return typeof value === "number" || typeof value === "boolean"
    ? String(value)
    : value as SettingValue | undefined;
}
