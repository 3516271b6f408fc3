import type { JobConfig } from "../config/job_config.ts";
import { type SettingValue, shownSetting } from "../config/settings.ts";
import { parseEnvLines } from "../config/text_values.ts";
import { Variable } from "../environment/variables.ts";
import { OPTIONS } from "../options/options.ts";
import type { RunEvents } from "../report/run_event.ts";
import { showUrl } from "../url_secrets.ts";
import type { RunState } from "./run_state.ts";

/** Maximum length of a recorded option value, in UTF-16 units. */
const MAX_VALUE_LENGTH = 2_000;

/** Options that contain values of secrets. */
const SECRET_OPTIONS: ReadonlySet<string> = new Set(["secret_values_list"]);

/**
 * Returns the requested repository, ref and commit, as far as they are known at
 * the start.
 */
export function requestedRevision(
  { runner: { host: { env } } }: RunState,
  { source }: JobConfig,
): Pick<RunEvents["run.started"], "repository" | "ref" | "commit"> {
  const { url, ref } = "url" in source ? source : {};
  const repository = url && showUrl(url) || env[Variable.repo];
  const branch = ref || env[Variable.branch];
  const commit = env[Variable.sha];
  return {
    ...repository ? { repository } : {},
    ...branch ? { ref: branch } : {},
    ...commit ? { commit } : {},
  };
}

/**
 * Returns the options that differ from the defaults; for variables and secrets,
 * only the names.
 */
export function shownOptions(
  { settings }: RunState,
): RunEvents["run.configured"]["options"] {
  return OPTIONS.flatMap(({ name }) => {
    const all = name === "job_env" ? settings.all(name) : [settings.get(name)];
    return all.flatMap((setting) => {
      if (setting === undefined || setting.origin === "the default") return [];
      const { value, origin } = setting;
      const shown = SECRET_OPTIONS.has(name)
        ? "(not shown)"
        : name === "job_env"
        ? variableNames(value)
        : shownSetting(name, value);
      return [{
        name,
        // Not truncated, since a part of a secret would not be masked.
        value: shown.length > MAX_VALUE_LENGTH
          ? `(${shown.length} characters)`
          : shown,
        origin,
      }];
    });
  });
}

function variableNames(value: SettingValue): string {
  if (typeof value === "string") {
    const path = value.trim();
    if (path.startsWith("./job/") && !path.includes("\n")) return path;
    return Object.keys(parseEnvLines(value).env).join(", ");
  }
  return Object.keys(value).join(", ");
}
