import type { Command } from "../command.ts";
import { configFlags } from "../config_flags.ts";
import { prepareByHand } from "../prepare_by_hand.ts";
import { WORK_DIR_FLAG } from "../work_dir.ts";

/** The command `copy`. */
export const copy: Command = {
  usage: "DIRECTORY [OPTIONS]",
  description:
    "Copies a directory into the code directory and replaces what an earlier run put\nthere.",
  flags: [
    ...configFlags([
      "code_dir",
      "job_dir",
      "runner_image",
      "copy_ignore",
      "wait",
    ]),
    WORK_DIR_FLAG,
  ],
  maxOperands: 1,
  run: (context) => prepareByHand(context, "copy", "copy"),
};
