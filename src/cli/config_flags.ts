import type { Option, OptionType } from "../options/option.ts";
import {
  describeOption,
  type OptionName,
  OPTIONS,
} from "../options/options.ts";
import { SOURCE_TYPES } from "../options/source_options.ts";
import { layerOf } from "../config/settings.ts";
import type { Layer } from "../config/settings.ts";
import type { Flag, ParsedArguments } from "./command.ts";

/**
 * Types whose flag may be given several times. Each value stays one; variables
 * become lines, of which one flag may have several.
 */
const REPEATABLE: readonly OptionType[] = [
  "variables",
  "plugins",
  "pluginPermissions",
];

/** What stands for a value of a type in help texts, unless its row says more. */
const VALUE_NAMES: Readonly<Partial<Record<OptionType & string, string>>> = {
  jobDirectory: "PATH",
  jobFile: "PATH",
  duration: "TIME",
  list: "NAME,...",
  inheritance: "NAME,...",
};

/** Options of the design that mean a git source. */
const GIT_FLAGS: readonly Flag[] = [
  {
    name: "git-url",
    valueName: "URL",
    help: "Short for --source-type git --source-url URL",
  },
  { name: "git-ref", valueName: "REF", help: "Short for --source-ref REF" },
];

/**
 * Returns the flags of options.
 *
 * @param names Names of the options; all of them unless given, with those of
 * the design for a git source.
 * @returns Flags.
 */
export function configFlags(names?: readonly OptionName[]): Flag[] {
  const flags = OPTIONS
    .filter(({ name }) => names?.includes(name) ?? true)
    .flatMap((option): Flag[] => "flag" in option ? [flagOf(option)] : []);
  return names === undefined ? [...flags, ...GIT_FLAGS] : flags;
}

/**
 * Reads the configuration off the options of a command.
 *
 * @param parsed What the user typed.
 * @returns The strongest layer.
 */
export function flagsLayer({ flags, switches }: ParsedArguments): Layer {
  const layer = layerOf(
    ({ type, flag }) => {
      if (flag === undefined) return undefined;
      const value = flags.get(flag) ?? switches.get(flag)?.toString();
      return typeof value === "object" && type === "variables"
        ? value.join("\n")
        : value;
    },
    ({ flag }) => `--${flag}`,
  );
  const [url, ref] = [flags.get("git-url"), flags.get("git-ref")];
  if (typeof url === "string") {
    layer.source_type ??= { value: "git", origin: "--git-url" };
    layer.source_url ??= { value: url, origin: "--git-url" };
  }
  if (typeof ref === "string") {
    layer.source_ref ??= { value: ref, origin: "--git-ref" };
  }
  return layer;
}

function flagOf(option: Option & { flag: string }): Flag {
  const { flag, type, default: value, defaultText = value } = option;
  const help = describeOption(option);
  const valueName = valueNameOf(option);
  return {
    name: flag,
    ...valueName === undefined ? {} : { valueName },
    ...choicesOf(type),
    help: defaultText === undefined ? help : `${help} (${defaultText})`,
    isRepeatable: REPEATABLE.includes(type),
    isNegatable: type === "boolean" && value === "true",
  };
}

function valueNameOf({ valueName, type }: Option): string | undefined {
  if (valueName !== undefined) return valueName;
  if (typeof type === "string") return VALUE_NAMES[type];
  return "choices" in type ? "MODE" : "COUNT";
}

function choicesOf(type: OptionType): Pick<Flag, "choices"> {
  if (type === "sourceType") return { choices: SOURCE_TYPES };
  return typeof type === "object" && "choices" in type
    ? { choices: type.choices }
    : {};
}
