import type { ConfigKind } from "../config/config_key.ts";
import { CONFIG_KEYS, type ConfigName } from "../config/keys.ts";
import { layerOf } from "../config/layers.ts";
import type { Layer } from "../config/settings.ts";
import type { Flag, ParsedArguments } from "./command.ts";

/**
 * Keys whose option may be given several times. Each value stays one; variables
 * become lines, of which one option may have several.
 */
const REPEATABLE: ReadonlySet<string> = new Set([
  "job_env",
  "plugins",
  "plugin_permissions",
]);

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
 * Makes options of keys of the configuration.
 *
 * @param names Keys; all of them unless given.
 * @returns Options, those of the design for a git source among them if all
 * keys are asked for.
 */
export function configFlags(names?: readonly ConfigName[]): Flag[] {
  const flags = CONFIG_KEYS
    .filter(({ name }) => names?.includes(name) ?? true)
    .flatMap((key): Flag[] => "flag" in key ? [flagOf(key)] : []);
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
    ({ name, flag }) => {
      if (flag === undefined) return undefined;
      const value = flags.get(flag) ?? switches.get(flag)?.toString();
      return typeof value === "object" && name === "job_env"
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

function flagOf(
  key: {
    name: string;
    flag: string;
    valueName?: string;
    help: string;
    defaultValue?: string;
    kind?: ConfigKind;
  },
): Flag {
  const { name, flag, valueName, help, defaultValue, kind } = key;
  return {
    name: flag,
    ...valueName === undefined ? {} : { valueName },
    ...typeof kind === "object" && "choices" in kind
      ? { choices: kind.choices }
      : {},
    help: defaultValue === undefined ? help : `${help} (${defaultValue})`,
    isRepeatable: REPEATABLE.has(name),
    isNegatable: kind === "switch" && defaultValue === "true",
  };
}
