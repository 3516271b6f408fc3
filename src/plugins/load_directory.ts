import { RunnerError } from "../errors.ts";
import type { Logger } from "../output/logger.ts";
import { fileUrl, findPluginFiles, realPluginFile } from "./find_files.ts";
import { type PluginReceiver, registerExport } from "./register_export.ts";
import { thrownText } from "./thrown_text.ts";

/**
 * Loads the plugin files of a directory into this process.
 *
 * These are the files `plugin_*.ts` and `plugin_*.js` directly in it, by name.
 * The default export of each is a plugin, a class that makes one without
 * arguments, or a function that gets the registry and registers plugins. A
 * symbolic link is followed if it stays in the directory.
 *
 * @param directory Path of the directory.
 * @param registry Registry that receives the plugins.
 * @param logger Where it is told what was loaded.
 * @returns Handle that unregisters the plugins when disposed.
 * @throws {RunnerError} `invalid-config` if there is no such directory;
 * `plugin-failed` if a file holds no plugin or fails. Nothing stays registered
 * then.
 */
export async function loadPlugins(
  directory: string,
  registry: PluginReceiver,
  logger: Logger,
): Promise<Disposable> {
  const files = await findPluginFiles(directory);
  using handles = new DisposableStack();
  const receiver: PluginReceiver = {
    add: (plugin) => handles.use(registry.add(plugin)),
  };
  for (const { path, kind } of files) {
    if (kind !== "module") continue;
    try {
      const module = await import(fileUrl(await realPluginFile(path)));
      const count = await registerExport(module.default, receiver);
      logger.debug("plugins", `Loaded "${path}"`, { plugins: count });
    } catch (cause) {
      throw new RunnerError(
        `Cannot load plugin file "${path}": ${thrownText(cause)}`,
        { code: "plugin-failed", cause },
      );
    }
  }
  return handles.move();
}
