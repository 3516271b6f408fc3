import type { Host } from "../../host.ts";
import { VERSION } from "../../package_version.ts";
import { wrapText } from "../../terminal/width.ts";
import { getOutputColumns } from "../actions.ts";
import {
  type CliCommand,
  COMMAND_GROUPS,
  type CommandCatalog,
  type Flag,
  FLAG_GROUPS,
} from "../command.ts";
import { listFlags } from "../parse_arguments.ts";

export const helpCommand: CliCommand = {
  usage: "[COMMAND]",
  description: "Shows the commands, or how to use one of them.",
  examples: [
    ["help", "Show all commands"],
    ["help run", "Show how to use a command"],
  ],
  flags: [],
  operandNames: "command",
  maxOperands: 1,
  async run({ operands: [name], print, catalog, runner: { host } }) {
    const columns = getHelpColumns(host);
    if (name === undefined) await print(formatOverview(catalog, columns));
    else {
      const command = await catalog.find(name).load();
      await print(formatCommandHelp(name, command, columns));
    }
    return 0;
  },
};

export const versionCommand: CliCommand = {
  usage: "",
  description: "Prints the version.",
  examples: [["version", "Print the version"]],
  flags: [],
  maxOperands: 0,
  async run({ print }) {
    await print(VERSION);
    return 0;
  },
};

/** Width of a line if the output is not a terminal. */
const DEFAULT_COLUMNS = 80;

/** Most used options, listed first in their groups. */
const MOST_USED: readonly string[] = [
  "job-file",
  "job-command",
  "job-env",
  "dry-run",
  "git-url",
  "git-ref",
  "secret-env-names",
  "only",
  "skip",
  "from",
  "timeout",
];

/** Maximum width: longer lines are hard to read, even on wide terminals. */
const MAX_COLUMNS = 100;

/** Minimum width: narrower lines would fit only one word each. */
const MIN_COLUMNS = 30;

/** Maximum share of a line that the names of a table take. */
const NAMES_SHARE = 0.45;

/** Maximum number of options that are listed without groups. */
const MAX_UNGROUPED = 8;

type Row = readonly [name: string, meaning: string];

/** Returns the width of help texts. */
export function getHelpColumns(host: Host): number {
  const columns = getOutputColumns(host) ?? DEFAULT_COLUMNS;
  return Math.max(MIN_COLUMNS, Math.min(columns, MAX_COLUMNS));
}

/**
 * Returns the help text of the program.
 *
 * @returns Text without a trailing newline.
 */
export function formatOverview(
  { entries }: CommandCatalog,
  columns: number,
): string {
  const groups = COMMAND_GROUPS.map((group): [string, Row[]] => [
    group,
    Object.entries(entries).filter(([, entry]) => entry.group === group)
      .map(([name, { summary }]) => [name, summary]),
  ]);
  return [
    ...wrapText(
      "Runs CI jobs on your machine and in the containers of CI workers.",
      {
        columns,
      },
    ),
    "",
    "Usage: runnerlib COMMAND [OPTIONS]",
    ...formatTables(groups, columns),
    "",
    "Examples:",
    ...formatExamples([
      ["init", "Write a first job.yaml"],
      ["run", "Run it"],
      ["run -- make test", "Run a command"],
      ["help run", "Show how to use a command"],
    ], columns),
  ].join("\n");
}

/**
 * Returns the help text of a command.
 *
 * @returns Text without a trailing newline.
 */
export function formatCommandHelp(
  name: string,
  command: CliCommand,
  columns: number,
): string {
  const usage = `Usage: runnerlib ${name} ${command.usage}`.trimEnd();
  return [
    ...formatProse(command.description, columns),
    "",
    ...wrapText(usage, { columns, hang: 4 }),
    "",
    "Examples:",
    ...formatExamples(command.examples, columns),
    ...formatTables(groupFlags(listFlags(command)), columns),
  ].join("\n");
}

/**
 * Describes a flag in one line.
 *
 * @returns Its help text, and whether it can be repeated.
 */
export function describeFlag({ help, isRepeatable }: Flag): string {
  return isRepeatable ? `${help}; can be repeated` : help;
}

/**
 * Sorts options into groups.
 *
 * @returns Headings and their options; a single heading for few options.
 */
function groupFlags(
  flags: readonly Flag[],
): [heading: string, rows: Row[]][] {
  const isMostUsed = ({ name }: Flag) => MOST_USED.includes(name);
  const all = flags.filter(({ isHidden }) => !isHidden);
  const shown = [
    ...MOST_USED.flatMap((name) => all.filter((flag) => flag.name === name)),
    ...all.filter((flag) => !isMostUsed(flag)),
  ];
  if (all.length <= MAX_UNGROUPED) return [["Options", all.map(createFlagRow)]];
  const hasGroups = shown.some(({ group = "More" }) => group !== "More");
  return FLAG_GROUPS.map((group): [string, Row[]] => [
    hasGroups ? group : "Options",
    shown.filter((flag) => (flag.group ?? "More") === group).map(createFlagRow),
  ]);
}

function createFlagRow(flag: Flag): Row {
  const { name, short, valueName, isNegatable } = flag;
  const shown = isNegatable ? `[no-]${name}` : name;
  const value = valueName === undefined ? "" : ` ${valueName}`;
  return [
    `${short ? `-${short},` : "   "} --${shown}${value}`,
    describeFlag(flag),
  ];
}

/**
 * Formats names and their meanings as a table.
 *
 * @param rows Names and meanings.
 */
export function formatRows(rows: readonly Row[], columns: number): string[] {
  const width = measureNames(rows, columns);
  return rows.flatMap((row) => formatRow(row, width, columns));
}

function formatExamples(rows: readonly Row[], columns: number): string[] {
  return rows.flatMap(([line, meaning]) => [
    ...wrapText(`# ${meaning}`, { columns, indent: 2, hang: 4 }),
    // Users copy command lines, so they are never wrapped.
    `  runnerlib ${line}`,
  ]);
}

/** Formats tables with headings; all tables have the same columns. */
function formatTables(
  groups: readonly (readonly [heading: string, rows: readonly Row[]])[],
  columns: number,
): string[] {
  const nameWidth = measureNames(groups.flatMap(([, rows]) => rows), columns);
  return groups.filter(([, rows]) => rows.length > 0)
    .flatMap(([heading, rows]) => [
      "",
      `${heading}:`,
      ...rows.flatMap((row) => formatRow(row, nameWidth, columns)),
    ]);
}

function measureNames(rows: readonly Row[], columns: number): number {
  const maxWidth = Math.floor(columns * NAMES_SHARE);
  return Math.max(
    ...rows.map(([name]) => name.length).filter((width) => width <= maxWidth),
    // All names may be too long.
    4,
  );
}

/** Formats a row; a name that is too long for its column gets its own line. */
function formatRow([name, meaning]: Row, width: number, columns: number) {
  const indent = width + 4;
  const lines = wrapText(meaning, { columns, indent });
  if (name.length > width) return [`  ${name}`, ...lines];
  return [
    `  ${name.padEnd(width)}  ${lines[0].trimStart()}`.trimEnd(),
    ...lines.slice(1),
  ];
}

/**
 * Wraps a description. Lines of a paragraph are joined; indented lines are rows
 * of a table.
 */
function formatProse(text: string, columns: number): string[] {
  const blocks: { isTable: boolean; lines: string[] }[] = [];
  for (const line of text.split("\n")) {
    const isTable = line.startsWith("  ");
    const last = blocks.at(-1);
    if (line !== "" && last?.isTable === isTable && last.lines[0] !== "") {
      last.lines.push(line);
    } else blocks.push({ isTable, lines: [line] });
  }
  return blocks.flatMap(({ isTable, lines }) =>
    isTable
      ? formatTextTable(lines, columns)
      : wrapText(lines.join(" "), { columns })
  );
}

function formatTextTable(lines: readonly string[], columns: number): string[] {
  const rows: [string, string][] = [];
  for (const line of lines) {
    const [, name, meaning] = /^ {2}(\S.*?)(?: {2,}(\S.*))?$/.exec(line) ?? [];
    if (name !== undefined) rows.push([name, meaning ?? ""]);
    // A line with more indentation continues the row above.
    else if (rows.length > 0) rows.at(-1)![1] += ` ${line.trim()}`;
  }
  return formatRows(rows, columns);
}
