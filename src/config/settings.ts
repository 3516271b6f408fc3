import { booleanProblem, parseBoolean } from "../boolean.ts";
import { type Environment, Variable } from "../environment/variables.ts";
import { RunnerError } from "../errors.ts";
import { isInside } from "../job_path.ts";
import type { Option } from "../options/option.ts";
import {
  findOption,
  type OptionName,
  type OptionNameOf,
  OPTIONS,
} from "../options/options.ts";
import { showUrl, showUrlsIn } from "../url_secrets.ts";

/** Value of an option in one layer. */
export type SettingValue =
  | string
  | readonly string[]
  | Readonly<Record<string, string>>;

/** A value and where it came from. */
export interface Setting {
  /** The value as configured, before validation. */
  readonly value: SettingValue;
  /** Where it came from, phrased to follow "from". */
  readonly origin: string;
}

/**
 * The options from one source, such as the defaults, a job file or the
 * environment.
 */
export type Layer = Partial<Record<OptionName, Setting>>;

/** Variables that imply a git source. */
const GIT_VARIABLES = {
  source_url: Variable.gitUrl,
  source_ref: Variable.gitRef,
} as const;

let defaults: Readonly<Layer> | undefined;

/**
 * Returns the default values.
 *
 * @returns The layer that all others override.
 */
export function defaultLayer(): Readonly<Layer> {
  return defaults ??= createLayer(
    (option) => option.default,
    () => "the default",
  );
}

/** Reads options from environment variables, including empty ones. */
export function environmentLayer(
  env: Environment,
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
  const named = createLayer(
    ({ env: variable, type }) => {
      const value = variable && env[variable.name];
      return value !== undefined && type === "jobDirectory"
        ? toJobPath(value, env)
        : value;
    },
    ({ env }) => env!.name,
  );
  return { ...layer, ...named };
}

/**
 * Converts the path of a directory to the path that the job sees. Outside a
 * container, programs of a job get the real paths of its directories, and a
 * nested runner reads these. It also runs in the current directory if the job
 * around it does.
 */
function toJobPath(
  path: string,
  env: Environment,
): string | undefined {
  const workspace = env[Variable.workspace] ?? "";
  if (!workspace.startsWith("/")) return path;
  if (isInside(workspace, path)) return `/job${path.slice(workspace.length)}`;
  return env[Variable.runId] && !isInside("/job", path) ? undefined : path;
}

/**
 * Creates a layer.
 *
 * @param getValue Returns the value of an option; `undefined` if it has none.
 * @param getOrigin Returns where a value came from, phrased to follow "from".
 */
export function createLayer(
  getValue: (option: Option) => SettingValue | undefined,
  getOrigin: (option: Option) => string,
): Layer {
  const layer: Layer = {};
  for (const option of OPTIONS) {
    const value = getValue(option);
    if (value !== undefined) {
      layer[option.name] = { value, origin: getOrigin(option) };
    }
  }
  return layer;
}

/**
 * The values of all options in all layers.
 *
 * Each value keeps its origin, so that a message can name the place to fix.
 */
export class Settings {
  readonly #stacks = new Map<OptionName, Setting[]>();
  #changeCount = 0;

  /** Number of settings that were added so far. */
  get changeCount(): number {
    return this.#changeCount;
  }

  /** Adds a layer, which overrides those before it. */
  add(layer: Readonly<Layer>): void {
    for (const [name, setting] of Object.entries(layer)) {
      this.set(name as OptionName, setting);
    }
  }

  /**
   * Returns the setting of an option that overrides all others.
   *
   * @returns The setting; `undefined` if no layer has one.
   */
  get(name: OptionName): Setting | undefined {
    return this.#stacks.get(name)?.at(-1);
  }

  /**
   * Returns the settings of an option in all layers, for options that are
   * merged.
   *
   * @returns Settings in the order of the layers.
   */
  all(name: OptionName): readonly Setting[] {
    return this.#stacks.get(name) ?? [];
  }

  /**
   * Returns the lines that all layers have for an option.
   *
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
   * Returns all strings of all layers, except defaults, which hide nothing.
   *
   * @returns Names and strings; those of a list or mapping separately.
   */
  texts(): [OptionName, string][] {
    const texts: [OptionName, string][] = [];
    for (const [name, stack] of this.#stacks) {
      for (const { value } of stack) {
        if (value === findOption(name)?.default) continue;
        const parts = typeof value === "string"
          ? [value]
          : Object.values(value);
        for (const text of parts) texts.push([name, String(text)]);
      }
    }
    return texts;
  }

  /**
   * Checks whether an option is on, before all settings are validated.
   *
   * @returns Whether it is on; an unset or empty option is off.
   * @throws {RunnerError} `invalid-config`, if the value is not a boolean.
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
   * @param setting Value and origin.
   */
  set(name: OptionName, setting: Setting): void {
    this.#changeCount++;
    const stack = this.#stacks.get(name);
    if (stack) stack.push(setting);
    else this.#stacks.set(name, [setting]);
  }
}

/**
 * Writes the value of an option in one line, without the credentials in URLs.
 * The caller masks other secrets when it prints the text.
 */
export function formatSetting(name: OptionName, value: SettingValue): string {
  const text = typeof value === "string" && /^[^\n"]*$/.test(value)
    ? value
    : JSON.stringify(value);
  return name.endsWith("_url") ? showUrl(text) : showUrlsIn(text);
}
