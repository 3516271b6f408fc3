import type { Flag, LoadedCommand } from "../../src/cli/command.ts";
import { CATALOG } from "../../src/cli/commands.ts";
import { describeFlag } from "../../src/cli/commands/help.ts";
import { configFlags } from "../../src/cli/config_flags.ts";
import { code, plain, table } from "./markdown.ts";

const HEADING = ["Option", "Meaning"];

/**
 * Generates the reference of the command line from the table of commands.
 *
 * @returns Markdown.
 */
export async function cliReference(): Promise<string> {
  const commands = await CATALOG.load();
  return [
    "## Commands",
    table(
      ["Command", "What it does"],
      commands.map(({ name, summary }) => [
        `[\`${name}\`](#${name})`,
        plain(summary),
      ]),
    ),
    ...commands.map(formatCommand),
    "## Configuration options",
    "Commands that run or inspect a job take these options. Defaults are in parentheses. [Variables](environment.md#configuration) can set the same values.",
    optionTable(configFlags()),
  ].join("\n\n");
}

function formatCommand({ name, command, flags }: LoadedCommand): string {
  const names = new Set(flags.map((flag) => flag.name));
  const all = configFlags();
  const acceptsAllShared = all.every((flag) => names.has(flag.name));
  const ownFlags = acceptsAllShared
    ? flags.filter((flag) => !all.some(({ name }) => name === flag.name))
    : flags;
  return [
    `## ${name}`,
    "<!-- illustration -->",
    "```text\n" +
    `runnerlib ${name} ${command.usage}\n\n${command.description}\n` + "```",
    "<!-- illustration -->",
    "```sh\n" +
    command.examples.map(([line, meaning]) =>
      `# ${meaning}\nrunnerlib ${line}\n`
    ).join("") + "```",
    optionTable(ownFlags),
    ...acceptsAllShared
      ? [
        "Also takes the [configuration options](#configuration-options).",
      ]
      : [],
  ].join("\n\n");
}

function optionTable(flags: readonly Flag[]): string {
  return table(
    HEADING,
    flags.map((flag) => [code(flagUsage(flag)), plain(describeFlag(flag))]),
  );
}

function flagUsage({ name, short, valueName, isNegatable }: Flag): string {
  const long = `--${isNegatable ? `[no-]${name}` : name}`;
  const value = valueName === undefined ? "" : ` ${valueName}`;
  return `${short ? `-${short}, ` : ""}${long}${value}`;
}
