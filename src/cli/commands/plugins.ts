import type { Command } from "../command.ts";
import { configFlags } from "../config_flags.ts";
import { JOB_FILE_FLAG } from "../job_file.ts";
import { usageError } from "../parse_arguments.ts";
import { checkPluginFile, listPlugins } from "../plugin_actions.ts";
import { WORK_DIR_FLAG } from "../work_dir.ts";

/** The command `plugins`. */
export const plugins: Command = {
  usage: "list [OPTIONS] | check FILE [OPTIONS]",
  description:
    `Shows which plugins a job would load, in which order and with which permissions.

Actions:
  list        Show the plugins that are present
  check FILE  Check a plugin file and show its plugins

Each plugin is loaded in a separate process without permissions. None of its
methods is called.`,
  examples: [
    ["plugins list --plugin-dir plugins", "Show the plugins of a directory"],
    ["plugins check plugins/plugin_hello.ts", "Check one plugin"],
  ],
  flags: [
    ...configFlags([
      "ci_source_type",
      "plugin_dir",
      "plugins",
      "plugin_permissions",
      "trust_plugins",
    ]),
    JOB_FILE_FLAG,
    WORK_DIR_FLAG,
  ],
  actions: ["list", "check"],
  maxOperands: 2,
  async run(context) {
    const [action, file] = context.operands;
    if (action === "list" && file === undefined) {
      return await listPlugins(context);
    }
    if (action === "check" && file !== undefined) {
      return await checkPluginFile(context, file);
    }
    throw usageError(
      `The form is "plugins list" or "plugins check FILE"`,
      "plugins",
    );
  },
};
