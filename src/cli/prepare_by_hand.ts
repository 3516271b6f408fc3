import { JobRun } from "../job/job_run.ts";
import { prepareSources, removeCredentials } from "../job/prepare_sources.ts";
import { resolveSettings } from "../job/resolve_settings.ts";
import { Cancellation } from "../process/cancellation.ts";
import { lockWorkspace } from "../workspace/lock.ts";
import type { CommandContext } from "./command.ts";
import { flagsLayer } from "./config_flags.ts";
import { usageError } from "./parse_arguments.ts";
import { partsInWorkDir } from "./work_dir.ts";

/**
 * Prepares a source that the user names, without a job.
 *
 * @param context What the command got to work with.
 * @param name Name of the command.
 * @param type How the source is prepared.
 * @returns Exit code.
 * @throws {RunnerError} If the source cannot be prepared.
 */
export async function prepareByHand(
  context: CommandContext,
  name: string,
  type: string,
): Promise<number> {
  const [url] = context.operands;
  if (!url) throw usageError("A source is required", name);
  const parts = partsInWorkDir(context);
  const run = new JobRun(parts, new Cancellation());
  using _ = parts.host.onSignal((signal) => run.cancellation.cancel(signal));
  const ref = context.flags.get("ref");
  const origin = "the command line";
  await resolveSettings(run, {
    ...flagsLayer(context),
    source_type: { value: type, origin },
    source_url: { value: url, origin },
    source_ref: { value: typeof ref === "string" ? ref : "", origin },
    ci_source_type: { value: "none", origin },
    // No command is run; a value is needed for the rest to be judged.
    job_command: { value: "true", origin },
  }, undefined);
  try {
    const config = run.validate();
    await using _lock = await lockWorkspace(parts.workspace, {
      command: name,
      env: parts.host.env,
      sourceDirs: [config.sourceDir],
      wait: config.wait,
      signal: run.cancellation.asked,
      onWait: (reason) => parts.logger.info("workspace", reason),
    });
    await prepareSources(run, config, { replace: true });
  } catch (error) {
    run.fail(error);
    // A source that is never begun leaves credentials behind, too.
    await removeCredentials(run);
  }
  if (run.error) throw run.error;
  await context.print(run.sourcePath!);
  await parts.logger.flush();
  return 0;
}
