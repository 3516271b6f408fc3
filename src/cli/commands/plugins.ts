import { osReason, RunnerError } from "../../errors.ts";
import { absolutePath } from "../../job_path.ts";
import { findPluginFiles, pluginFile } from "../../plugins/find_files.ts";
import {
  type InspectedPlugin,
  inspectPlugin,
} from "../../plugins/inspect_plugin.ts";
import { grantOption } from "../../plugins/permissions/plugin_permissions.ts";
import { fileSource, type PluginSource } from "../../plugins/plugin_source.ts";
import { fetchPlugins, sandboxSetting } from "../../runner/load_plugins.ts";
import {
  ciPluginDirectory,
  configuredPluginDirectory,
} from "../../runner/plugin_directories.ts";
import { printable } from "../../terminal/text.ts";
import { showUrl } from "../../url_secrets.ts";
import { findAction } from "../actions.ts";
import type { CliCommand, CommandContext } from "../command.ts";
import { type CommandConfig, loadCommandConfig } from "../command_config.ts";
import { configFlags } from "../config_flags.ts";
import {
  JOB_FILE_FLAG,
  runnerInWorkDir,
  WORK_DIR_FLAG,
} from "../job_location.ts";
import { usageError } from "../parse_arguments.ts";

const ACTIONS: Readonly<
  Record<string, (context: CommandContext, file?: string) => Promise<number>>
> = {
  async list(context, operand) {
    if (operand === undefined) return await listPlugins(context);
    throw usageError(`Unexpected argument "${operand}"`, "plugins");
  },
  async check(context, file) {
    if (file !== undefined) return await checkPluginFile(context, file);
    throw usageError("A plugin file is required", "plugins");
  },
};

export const pluginsCommand: CliCommand = {
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
  actions: Object.keys(ACTIONS),
  maxOperands: 2,
  async run(context) {
    const { operands: [action, file] } = context;
    const run = findAction(ACTIONS, action, { command: "plugins" });
    return await run(context, file);
  },
};

/**
 * Lists the plugins that a job would load, in call order.
 *
 * @returns Exit code: 1 if a plugin cannot be loaded.
 * @throws {RunnerError} If the configuration is invalid or a directory cannot
 * be read.
 */
async function listPlugins(context: CommandContext): Promise<number> {
  const loaded = await loadPluginConfig(context);
  await using fetched = await fetchPlugins(
    loaded.settings.lines("plugins"),
    await sandboxSetting(loaded, loaded.findSecrets),
    { env: loaded.runner.host.env, workspace: loaded.runner.workspace },
  );
  const sources = await Promise.all([
    readSources(configuredPluginDirectory(loaded)),
    readSources(ciPluginDirectory(loaded, "early"), { isOfCiSource: true }),
  ]);
  return await printPlugins(context, loaded, [
    ...fetched.sources,
    ...sources.flat(),
  ]);
}

/**
 * Checks a plugin file and describes its plugins.
 *
 * @param path Path of the file as typed.
 * @returns Exit code: 1 if the file cannot be loaded.
 * @throws {RunnerError} If the file is not a plugin.
 */
async function checkPluginFile(
  context: CommandContext,
  path: string,
): Promise<number> {
  const loaded = await loadPluginConfig(context);
  const absolute = absolutePath(path, loaded.runner.host.cwd);
  return await printPlugins(context, loaded, [
    await readSource(absolute, path),
  ]);
}

function loadPluginConfig(context: CommandContext): Promise<CommandConfig> {
  return loadCommandConfig(context, {
    runner: runnerInWorkDir(context),
    findsJobFile: true,
  });
}

async function readSources(
  directory: string | undefined,
  origin: Pick<PluginSource, "isOfCiSource"> = {},
): Promise<PluginSource[]> {
  if (directory === undefined) return [];
  const files = await findPluginFiles(directory);
  return await Promise.all(
    files.map(async ({ path }) => ({
      ...await readSource(path, path),
      ...origin,
    })),
  );
}

async function readSource(path: string, name: string): Promise<PluginSource> {
  let reason =
    "its name is not plugin_*.ts, plugin_*.js, plugin_*.py or that of a program";
  try {
    const file = await pluginFile(await Deno.realPath(path));
    if (file !== undefined) return await fileSource(file);
  } catch (error) {
    if (error instanceof RunnerError) throw error;
    reason = osReason(error);
  }
  throw new RunnerError(`Cannot use plugin "${name}": ${reason}`, {
    code: "plugin-failed",
  });
}

async function printPlugins(
  { print, runner }: CommandContext,
  loaded: CommandConfig,
  sources: readonly PluginSource[],
): Promise<number> {
  const setting = await sandboxSetting(loaded, loaded.findSecrets);
  const isTrusted = loaded.settings.isOn("trust_plugins");
  const found = await Promise.all(
    sources.map((source) => inspectPlugin(source, setting)),
  );
  found.sort((a, b) => getFirstPriority(a) - getFirstPriority(b));
  for (const plugin of found) {
    for (const line of formatPlugin(plugin, isTrusted)) await print(line);
  }
  if (found.length === 0) await print("No plugins found");
  await runner.logger.flush();
  return found.some(({ problem }) => problem !== undefined) ? 1 : 0;
}

function getFirstPriority({ plugins }: InspectedPlugin): number {
  return plugins[0]?.priority ?? Infinity;
}

/**
 * Describes a plugin.
 *
 * @param isTrusted Whether plugin files run in the runner's own process.
 */
function formatPlugin(
  plugin: InspectedPlugin,
  isTrusted: boolean,
): string[] {
  const { source, plugins, problem, permissions, refused } = plugin;
  const heads = plugins.map(({ name, priority, phases }) =>
    `${name}  priority ${priority}  ${phases.join(", ") || "no phase"}`
  );
  const isAll = isTrusted && source.file !== undefined &&
    source.lockFile === undefined;
  const allowed = Object.entries(permissions)
    .map(([kind, values = []]) => `  may ${kind}: ${values.join(", ")}`);
  const lines = [
    ...heads.length === 0 ? [source.name] : heads,
    `  from ${showUrl(source.origin)}`,
    ...problem === undefined ? [] : [`  cannot be loaded: ${problem}`],
    ...isAll
      ? ["  may do everything that the runner can: plugins are trusted"]
      : allowed.length === 0
      ? ["  may not read, write or use the network"]
      : allowed,
    ...isAll
      ? []
      : refused.map(({ kind, value }) =>
        `  requests ${kind}: ${value}; to allow it: ${
          grantOption(source.name, { kind, value })
        }`
      ),
  ];
  return lines.map(printable);
}
