import { VERSION } from "../../version.ts";
import type { Command } from "../command.ts";

/** The command `version`. */
export const version: Command = {
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
