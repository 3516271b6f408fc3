import { RunnerError } from "../../errors.ts";
import { removeMade } from "../../workspace/made.ts";
import type { Command } from "../command.ts";
import { partsInWorkDir, WORK_DIR_FLAG } from "../work_dir.ts";

/** The command `cleanup`. */
export const cleanup: Command = {
  usage: "[OPTIONS]",
  description:
    "Removes what earlier runs made in ./job, and nothing else. A worker removes the\nworkspace of a container itself.",
  flags: [
    { name: "verbose", short: "v", help: "Name everything that is removed" },
    WORK_DIR_FLAG,
  ],
  maxOperands: 0,
  async run(context) {
    const { workspace } = partsInWorkDir(context);
    if (workspace.inContainer) {
      throw new RunnerError(
        `Cannot clean "${workspace.base}": it belongs to the worker of this container`,
        { code: "workspace" },
      );
    }
    const removed = await removeMade(workspace);
    if (context.isOn("verbose")) {
      for (const path of removed) await context.print(path);
    }
    return 0;
  },
};
