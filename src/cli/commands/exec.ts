import { Variable } from "../../environment/variables.ts";
import { privateDirectory } from "../../fs/temporary_directory.ts";
import { beginFiles } from "../../job/hold_workspace.ts";
import { runInherited } from "../../process/run_inherited.ts";
import { removeIfEmpty } from "../../workspace/remove.ts";
import type { Command } from "../command.ts";
import { JOB_FILE_FLAG } from "../job_file_flag.ts";
import {
  ALLOW_FLAG,
  pipelineCommand,
  pipelineEnvironment,
  writePythonPackage,
} from "../pipeline.ts";

/** The command `exec`. */
export const exec: Command = {
  usage: "PIPELINE [ARGUMENTS] [OPTIONS] [-- ARGUMENTS]",
  description:
    `Runs a pipeline in TypeScript with the permissions that it needs and no others:
it reads and writes the workspace, runs git and the shell, sees the variables
REACTORCIDE_* and RC_*, and reaches the coordinator. "runnerlib permissions"
tells more. A pipeline in Python, PIPELINE.py, sees the same variables and can
import runnerlib; nothing else confines it. Ends with the pipeline's exit code.`,
  flags: [ALLOW_FLAG, JOB_FILE_FLAG],
  maxOperands: Infinity,
  takesRest: true,
  async run(context) {
    const { host, logger, workspace, run } = context.parts;
    const { argv, permissions, isPython } = await pipelineCommand(
      context,
      "exec",
    );
    await logger.flush();
    await beginFiles(context.parts, context.parts.triggersFile);
    await using temporary = await workspaceDirectory(workspace.base);
    const ofPython = isPython
      ? await writePythonPackage(temporary.path, host.env)
      : {};
    const { exitCode } = await runInherited(argv, {
      cwd: host.cwd,
      env: {
        ...pipelineEnvironment({
          ...host.env,
          TMPDIR: temporary.path,
          // Programs that the pipeline starts leave their files with its own.
          [Variable.runId]: run.id,
        }, permissions),
        ...ofPython,
      },
      onSignal: (listener) => host.onSignal(listener),
      hasTerminal: host.stdin?.isTerminal() ?? false,
    });
    return exitCode;
  },
};

/** In the workspace, where the pipeline may write; elsewhere it may not. */
async function workspaceDirectory(
  base: string,
): Promise<AsyncDisposable & { readonly path: string }> {
  await Deno.mkdir(base, { recursive: true });
  const { path, [Symbol.dispose]: dispose } = privateDirectory([base]);
  return {
    path,
    async [Symbol.asyncDispose]() {
      dispose();
      await removeIfEmpty(base);
    },
  };
}
