import { checkPlugin, type RegisteredPlugin } from "./check_plugin.ts";
import type { Plugin } from "./plugin.ts";

/**
 * The plugins that take part in jobs.
 */
export class PluginRegistry {
  readonly #plugins: Map<string, RegisteredPlugin> = new Map();

  /**
   * The plugins by priority, lower ones first, and in the order in which they
   * were registered where it is equal; later changes do not show in it.
   */
  get plugins(): readonly RegisteredPlugin[] {
    return [...this.#plugins.values()]
      .sort((a, b) => a.priority - b.priority);
  }

  /**
   * Registers a plugin for the jobs that start afterwards.
   *
   * Name, priority and phases are read now and only now.
   *
   * @param plugin An object with the methods of a plugin.
   * @returns Handle that unregisters the plugin when disposed.
   * @throws {TypeError} If a plugin of the same name is registered, or the
   * plugin has no name, an unknown phase, or a method that is not a function.
   * @throws {RangeError} If its priority is not a whole number.
   */
  add(plugin: Plugin): Disposable {
    const registered = checkPlugin(plugin);
    const { name } = registered;
    if (this.#plugins.has(name)) {
      throw new TypeError(
        `Cannot register plugin "${name}": the name is taken`,
      );
    }
    this.#plugins.set(name, registered);
    return {
      [Symbol.dispose]: () => {
        // The name may have passed to another plugin meanwhile.
        if (this.#plugins.get(name) === registered) this.#plugins.delete(name);
      },
    };
  }
}
