import { booleanProblem, parseBoolean } from "../boolean.ts";
import { Variable } from "../environment/variables.ts";
import { RunnerError } from "../errors.ts";
import { isInside } from "../job_path.ts";
import type { Option } from "../options/option.ts";
import {
  type OptionName,
  type OptionNameOf,
  OPTIONS,
} from "../options/options.ts";

/** Value that one layer has for an option. */
export type SettingValue =
  | string
  | readonly string[]
  | Readonly<Record<string, string>>;

/** A value and where it came from. */
export interface Setting {
  /** The value as given, not validated. */
  readonly value: SettingValue;
  /** Where it came from, worded to follow "from". */
  readonly origin: string;
}

/** The options of one source: the defaults, a job file, the environment … */
export type Layer = Partial<Record<OptionName, Setting>>;

/** Variables of the design that mean a git source. */
const GIT_VARIABLES = {
  source_url: Variable.gitUrl,
  source_ref: Variable.gitRef,
} as const;

/**
 * Returns the default values.
 *
 * @returns The weakest layer.
 */
export function defaultLayer(): Layer {
  return layerOf((option) => option.default, () => "the default");
}

/**
 * Reads options from environment variables, empty ones included.
 *
 * @param env Environment.
 * @returns The layer.
 */
export function environmentLayer(
  env: Readonly<Record<string, string>>,
): Layer {
  const layer: Layer = {};
  if (env[GIT_VARIABLES.source_url] !== undefined) {
    const origin = GIT_VARIABLES.source_url;
    layer.source_type = { value: "git", origin };
    for (const [name, variable] of Object.entries(GIT_VARIABLES)) {
      const value = env[variable];
      if (value !== undefined) {
        layer[name as OptionName] = { value, origin: variable };
      }
    }
  }
  const named = layerOf(
    ({ env: variable, type }) => {
      const value = variable && env[variable.name];
      return value !== undefined && type === "jobDirectory"
        ? jobPathOf(value, env[Variable.workspace])
        : value;
    },
    ({ env }) => env!.name,
  );
  return { ...layer, ...named };
}

/**
 * Translates the path of a directory to the one that the job knows. Outside a
 * container, programs of a job get the real paths of its directories; a runner
 * among them reads these.
 */
function jobPathOf(path: string, workspace = ""): string {
  return workspace.startsWith("/") && isInside(workspace, path)
    ? `/job${path.slice(workspace.length)}`
    : path;
}

/**
 * Creates a layer of the values that options have in one source.
 *
 * @param valueOf Returns the value of an option, `undefined` for none.
 * @param originOf Returns where a value came from, worded to follow "from".
 * @returns The layer.
 */
export function layerOf(
  valueOf: (option: Option) => SettingValue | undefined,
  originOf: (option: Option) => string,
): Layer {
  const layer: Layer = {};
  for (const option of OPTIONS) {
    const value = valueOf(option);
    if (value !== undefined) {
      layer[option.name] = { value, origin: originOf(option) };
    }
  }
  return layer;
}

/**
 * The values that all layers have for the options, the strongest last.
 *
 * Every value keeps its origin, so that a message can name the place to fix.
 */
export class Settings {
  readonly #stacks = new Map<OptionName, Setting[]>();

  /** Adds a layer, which overrides those before it. */
  add(layer: Layer): void {
    for (const [name, setting] of Object.entries(layer)) {
      this.set(name as OptionName, setting);
    }
  }

  /**
   * Returns the strongest setting of an option.
   *
   * @param name Name of the option.
   * @returns The setting; `undefined` if no layer has one.
   */
  get(name: OptionName): Setting | undefined {
    return this.#stacks.get(name)?.at(-1);
  }

  /**
   * Returns the settings of an option in all layers, for those that are merged.
   *
   * @param name Name of the option.
   * @returns Settings, the weakest first.
   */
  all(name: OptionName): readonly Setting[] {
    return this.#stacks.get(name) ?? [];
  }

  /**
   * Returns the lines that all layers have for an option.
   *
   * @param name Name of the option.
   * @returns Lines, without empty ones.
   */
  lines(name: OptionName): string[] {
    return this.all(name)
      .flatMap(({ value }) =>
        typeof value === "string" ? value.split("\n") : Object.values(value)
      )
      .map((line) => line.trim())
      .filter((line) => line !== "");
  }

  /**
   * Returns every text of every layer.
   *
   * @returns Names and texts; those of a list or mapping one by one.
   */
  texts(): [OptionName, string][] {
    return [...this.#stacks].flatMap(([name, stack]) =>
      stack.flatMap(({ value }) =>
        (typeof value === "string" ? [value] : Object.values(value))
          .map((text): [OptionName, string] => [name, String(text)])
      )
    );
  }

  /**
   * Checks whether an option is on, before all settings are validated.
   *
   * @param name Name of the option.
   * @returns Whether it is on; an unset or empty one is off.
   * @throws {RunnerError} `invalid-config`, if it is neither on nor off.
   */
  isOn(name: OptionNameOf<"boolean">): boolean {
    const { value = "", origin = "" } = this.get(name) ?? {};
    if (value === "") return false;
    const isOn = typeof value === "string" ? parseBoolean(value) : undefined;
    if (isOn !== undefined) return isOn;
    throw new RunnerError(
      `Cannot use the configuration:\n  ${name}: ${
        booleanProblem(String(value))
      } (from ${origin})`,
      { code: "invalid-config" },
    );
  }

  /**
   * Adds a setting, which overrides those before it.
   *
   * @param name Name of the option.
   * @param setting Value and origin.
   */
  set(name: OptionName, setting: Setting): void {
    const stack = this.#stacks.get(name);
    if (stack) stack.push(setting);
    else this.#stacks.set(name, [setting]);
  }
}
