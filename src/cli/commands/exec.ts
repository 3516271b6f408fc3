import { runInherited } from "../../process/run_inherited.ts";
import { removeIfEmpty, removeTree } from "../../workspace/remove.ts";
import type { Command } from "../command.ts";
import { JOB_FILE_FLAG } from "../job_file_flag.ts";
import { ALLOW_FLAG, pipelineCommand } from "../pipeline.ts";
import { pipelineEnvironment } from "../pipeline_environment.ts";

/** The command `exec`. */
export const exec: Command = {
  usage: "PIPELINE [ARGUMENTS] [OPTIONS] [-- ARGUMENTS]",
  description:
    `Runs a pipeline in TypeScript with the permissions that it needs and no others:
it reads and writes the workspace, runs git and the shell, sees the variables
REACTORCIDE_* and RC_*, and reaches the coordinator. "runnerlib permissions"
tells more. Ends with the pipeline's exit code.`,
  flags: [ALLOW_FLAG, JOB_FILE_FLAG],
  maxOperands: Infinity,
  takesRest: true,
  async run(context) {
    const { host, logger, workspace } = context.parts;
    const { argv, permissions } = await pipelineCommand(context, "exec");
    await logger.flush();
    await using temporary = await temporaryDirectory(workspace.base);
    const { exitCode } = await runInherited(argv, {
      cwd: host.cwd,
      env: pipelineEnvironment(
        { ...host.env, TMPDIR: temporary.path },
        permissions,
      ),
      onSignal: (listener) => host.onSignal(listener),
      hasTerminal: host.stdin?.isTerminal() ?? false,
    });
    return exitCode;
  },
};

/** In the workspace, where the pipeline may write; elsewhere it may not. */
async function temporaryDirectory(
  base: string,
): Promise<AsyncDisposable & { readonly path: string }> {
  await Deno.mkdir(base, { recursive: true });
  const path = await Deno.makeTempDir({ dir: base, prefix: ".tmp-" });
  return {
    path,
    async [Symbol.asyncDispose]() {
      await removeTree(path);
      await removeIfEmpty(base);
    },
  };
}
