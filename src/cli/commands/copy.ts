import type { CliCommand } from "../command.ts";
import { checkedFlags, configFlags } from "../config_flags.ts";
import { WORK_DIR_FLAG } from "../job_location.ts";
import { prepareCommandSource } from "./checkout.ts";

export const copyCommand: CliCommand = {
  usage: "DIRECTORY [OPTIONS]",
  description:
    "Copies a directory into the code directory and replaces what an earlier run put\nthere.",
  examples: [
    ["copy .", "Copy the current directory"],
    ["copy ../project --copy-ignore node_modules", "Leave out some files"],
  ],
  flags: [
    ...configFlags([
      "code_dir",
      "copy_ignore",
      "wait",
    ]),
    ...checkedFlags(),
    WORK_DIR_FLAG,
  ],
  maxOperands: 1,
  run: (context) => prepareCommandSource(context, "copy", "copy"),
};
