import { VERSION } from "../../package_version.ts";
import type { CliCommand } from "../command.ts";
import { commandHelp, helpColumns, overview } from "../help_text.ts";

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
    const columns = helpColumns(host);
    if (name === undefined) await print(overview(catalog, columns));
    else {
      const command = await catalog.find(name).load();
      await print(commandHelp(name, command, columns));
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
