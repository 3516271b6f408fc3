import { didYouMean, suggest } from "../suggest.ts";
import { printable } from "../terminal/text.ts";
import {
  type Phase,
  PHASE_ALIASES,
  PHASE_METHODS,
  PHASES,
  type Plugin,
  resolvePhase,
} from "./plugin.ts";

/** Plugins that are called in the phases of jobs. */
export class PluginRegistry {
  readonly #plugins: Map<string, RegisteredPlugin> = new Map();

  /**
   * Snapshot of the plugins, sorted by ascending priority. Plugins of equal
   * priority are in order of registration.
   */
  get plugins(): readonly RegisteredPlugin[] {
    return [...this.#plugins.values()]
      .sort((a, b) => a.priority - b.priority);
  }

  /**
   * Registers a plugin for the jobs that start afterwards.
   *
   * Name, priority and phases are read once, when the plugin is registered.
   *
   * @param plugin An object with the methods of a plugin.
   * @returns Handle that unregisters the plugin when disposed.
   * @throws {TypeError} If a plugin of the same name is registered, or the
   * plugin has no name, an unknown phase, or a method that is not a function.
   * @throws {RangeError} If its priority is not an integer.
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
        // Another plugin may have taken the name since then.
        if (this.#plugins.get(name) === registered) this.#plugins.delete(name);
      },
    };
  }
}

/** Priority of plugins that do not set one. */
const DEFAULT_PRIORITY = 100;

/** A plugin with the values that were read when it was registered. */
export interface RegisteredPlugin {
  /** Name of the plugin. */
  readonly name: string;
  /** Order among plugins; lower priorities set up earlier. */
  readonly priority: number;
  /** Phases in which the plugin is called. */
  readonly phases: ReadonlySet<Phase>;
  /** Whether an error of the plugin ends the job or is only logged. */
  readonly errorPolicy: "fail" | "continue";
  /** The plugin itself. */
  readonly plugin: Plugin;
}

/**
 * Validates a plugin and reads the values that must not change while it is
 * registered.
 *
 * @param plugin Plugin to validate; may be any object.
 * @returns The plugin with the values.
 * @throws {TypeError} If it has no name, lists an unknown phase, or has a
 * method that is not a function or that would never be called.
 * @throws {RangeError} If its priority is not an integer.
 */
function checkPlugin(plugin: Plugin): RegisteredPlugin {
  if (typeof plugin !== "object" || plugin === null) {
    throw new TypeError("Cannot register a plugin: it is not an object");
  }
  const { name, priority = DEFAULT_PRIORITY, errorPolicy = "fail" } = plugin;
  if (typeof name !== "string" || name.trim() === "") {
    throw new TypeError("Cannot register a plugin: it has no name");
  }
  if (printable(name) !== name) {
    throw new TypeError(
      `Cannot register plugin "${
        printable(name)
      }": its name contains control characters`,
    );
  }
  if (!Number.isSafeInteger(priority)) {
    throw new RangeError(
      `Cannot register plugin "${name}": its priority is not a whole number`,
    );
  }
  const problem = methodProblem(plugin);
  if (problem !== undefined) {
    throw new TypeError(`Cannot register plugin "${name}": ${problem}`);
  }
  const phases = readPhases(plugin, name);
  return { name, priority, phases, errorPolicy, plugin };
}

function methodProblem(plugin: Plugin): string | undefined {
  const { errorPolicy = "fail" } = plugin;
  if (errorPolicy !== "fail" && errorPolicy !== "continue") {
    return `its errorPolicy is neither "fail" nor "continue"`;
  }
  for (const method of ["execute", "supportedPhases"] as const) {
    if (!isMethod(plugin[method])) return `${method} is not a function`;
  }
  for (const phase of PHASES) {
    const methods = PHASE_METHODS[phase];
    const present = methods.filter((method) => plugin[method] !== undefined);
    const wrong = present.find((method) => !isMethod(plugin[method]));
    if (wrong !== undefined) return `${wrong} is not a function`;
    if (present.length > 1) return `it has both ${present.join(" and ")}`;
  }
  for (const name of [...PHASES, ...Object.keys(PHASE_ALIASES)]) {
    const [method] = PHASE_METHODS[resolvePhase(name)!];
    if (name !== method && name in plugin) {
      return `it has ${name}, which is never called${didYouMean(method)}`;
    }
  }
  return undefined;
}

/** Methods of a plugin that phases call. */
const HOOKS = ["execute", ...Object.values(PHASE_METHODS).flat()] as const;

/** Members of a plugin that are not hooks. */
const OTHER_MEMBERS: readonly string[] = [
  "name",
  "priority",
  "errorPolicy",
  "enabled",
  "phases",
  "supportedPhases",
];

/**
 * Explains why a plugin would never be called.
 *
 * @returns Reason, phrased to follow the plugin's name; `undefined` if the
 * plugin has a hook.
 */
export function hookProblem(plugin: Plugin): string | undefined {
  if (HOOKS.some((hook) => plugin[hook] !== undefined)) return undefined;
  const own = [plugin, Object.getPrototypeOf(plugin)]
    .flatMap((one) => Object.getOwnPropertyNames(one ?? {}));
  for (const name of own) {
    if (name in Object.prototype || OTHER_MEMBERS.includes(name)) continue;
    const near = suggest(name, HOOKS);
    if (near !== undefined) {
      return `has no hook, and so is never called; did you mean ${near} instead of ${
        printable(name)
      }?`;
    }
  }
  return `has no hook, and so is never called; the hooks are ${
    HOOKS.filter((hook) => !/Container$/.test(hook)).join(", ")
  }`;
}

function isMethod(value: unknown): boolean {
  return value === undefined || typeof value === "function";
}

function readPhases(plugin: Plugin, name: string): ReadonlySet<Phase> {
  const names: unknown = plugin.phases ?? plugin.supportedPhases?.() ?? PHASES;
  if (!Array.isArray(names)) {
    throw new TypeError(
      `Cannot register plugin "${name}": its phases are not a list`,
    );
  }
  return new Set(names.map((phase: unknown) => {
    const known = resolvePhase(phase);
    if (known !== undefined) return known;
    const near = suggest(String(phase), PHASES);
    throw new TypeError(
      `Cannot register plugin "${name}": the phase "${
        printable(String(phase))
      }" is unknown` +
        didYouMean(near),
    );
  }));
}

/** The part of a registry that a plugin file receives. */
export type PluginReceiver = Pick<PluginRegistry, "add">;

/**
 * Default export of a plugin file that registers plugins itself.
 *
 * The registry is passed in because the file may import another copy of the
 * package than the one that runs. If the function returns a plugin, or a
 * promise of one, that plugin is registered as well.
 */
export type PluginFactory = (registry: PluginReceiver) => unknown;

/**
 * Registers the default export of a plugin file.
 *
 * @param exported A plugin, a plugin class whose constructor needs no
 * arguments, or a {@linkcode PluginFactory}.
 * @param registry Registry that receives the plugins.
 * @returns Number of registered plugins.
 * @throws {TypeError} If it is none of these, or a plugin is invalid.
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
    const exportedPlugin: unknown = await exported({ add });
    if (isNamed(exportedPlugin)) add(exportedPlugin);
  } else if (isNamed(exported)) add(exported);
  if (count > 0) return count;
  throw new TypeError(
    "its default export must be a plugin, a plugin class or a function that registers plugins",
  );
}

/** Only classes have a `prototype` that is not writable. */
function isClass(value: unknown): value is new () => Plugin {
  return typeof value === "function" &&
    Object.getOwnPropertyDescriptor(value, "prototype")?.writable === false;
}

function isNamed(value: unknown): value is Plugin {
  return typeof value === "object" && value !== null && "name" in value;
}
