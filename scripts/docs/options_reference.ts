import type { Option } from "../../src/options/option.ts";
import {
  describeOption,
  OPTION_GROUPS,
  OPTIONS,
} from "../../src/options/options.ts";
import { code, plain, table } from "./markdown.ts";

const HEADING = [
  ...["Option of `runJob`", "Flag", "Variable", "Key of a job file"],
  ...["Default", "Meaning"],
];

/**
 * Generates the reference of the options, by group, from their table.
 *
 * @returns Markdown.
 */
export function optionsReference(): string {
  const groups: [title: string, group: string | undefined][] = [
    ["The job", undefined],
    ...Object.entries(OPTION_GROUPS)
      .map(([group, doc]): [string, string] => [doc, group]),
  ];
  return [
    ...groups.flatMap(([title, group]) => [
      `## ${plain(title)}`,
      table(
        HEADING,
        OPTIONS.filter((row) => optionGroup(row) === group).map(row),
      ),
    ]),
    "## Options that `runJob` does not have",
    table(HEADING, OPTIONS.filter((row) => !("option" in row)).map(row)),
  ].join("\n\n");
}

/** Returns the group of an option; `null` if `runJob` does not take it. */
function optionGroup({ option }: Option): string | undefined | null {
  if (option === undefined) return null;
  return option.includes(".") ? option.split(".")[0] : undefined;
}

function row(option: Option): string[] {
  const { name, flag, env, keys = [], isCallersOnly } = option;
  const { default: value, defaultText = "" } = option;
  return [
    code(option.option),
    code(flag && `--${flag}`),
    code(env?.name),
    isCallersOnly ? "" : [name, ...keys].map(code).join(", "),
    value === undefined ? plain(defaultText) : code(value),
    plain(describeOption(option)),
  ];
}
