import { printable } from "../terminal/text.ts";
import { suggest } from "../suggest.ts";
import {
  type Phase,
  PHASE_ALIASES,
  PHASE_METHODS,
  phaseOf,
  PHASES,
  type Plugin,
} from "./plugin.ts";

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

/** Priority of plugins that name none. */
const DEFAULT_PRIORITY = 100;

/** A plugin with what was read of it when it was registered. */
export interface RegisteredPlugin {
  /** Name of the plugin. */
  readonly name: string;
  /** Place among the plugins; lower ones set up earlier. */
  readonly priority: number;
  /** Phases in which it is called. */
  readonly phases: ReadonlySet<Phase>;
  /** What its failure means for the job. */
  readonly errorPolicy: "fail" | "continue";
  /** The plugin itself. */
  readonly plugin: Plugin;
}

/**
 * Checks a plugin and reads what must not change while it is registered.
 *
 * @param plugin An object that claims to be a plugin.
 * @returns What was read.
 * @throws {TypeError} If it has no name, names an unknown phase, or has a
 * method that is none or that would never be called.
 * @throws {RangeError} If its priority is not a whole number.
 */
export function checkPlugin(plugin: Plugin): RegisteredPlugin {
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
    const [method] = PHASE_METHODS[phaseOf(name)!];
    if (name !== method && name in plugin) {
      return `it has ${name}, which is never called, did you mean ${method}`;
    }
  }
  return undefined;
}

/** Methods that the phases of a job call. */
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
 * Explains why a plugin is never called.
 *
 * @returns The reason, phrased to follow its name; `undefined` if it has a hook.
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
    const known = phaseOf(phase);
    if (known !== undefined) return known;
    const meant = suggest(String(phase), PHASES);
    throw new TypeError(
      `Cannot register plugin "${name}": the phase "${
        printable(String(phase))
      }" is unknown` +
        (meant === undefined ? "" : `, did you mean "${meant}"`),
    );
  }));
}

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
 * @throws {TypeError} If it contains no plugin, or an invalid one.
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
