import { readOptions } from "../../config/load_config.ts";
import { RunnerError } from "../../errors.ts";
import { pathExists } from "../../fs/files.ts";
import type { RunnerContext } from "../../runner/runner_context.ts";
import {
  hasWorkflowFiles,
  removeWorkflowFiles,
} from "../../workspace/ignore_files.ts";
import type { Workspace } from "../../workspace/layout.ts";
import { lockWorkspace, type WorkspaceLock } from "../../workspace/lock.ts";
import { removeOwnedPaths } from "../../workspace/owned_paths.ts";
import { cancelOnSignal } from "../actions.ts";
import type { CliCommand } from "../command.ts";
import { configFlags, flagsLayer } from "../config_flags.ts";
import { runnerInWorkDir, WORK_DIR_FLAG } from "../job_location.ts";

export const cleanupCommand: CliCommand = {
  usage: "[OPTIONS]",
  description:
    "Removes what earlier runs created in ./job and what local workflows left in\n.reactorcide, and nothing else. In a container, the worker removes the workspace\nitself.",
  examples: [
    ["cleanup", "Remove what earlier runs left"],
    ["cleanup --verbose", "Print each path that is removed"],
  ],
  flags: [
    { name: "verbose", short: "v", help: "Print each path that is removed" },
    ...configFlags(["wait"]),
    WORK_DIR_FLAG,
  ],
  maxOperands: 0,
  async run(context) {
    const runner = runnerInWorkDir(context);
    const { workspace } = runner;
    if (workspace.inContainer) {
      throw new RunnerError(
        `Cannot clean "${workspace.base}": it belongs to the worker of this container`,
        { code: "workspace" },
      );
    }
    const { wait } = readOptions(runner.host, ["wait"], flagsLayer(context));
    const onLeft = (reason: string) => runner.logger.warn("workspace", reason);
    const removed: string[] = [];
    if (await pathExists(workspace.base)) {
      await using _ = await lock(runner, workspace, wait);
      removed.push(...await removeOwnedPaths(workspace, onLeft));
    }
    const { cwd } = runner.host;
    if (hasWorkflowFiles(cwd)) {
      const root = { ...workspace, base: cwd };
      await using _ = await lock(runner, root, wait);
      removed.push(...await removeWorkflowFiles(cwd, onLeft));
    }
    if (context.isOn("verbose")) {
      for (const path of removed) await context.print(path);
    }
    await runner.logger.flush();
    return 0;
  },
};

/** Locks the workspace. A signal cancels the wait. */
async function lock(
  { host, logger }: RunnerContext,
  workspace: Workspace,
  wait: boolean,
): Promise<WorkspaceLock> {
  return await cancelOnSignal(host, ({ graceful }) =>
    lockWorkspace(workspace, {
      command: "cleanup",
      env: host.env,
      wait,
      signal: graceful,
      onWait: (reason) => logger.info("workspace", reason),
    }));
}
