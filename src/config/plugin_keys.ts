import { Variable } from "../environment/variables.ts";
import type { ConfigKey } from "./config_key.ts";

/** Keys of the configuration that say which plugins there are, and what code may do. */
export const PLUGIN_KEYS = [
  {
    name: "plugin_dir",
    env: Variable.pluginDir,
    flag: "plugin-dir",
    option: "pluginDir",
    valueName: "PATH",
    help:
      "Directory of plugins: plugin_*.ts, plugin_*.js, plugin_*.py, programs",
  },
  {
    name: "plugins",
    env: Variable.plugins,
    flag: "plugin",
    option: "plugins",
    valueName: "URL#HASH",
    help: "Plugin at an https:, npm: or jsr: address, with its hash",
  },
  {
    name: "plugin_permissions",
    env: Variable.pluginPermissions,
    flag: "allow-plugin",
    option: "pluginPermissions",
    valueName: "NAME:KIND=VALUES",
    help: "Permission of a plugin, such as slack:net=hooks.slack.com",
  },
  {
    name: "plugin_timeout",
    env: Variable.pluginTimeout,
    flag: "plugin-timeout",
    option: "pluginTimeoutMs",
    valueName: "TIME",
    kind: "duration",
    help: "Time limit of a plugin in each phase (60s, in cleanup 10s)",
  },
  {
    name: "trust_plugins",
    env: Variable.trustPlugins,
    flag: "trust-plugins",
    option: "trustPlugins",
    kind: "switch",
    help: "Run plugins from files in this process, with all of its permissions",
  },
  {
    name: "pipeline_permissions",
    help: "Permissions of a pipeline that exec runs, by their kinds",
  },
] as const satisfies readonly ConfigKey[];
