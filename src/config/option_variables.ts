import type { Option, OptionType } from "../options/option.ts";
import { describeOption, OPTIONS } from "../options/options.ts";
import { mapped, type Schema } from "../schema/combinators.ts";
import { LINES, schemaOfType } from "./job_keys.ts";
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

/** Option types whose values a definition can pass on as text. */
const PASSED_ON: readonly OptionType[] = [
  ...["text", "list", "boolean", "duration", "timeLimit"] as const,
  ...LINES,
];

/** Options that an event, or another key of a definition, sets. */
const SET_OTHERWISE =
  /^(?:source_|ci_source_|runner_image$|pipeline_permissions$)/;

/**
 * Lists the options of a job file that a job definition passes on, by their
 * variables.
 */
export function settingVariables(): Readonly<Record<string, OptionKey>> {
  const keys = OPTIONS.flatMap((option: Option): [string, OptionKey][] => {
    const { name, type, env } = option;
    const isPassedOn = typeof type !== "string" || PASSED_ON.includes(type);
    if (env === undefined || !isPassedOn) return [];
    if ("isCallersOnly" in option || SET_OTHERWISE.test(name)) return [];
    const areLines = LINES.includes(type);
    return [[env.name, {
      key: name,
      description: `${describeOption(option)}.`,
      schema: mapped(
        schemaOfType(type),
        (value) =>
          Array.isArray(value)
            ? areLines ? value.join("\n") : listText(value)
            : type === "duration" || type === "timeLimit"
            ? `${value}ms`
            : String(value),
      ),
    }]];
  });
  return Object.fromEntries(keys);
}
