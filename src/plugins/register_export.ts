import type { Plugin } from "./plugin.ts";
import type { PluginRegistry } from "./registry.ts";

/** The part of a registry that a plugin file is given. */
export type PluginReceiver = Pick<PluginRegistry, "add">;

/**
 * Default export of a plugin file that registers plugins itself.
 *
 * It gets the registry handed in, because the copy of the package that the
 * file imports need not be the one that runs. A plugin that it returns is
 * registered, too; a promise is waited for.
 */
export type PluginFactory = (registry: PluginReceiver) => unknown;

/**
 * Registers what a plugin file exports by default.
 *
 * @param exported A plugin, a class that makes one without arguments, or a
 * {@linkcode PluginFactory}.
 * @param registry Registry that receives the plugins.
 * @returns Number of plugins that were registered.
 * @throws {TypeError} If there is no plugin in it, or one that is not right.
 */
export async function registerExport(
  exported: unknown,
  registry: PluginReceiver,
): Promise<number> {
  let count = 0;
  const add = (plugin: Plugin) => {
    const handle = registry.add(plugin);
    count++;
    return handle;
  };
  if (isClass(exported)) add(new exported());
  else if (typeof exported === "function") {
    const made: unknown = await exported({ add });
    if (isNamed(made)) add(made);
  } else if (isNamed(exported)) add(exported);
  if (count > 0) return count;
  throw new TypeError(
    "its default export is no plugin, class of a plugin or function that registers plugins",
  );
}

/** Of all functions, classes alone have a `prototype` that cannot be replaced. */
function isClass(value: unknown): value is new () => Plugin {
  return typeof value === "function" &&
    Object.getOwnPropertyDescriptor(value, "prototype")?.writable === false;
}

function isNamed(value: unknown): value is Plugin {
  return typeof value === "object" && value !== null && "name" in value;
}
