import { VERSION } from "../../package_version.ts";
import type { CliCommand } from "../command.ts";

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
