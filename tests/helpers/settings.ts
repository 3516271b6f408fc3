import type { ValidationResult } from "../../src/config/job_config.ts";
import { validateSettings } from "../../src/config/load_config.ts";
import {
  defaultLayer,
  Settings,
  type SettingValue,
} from "../../src/config/settings.ts";
import type { OptionName } from "../../src/options/options.ts";

/** Values of keys. */
export type GivenValues = Partial<Record<OptionName, SettingValue>>;

/** Creates settings from the defaults and values, whose origin is `test`. */
export function createSettings(...layers: readonly GivenValues[]): Settings {
  const settings = new Settings();
  settings.add(defaultLayer());
  for (const layer of layers) {
    for (const [name, value] of Object.entries(layer)) {
      settings.set(name as OptionName, { value, origin: "test" });
    }
  }
  return settings;
}

/** Validates the values of a job that has a command. */
export function validate(values: GivenValues, cwd = "/"): ValidationResult {
  return validateSettings(createSettings({ job_command: "true" }, values), {
    cwd,
  });
}

/** Lists the problems of values, as `key: message`. */
export function listProblems(values: GivenValues, cwd = "/"): string[] {
  return validate(values, cwd).problems
    .map(({ key, message }) => `${key}: ${message}`);
}
