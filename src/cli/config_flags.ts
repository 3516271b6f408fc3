import { createLayer, type Layer } from "../config/settings.ts";
import type { Option, OptionType } from "../options/option.ts";
import {
  describeOption,
  type OptionName,
  OPTIONS,
} from "../options/options.ts";
import { SOURCE_TYPES } from "../options/source_options.ts";
import type { Flag, FlagGroup, ParsedArguments } from "./command.ts";

/**
 * Types of options whose flags can be repeated. Each occurrence is one value,
 * except that a flag of variables can have several lines.
 */
const REPEATABLE: readonly OptionType[] = [
  "list",
  "variables",
  "plugins",
  "pluginPermissions",
];

/** Default placeholders for values in help texts, by type. */
const VALUE_NAMES: Readonly<Partial<Record<OptionType & string, string>>> = {
  jobDirectory: "PATH",
  jobFile: "PATH",
  duration: "TIME",
  timeLimit: "TIME",
  list: "NAME,...",
  inheritance: "NAME,...",
};

/** Short options for a git source. */
const GIT_FLAGS: readonly Flag[] = [
  {
    name: "git-url",
    valueName: "URL",
    help:
      "Git repository to check out; same as --source-type git --source-url URL",
    group: "Source",
  },
  {
    name: "git-ref",
    valueName: "REF",
    help: "Branch, tag or commit to check out; same as --source-ref REF",
    group: "Source",
  },
];

/** Headings of options, by the group of their property. */
const GROUPS: Readonly<Record<string, FlagGroup>> = {
  source: "Source",
  ciSource: "Source",
  checkout: "Source",
  copy: "Source",
  archive: "Source",
  secrets: "Secrets",
  selection: "Steps",
  debug: "Steps",
  cache: "Steps",
  output: "Output",
  limits: "Limits",
};

/** Headings of options that differ from those of their group. */
const GROUP_OVERRIDES: Readonly<Partial<Record<OptionName, FlagGroup>>> = {
  job_command: "What to run",
  job_env: "What to run",
  job_dir: "What to run",
  runner_image: "What to run",
  code_dir: "Source",
  artifacts_dir: "Output",
  secrets_file: "Secrets",
  concurrency: "Steps",
  failure_policy: "Steps",
};

/**
 * Returns the flags of options.
 *
 * @param names Names of the options; by default all of them, and the short
 * options for a git source.
 */
export function configFlags(names?: readonly OptionName[]): Flag[] {
  const flags = names === undefined ? [...GIT_FLAGS] : [];
  for (const option of OPTIONS) {
    const isWanted = names?.includes(option.name) ?? true;
    if (isWanted && "flag" in option) flags.push(createFlag(option));
  }
  return flags;
}

/** Options that scripts for the Python runner may pass to all commands. */
export function ignoredFlags(): Flag[] {
  return createHiddenFlags(["runner_image"]);
}

/** Options that commands without a job only validate. */
export function checkedFlags(): Flag[] {
  return createHiddenFlags(["job_dir", "runner_image"]);
}

function createHiddenFlags(names: readonly OptionName[]): Flag[] {
  return configFlags(names).map((flag) => ({ ...flag, isHidden: true }));
}

/** Reads options from the flags of a command. */
export function flagsLayer({ flags, switches }: ParsedArguments): Layer {
  const layer = createLayer(
    ({ type, flag }) => {
      if (flag === undefined) return undefined;
      const value = flags.get(flag) ?? switches.get(flag)?.toString();
      if (typeof value !== "object") return value;
      if (type === "variables") return value.join("\n");
      return type === "list" ? value.join(",") : value;
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

function createFlag(option: Option & { flag: string }): Flag {
  const { flag, type, default: value, defaultText = value } = option;
  const help = describeOption(option);
  // Obvious defaults are omitted: switches are off, lists are empty.
  const isObvious = !defaultText || type === "boolean" && value === "false";
  const described: Writable<Flag> = {
    name: flag,
    group: findGroup(option),
    help: isObvious ? help : `${help} (${defaultText})`,
    isRepeatable: REPEATABLE.includes(type),
    isNegatable: type === "boolean" && value === "true",
  };
  const valueName = findValueName(option);
  if (valueName !== undefined) described.valueName = valueName;
  const choices = findChoices(type);
  if (choices !== undefined) described.choices = choices;
  if (option.option?.startsWith("selection.")) described.names = "step";
  return described;
}

type Writable<T> = { -readonly [Key in keyof T]: T[Key] };

function findGroup({ name, option = "" }: Option): FlagGroup {
  return GROUP_OVERRIDES[name as OptionName] ?? GROUPS[option.split(".")[0]] ??
    "More";
}

function findValueName({ valueName, type }: Option): string | undefined {
  if (valueName !== undefined) return valueName;
  if (typeof type === "string") return VALUE_NAMES[type];
  return "choices" in type ? "MODE" : "COUNT";
}

function findChoices(type: OptionType): readonly string[] | undefined {
  if (type === "sourceType") return SOURCE_TYPES;
  return typeof type === "object" && "choices" in type
    ? type.choices
    : undefined;
}

/**
 * Reads options from arguments before they are parsed, so that secrets in them
 * are masked before an error message quotes them.
 *
 * @param args Arguments, which may be invalid.
 * @returns The layer; it also contains all arguments as text, because they may
 * contain URLs.
 */
export function argumentLayer(args: readonly string[]): Layer {
  const end = args.indexOf("--");
  const before = end < 0 ? args : args.slice(0, end);
  const values = new Map<string, string[]>();
  for (const [at, arg] of before.entries()) {
    const [, flag, joined] = /^--([^=]+)(?:=(.*))?$/s.exec(arg) ?? [];
    const value = joined ?? before[at + 1];
    if (flag === undefined || value === undefined) continue;
    const all = values.get(flag);
    if (all === undefined) values.set(flag, [value]);
    else all.push(value);
  }
  const layer = createLayer(
    ({ flag = "", type }) => {
      const all = type === "boolean" ? undefined : values.get(flag);
      return type === "variables" ? all?.join("\n") : all?.at(-1);
    },
    ({ flag }) => `--${flag}`,
  );
  // The key does not matter: URLs in all values are searched for secrets.
  layer.job_command = { value: args, origin: "the arguments" };
  return layer;
}
