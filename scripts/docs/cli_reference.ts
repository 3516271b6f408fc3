import type { Flag, LoadedCommand } from "../../src/cli/command.ts";
import { configFlags } from "../../src/cli/config_flags.ts";
import { loadCommands } from "../../src/cli/commands.ts";
import { code, plain, table } from "./markdown.ts";

const HEADING = ["Option", "Meaning"];

/**
 * Writes the reference of the command line from the table of commands.
 *
 * @returns Markdown.
 */
export async function cliReference(): Promise<string> {
  const commands = await loadCommands();
  return [
    "## Commands",
    table(
      ["Command", "What it does"],
      commands.map(({ name, summary }) => [
        `[\`${name}\`](#${name})`,
        plain(summary),
      ]),
    ),
    ...commands.map(section),
    "## Options of the configuration",
    "Those of every command that takes all of them. A default stands in parentheses; [environment.md](environment.md) lists the variables that say the same.",
    optionTable(configFlags()),
  ].join("\n\n");
}

function section({ name, command, flags }: LoadedCommand): string {
  const names = new Set(flags.map((flag) => flag.name));
  const all = configFlags();
  const takesAll = all.every((flag) => names.has(flag.name));
  const own = takesAll
    ? flags.filter((flag) => !all.some(({ name }) => name === flag.name))
    : flags;
  return [
    `## ${name}`,
    "<!-- illustration -->",
    "```text\n" +
    `runnerlib ${name} ${command.usage}\n\n${command.description}\n` + "```",
    optionTable(own),
    ...takesAll
      ? [
        "And the [options of the configuration](#options-of-the-configuration).",
      ]
      : [],
  ].join("\n\n");
}

function optionTable(flags: readonly Flag[]): string {
  return table(HEADING, flags.map((flag) => [code(typed(flag)), about(flag)]));
}

function typed({ name, short, valueName, isNegatable }: Flag): string {
  const long = `--${isNegatable ? `[no-]${name}` : name}`;
  const value = valueName === undefined ? "" : ` ${valueName}`;
  return `${short ? `-${short}, ` : ""}${long}${value}`;
}

function about({ help, isRepeatable }: Flag): string {
  return plain(help) + (isRepeatable ? "; may be given several times" : "");
}
