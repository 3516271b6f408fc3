import { RunnerError } from "../errors.ts";
import type { Logger } from "../output/logger.ts";
import { isInside } from "../job_path.ts";
import { osReason } from "../os_reason.ts";
import { type PluginReceiver, registerExport } from "./register_export.ts";
import { thrownText } from "./thrown_text.ts";

/** Files that are loaded; declarations of types hold no code. */
const PLUGIN_FILE = /^plugin_.+(?<!\.d)\.(ts|js)$/s;

/**
 * Loads the plugin files of a directory that the operator trusts.
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
  const { root, names } = await listFiles(directory);
  using handles = new DisposableStack();
  const receiver: PluginReceiver = {
    add: (plugin) => handles.use(registry.add(plugin)),
  };
  for (const name of names) {
    const path = `${root}/${name}`;
    try {
      const module = await import(fileUrl(await realFile(path, root)));
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

async function listFiles(
  directory: string,
): Promise<{ root: string; names: string[] }> {
  try {
    const root = await Deno.realPath(directory);
    const entries = await Array.fromAsync(Deno.readDir(root));
    const names = entries
      .map(({ name }) => name)
      .filter((name) => PLUGIN_FILE.test(name))
      .sort();
    return { root, names };
  } catch (cause) {
    throw new RunnerError(
      `Cannot load plugins from "${directory}": ${osReason(cause)}`,
      { code: "invalid-config", cause },
    );
  }
}

async function realFile(path: string, root: string): Promise<string> {
  const real = await Deno.realPath(path);
  if (!isInside(root, real)) {
    throw new TypeError("it is a link that leaves the directory");
  }
  const { isFile } = await Deno.stat(real);
  if (!isFile) throw new TypeError("it is not a regular file");
  return real;
}

/** Names may hold `#`, `?` and `%`, which mean something else in a URL. */
function fileUrl(path: string): string {
  return `file://${path.split("/").map(encodeURIComponent).join("/")}`;
}
