import type { Command, Flag } from "./command.ts";
import { COMMANDS } from "./commands.ts";
import { COMMON_FLAGS } from "./parse_arguments.ts";

/**
 * Returns the help text of the whole command line.
 *
 * @returns Text without a final line break.
 */
export function overview(): string {
  const rows = Object.entries(COMMANDS)
    .map(([name, { summary }]): [string, string] => [name, summary]);
  return [
    "Runs CI jobs in a worker's container or on a laptop.",
    "",
    "Usage: runnerlib COMMAND [OPTIONS]",
    "",
    "Commands:",
    ...table(rows),
    "",
    "Options:",
    ...table([
      ["-h, --help", "Show this help, or the help of a command"],
      ["    --version", "Print the version"],
    ]),
  ].join("\n");
}

/**
 * Returns the help text of a command.
 *
 * @param name Name of the command.
 * @param command The command.
 * @returns Text without a final line break.
 */
export function commandHelp(name: string, command: Command): string {
  return [
    command.description,
    "",
    `Usage: runnerlib ${name} ${command.usage}`,
    "",
    "Options:",
    ...table([...command.flags, ...COMMON_FLAGS].map(flagRow)),
  ].join("\n");
}

/**
 * Describes a flag in one line.
 *
 * @param flag The flag.
 * @returns Its help text, and whether it can be repeated.
 */
export function describeFlag({ help, isRepeatable }: Flag): string {
  return isRepeatable ? `${help}; can be repeated` : help;
}

function flagRow(flag: Flag): [string, string] {
  const { name, short, valueName, isNegatable } = flag;
  const shown = isNegatable ? `[no-]${name}` : name;
  const value = valueName === undefined ? "" : ` ${valueName}`;
  return [
    `${short ? `-${short},` : "   "} --${shown}${value}`,
    describeFlag(flag),
  ];
}

function table(rows: readonly [string, string][]): string[] {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`);
}
