import { layerOf } from "../config/layers.ts";
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
  const { timeoutMs, graceMs, coordinatorTimeoutMs, pluginPermissions } =
    options;
  const values: Record<string, unknown> = {
    ...options,
    timeoutMs: timeoutMs === undefined ? undefined : `${timeoutMs}ms`,
    graceMs: graceMs === undefined ? undefined : `${graceMs}ms`,
    coordinatorTimeoutMs: coordinatorTimeoutMs === undefined
      ? undefined
      : `${coordinatorTimeoutMs}ms`,
    pluginPermissions: pluginPermissions && grantLines(pluginPermissions),
  };
  return layerOf(
    (key) => key.option ? settingOf(values[key.option]) : undefined,
    (key) => `option "${key.option}"`,
  );
}

function settingOf(value: unknown): SettingValue | undefined {
  return typeof value === "number" || typeof value === "boolean"
    ? String(value)
    : value as SettingValue | undefined;
}
