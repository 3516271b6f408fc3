import type { Command } from "../command.ts";
import { configFlags } from "../config_flags.ts";
import { prepareByHand } from "../prepare_by_hand.ts";
import { WORK_DIR_FLAG } from "../work_dir.ts";

/** The command `checkout`. */
export const checkout: Command = {
  usage: "URL [OPTIONS]",
  description:
    "Checks a git repository out into the code directory, and replaces what an\nearlier run put there.",
  flags: [
    {
      name: "ref",
      short: "r",
      valueName: "REF",
      help: "Branch, tag or commit; the default branch unless given",
    },
    ...configFlags([
      ...["code_dir", "job_dir", "runner_image", "fetch_depth"] as const,
      ...["git_filter", "sparse_paths", "submodules", "git_lfs"] as const,
      "git_mirror",
    ]),
    WORK_DIR_FLAG,
  ],
  maxOperands: 1,
  run: (context) => prepareByHand(context, "checkout", "git"),
};
