import {
  checkJobCredentials,
  prepareJobSource,
  removeJobCredentials,
} from "../runner/prepare_sources.ts";
import { lockWorkspace } from "../workspace/lock.ts";
import type { CommandContext } from "./command.ts";
import { checkCommandConfig, loadCommandConfig } from "./command_config.ts";
import { flagsLayer } from "./config_flags.ts";
import { usageError } from "./parse_arguments.ts";
import { cancelOnSignal } from "./cancel_on_signal.ts";
import { runnerInWorkDir } from "./job_location.ts";

/**
 * Prepares the source of a command, without a job.
 *
 * @throws {RunnerError} If the source cannot be prepared.
 */
export async function prepareCommandSource(
  context: CommandContext,
  name: string,
  type: string,
): Promise<number> {
  const [url] = context.operands;
  if (!url) throw usageError("A source is required", name);
  const runner = runnerInWorkDir(context);
  const ref = context.flags.get("ref");
  const origin = "the command line";
  const path = await cancelOnSignal(runner.host, async (cancellation) => {
    try {
      const loaded = await loadCommandConfig(context, {
        runner,
        layer: {
          ...flagsLayer(context),
          source_type: { value: type, origin },
          source_url: { value: url, origin },
          source_ref: { value: typeof ref === "string" ? ref : "", origin },
          ci_source_type: { value: "none", origin },
        },
        needsCommand: false,
      });
      const { config } = checkCommandConfig(loaded);
      await using _lock = await lockWorkspace(runner.workspace, {
        command: name,
        env: runner.host.env,
        sourceDirs: [config.sourceDir],
        wait: config.wait,
        signal: cancellation.graceful,
        onWait: (reason) => runner.logger.info("workspace", reason),
      });
      await checkJobCredentials({ runner }, config);
      return await prepareJobSource(
        { runner, cancellation },
        config,
        config.source,
        {
          replace: true,
        },
      );
    } finally {
      // Remove credentials even if preparation did not start.
      await removeJobCredentials({ runner });
    }
  });
  if (path !== undefined) await context.print(path);
  await runner.logger.flush();
  return 0;
}
