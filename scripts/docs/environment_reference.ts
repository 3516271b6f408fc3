import type { Option } from "../../src/options/option.ts";
import { describeOption, OPTIONS } from "../../src/options/options.ts";
import {
  findVariable,
  VARIABLE_GROUPS,
  type VariableInfo,
} from "../../src/environment/variables.ts";
import { code, plain, table } from "./markdown.ts";
import { usedVariables } from "./used_variables.ts";

const TITLES: Readonly<Record<keyof typeof VARIABLE_GROUPS, string>> = {
  configuration: "Configuration",
  job: "The job and its runner",
  event: "The event",
  workflow: "The workflow",
  shared: "Names that other programs share",
};

const SEEN_BY: Readonly<Record<NonNullable<VariableInfo["seenBy"]>, string>> = {
  everyone: "every program",
  job: "trusted commands",
  runner: "no program",
};

/**
 * Generates the reference of the variables from the table in `src/environment/`.
 *
 * @returns Markdown.
 * @throws {Error} If the source code uses a variable that is not in the table, or
 * a variable has no description.
 */
export async function environmentReference(): Promise<string> {
  const unknown = (await usedVariables())
    .filter((name) => findVariable(name) === undefined);
  if (unknown.length > 0) {
    throw new Error(`Not in src/environment/variables.ts: ${unknown}`);
  }
  const { configuration, ...otherGroups } = VARIABLE_GROUPS;
  return [
    `## ${TITLES.configuration}`,
    table(
      ["Variable", "Option", "Default", "Set by", "Seen by", "Meaning"],
      Object.values(configuration).map(configurationRow),
    ),
    ...Object.entries(otherGroups).flatMap(([group, variables]) => [
      `## ${TITLES[group as keyof typeof TITLES]}`,
      table(
        ["Variable", "Set by", "Seen by", "Meaning"],
        Object.values(variables).map((info: VariableInfo) => [
          ...[
            code(info.name),
            info.setBy,
            seenBy(info),
            describeVariable(info),
          ],
        ]),
      ),
    ]),
  ].join("\n\n");
}

function configurationRow(info: VariableInfo): string[] {
  const options: readonly Option[] = OPTIONS;
  const option = options.find(({ env }) => env?.name === info.name);
  if (option === undefined) throw new Error(`No option has ${info.name}`);
  const { flag, default: value, defaultText } = option;
  return [
    code(info.name),
    flag === undefined ? "" : code(`--${flag}`),
    value === undefined ? plain(defaultText ?? "") : code(value),
    info.setBy,
    seenBy(info),
    plain(describeOption(option)),
  ];
}

function seenBy({ seenBy = "everyone" }: VariableInfo): string {
  return SEEN_BY[seenBy];
}

function describeVariable({ name, doc, isSecret }: VariableInfo): string {
  if (doc === undefined) throw new Error(`${name} has no description`);
  return isSecret ? `${doc}. Always masked` : doc;
}
