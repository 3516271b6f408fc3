import type { Option, OptionType } from "../options/option.ts";
import { describeOption, OPTIONS } from "../options/options.ts";
import { mapped, type Schema } from "../schema/combinators.ts";
import type { DocumentNode } from "../schema/document.ts";
import { callersOnlyProblem } from "./job_keys.ts";
import { LINES, schemaOfType } from "./option_schemas.ts";
import { listText } from "./text_values.ts";

/** The key of an option in a mapping of a file. */
export interface OptionKey {
  /** Key in the mapping. */
  readonly key: string;
  /** Description for editors. */
  readonly description: string;
  /** Schema of its value, parsed to the text of its variable. */
  readonly schema: Schema<string>;
}

/**
 * Lists the options that have keys in a mapping, by their variables, which pass
 * them to the runner of another job.
 */
export function optionVariables(
  name: string,
): Readonly<Record<string, OptionKey>> {
  const keys = OPTIONS.flatMap((option: Option): [string, OptionKey][] => {
    const prefix = `${name}.`;
    const path = option.keys?.find((path) => path.startsWith(prefix));
    if (path === undefined || option.env === undefined) return [];
    return [[option.env.name, {
      key: path.slice(prefix.length),
      description: `${describeOption(option)}.`,
      schema: mapped(
        schemaOfType(option.type),
        (value) => [value].flat().join(),
      ),
    }]];
  });
  return Object.fromEntries(keys);
}

/** Option types whose values cannot be passed on in a variable. */
const NOT_PASSED_ON: readonly OptionType[] = [
  ...["command", "variables", "jobFile", "sourceType"] as const,
  "pipelinePermissions",
];

/** Options that an event, or another key of a definition, sets. */
const SET_BY_OTHER_KEYS =
  /^(?:source_|ci_source_|runner_image$|code_dir$|job_dir$|job_env$|secrets_file$)/;

/**
 * Lists the options of a job file that a job definition passes on, by their
 * variables.
 */
export function settingVariables(): Readonly<Record<string, OptionKey>> {
  const keys = OPTIONS.flatMap((option: Option): [string, OptionKey][] => {
    const { name, type, env } = option;
    if (env === undefined || NOT_PASSED_ON.includes(type)) return [];
    if ("isCallersOnly" in option || SET_BY_OTHER_KEYS.test(name)) return [];
    return [[env.name, {
      key: name,
      description: `${describeOption(option)}.`,
      schema: mapped(
        schemaOfType(type),
        (value, node) => variableText(type, value, node),
      ),
    }]];
  });
  return Object.fromEntries(keys);
}

/** Formats the value of an option as the text of its variable. */
function variableText(
  type: OptionType,
  value: unknown,
  node: DocumentNode,
): string | undefined {
  if (type === "duration" || type === "timeLimit") return `${value}ms`;
  if (!Array.isArray(value)) return String(value);
  if (type !== "shell") {
    return LINES.includes(type) ? value.join("\n") : listText(value);
  }
  // The runner splits the variable at white space.
  return value.some((word) => /^$|\s/.test(word))
    ? void node.report("must be words without white space")
    : value.join(" ");
}

/**
 * Lists the options of a job file that a job definition must not set, and why,
 * phrased to follow the key.
 */
export function refusedSettings(): Readonly<Record<string, string>> {
  return Object.fromEntries(
    OPTIONS.flatMap((option: Option): [string, string][] => {
      const { name, flag } = option;
      if (option.isCallersOnly) return [[name, callersOnlyProblem(option)]];
      if (option.option?.startsWith("selection.")) {
        return [[name, `selects steps of a single run, as with --${flag}`]];
      }
      return option.type === "jobFile" ? [[name, "is set by the worker"]] : [];
    }),
  );
}
