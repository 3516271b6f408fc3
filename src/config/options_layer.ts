import { isObject } from "../json_value.ts";
import type { Option } from "../options/option.ts";
import { OPTION_GROUPS, OPTIONS } from "../options/options.ts";
import { didYouMean, suggest } from "../suggest.ts";
import type { JobOptions } from "./job_options.ts";
import { createLayer, type Layer, type SettingValue } from "./settings.ts";
import { grantLines, type PluginGrants } from "./text_values.ts";

/** Values by property; `group.property` for those in a group. */
type Values = ReadonlyMap<string, unknown>;

/**
 * Converts the options of the library to a layer of the configuration.
 *
 * @param extraNames Names of options that are not part of the configuration.
 * @returns The layer that overrides all others.
 * @throws {TypeError} If an option is unknown.
 */
export function optionsLayer(
  options: JobOptions,
  extraNames: readonly string[] = [],
): Layer {
  if (!isObject(options)) {
    throw new TypeError(
      `Cannot run a job: its options must be an object, not ${
        describeType(options)
      }`,
    );
  }
  const values = flatten(options, extraNames);
  return createLayer(
    (option) =>
      option.option && convertOption(option, values.get(option.option)),
    ({ option }) => `option "${option}"`,
  );
}

function flatten(options: JobOptions, extraNames: readonly string[]): Values {
  const optionNames = OPTIONS.flatMap((row) =>
    "option" in row ? row.option : []
  );
  const values = new Map<string, unknown>();
  const set = (name: string, value: unknown) => {
    if (!optionNames.some((option) => option === name)) {
      throw unknownOptionError(name, [...optionNames, ...extraNames]);
    }
    values.set(name, value);
  };
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined || extraNames.includes(name)) continue;
    if (!Object.hasOwn(OPTION_GROUPS, name)) set(name, value);
    else if (isObject(value)) {
      for (const [key, member] of Object.entries(value)) {
        set(`${name}.${key}`, member);
      }
    } else {
      throw new TypeError(
        `Cannot use option "${name}": it must be an object of options, not ${
          describeType(value)
        }`,
      );
    }
  }
  return values;
}

function unknownOptionError(
  name: string,
  optionNames: readonly string[],
): TypeError {
  const property = name.split(".").at(-1);
  const near =
    optionNames.find((option) => option.split(".").at(-1) === property) ??
      suggest(name, optionNames);
  return new TypeError(`Unknown option "${name}"${didYouMean(near)}`);
}

function convertOption(
  option: Option,
  value: unknown,
): SettingValue | undefined {
  if (value === undefined || value === null) return undefined;
  const { type } = option;
  checkOptionType(option.option ?? option.name, option, value);
  if (type === "secretProviders" && typeof value !== "string") {
    return JSON.stringify(value);
  }
  if (type === "pluginPermissions") return grantLines(value as PluginGrants);
  if (
    (type === "duration" || type === "timeLimit") && typeof value === "number"
  ) return `${value}ms`;
  return typeof value === "number" || typeof value === "boolean"
    ? String(value)
    : value as SettingValue;
}

/**
 * Checks the type that a program gives the value of an option.
 *
 * @param name Name of the option, as the program writes it.
 * @throws {TypeError} If the value has no text form.
 */
function checkOptionType(
  name: string,
  { type }: Option,
  value: unknown,
): void {
  const expected = findExpectedType(type, value);
  if (expected === undefined) return;
  if (type === "variables" && isObject(value)) {
    const [key, member] = Object.entries(value)
      .find(([, member]) => typeof member !== "string")!;
    throw new TypeError(
      `Cannot use option "${name}.${key}": it must be a string, not ${
        describeType(member)
      }`,
    );
  }
  throw new TypeError(
    `Cannot use option "${name}": it must be ${expected}, not ${
      describeType(value)
    }`,
  );
}

/**
 * Names the type of a value.
 *
 * @returns The type with its article.
 */
export function describeType(value: unknown): string {
  if (value === undefined || value === null) return String(value);
  if (Array.isArray(value)) return "an array";
  const type = typeof value;
  return type === "object" ? "an object" : `a ${type}`;
}

/** Returns the required type; `undefined` if the value has it. */
function findExpectedType(
  type: Option["type"],
  value: unknown,
): string | undefined {
  const isText = typeof value === "string";
  const isNumber = typeof value === "number" && Number.isFinite(value);
  if (typeof type === "object") {
    if ("choices" in type) {
      return isText
        ? undefined
        : `one of ${type.choices.map((choice) => `"${choice}"`).join(", ")}`;
    }
    return isText || isNumber ? undefined : "a number";
  }
  switch (type) {
    case "boolean":
      return isText || typeof value === "boolean" ? undefined : "a boolean";
    case "duration":
    case "timeLimit":
      return isText || isNumber ? undefined : "a number of milliseconds";
    case "command":
      return isText || isTextList(value)
        ? undefined
        : "a string or an array of strings";
    case "text":
    case "jobDirectory":
    case "jobFile":
    case "sourceType":
      return isText ? undefined : "a string";
    case "variables":
      return isText || isObject(value) &&
          Object.values(value).every((member) => typeof member === "string")
        ? undefined
        : "an object of strings";
    case "inheritance":
      return isText || typeof value === "boolean" || isTextList(value)
        ? undefined
        : "a boolean or an array of strings";
    case "secretProviders":
      return isText || isObject(value) ? undefined : "an object";
    case "pluginPermissions":
      return isObject(value) ? undefined : "an object";
    default:
      return isText || isTextList(value) ? undefined : "an array of strings";
  }
}

function isTextList(value: unknown): boolean {
  return Array.isArray(value) &&
    value.every((item) => typeof item === "string");
}
