import { booleanProblem, parseBoolean } from "../boolean.ts";
import { RunnerError } from "../errors.ts";
import type { ConfigName, SwitchName } from "./keys.ts";

/** What one source of the configuration says of a key. */
export type SettingValue =
  | string
  | readonly string[]
  | Readonly<Record<string, string>>;

/** A value and where it came from. */
export interface Setting {
  /** The value as given; nothing has judged it yet. */
  readonly value: SettingValue;
  /** Where it came from, worded to follow "from". */
  readonly origin: string;
}

/** What one source of the configuration says. */
export type Layer = Partial<Record<ConfigName, Setting>>;

/**
 * What all sources of the configuration say, the strongest last.
 *
 * Every value keeps its origin, so that a problem can be put right where it
 * was made.
 */
export class Settings {
  readonly #stacks = new Map<ConfigName, Setting[]>();

  /**
   * Lays a source over those that are there.
   *
   * @param layer What the source says.
   */
  add(layer: Layer): void {
    for (const [name, setting] of Object.entries(layer)) {
      this.set(name as ConfigName, setting);
    }
  }

  /**
   * Gives the strongest setting of a key.
   *
   * @param name Key.
   * @returns The setting; `undefined` when no source has one.
   */
  get(name: ConfigName): Setting | undefined {
    return this.#stacks.get(name)?.at(-1);
  }

  /**
   * Gives all settings of a key, for those that are merged.
   *
   * @param name Key.
   * @returns Settings, the weakest first.
   */
  all(name: ConfigName): readonly Setting[] {
    return this.#stacks.get(name) ?? [];
  }

  /**
   * Gives every text of every source.
   *
   * @returns Keys and texts; those of a list or mapping one by one.
   */
  texts(): [ConfigName, string][] {
    return [...this.#stacks].flatMap(([name, stack]) =>
      stack.flatMap(({ value }) =>
        (typeof value === "string" ? [value] : Object.values(value))
          .map((text): [ConfigName, string] => [name, String(text)])
      )
    );
  }

  /**
   * Checks whether a switch is on, before all settings are validated.
   *
   * @param name Key of the switch.
   * @returns Whether it is on; an unset or empty one is off.
   * @throws {RunnerError} `invalid-config`, if it is neither on nor off.
   */
  isOn(name: SwitchName): boolean {
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
   * Adds the strongest setting of a key.
   *
   * @param name Key.
   * @param setting Value and origin.
   */
  set(name: ConfigName, setting: Setting): void {
    const stack = this.#stacks.get(name);
    if (stack) stack.push(setting);
    else this.#stacks.set(name, [setting]);
  }
}
