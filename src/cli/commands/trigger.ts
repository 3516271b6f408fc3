import type { JobConfig } from "../../config/job_config.ts";
import { RunnerError } from "../../errors.ts";
import type { Host } from "../../host.ts";
import { flushTriggers } from "../../job/flush_triggers.ts";
import { JobRun } from "../../job/job_run.ts";
import { resolveSettings } from "../../job/resolve_settings.ts";
import { Cancellation } from "../../process/cancellation.ts";
import { TriggerQueue } from "../../triggers/queue.ts";
import type { Trigger } from "../../triggers/trigger.ts";
import { readJobDefinition } from "../../workflow/definition/read_job_definition.ts";
import type { Command, CommandContext } from "../command.ts";
import { configFlags, flagsLayer } from "../config_flags.ts";
import { usageError } from "../parse_arguments.ts";
import { triggerOfDefinition } from "../trigger_of_definition.ts";
import { partsInWorkDir, WORK_DIR_FLAG } from "../work_dir.ts";

/** The command `trigger`. */
export const trigger: Command = {
  usage: "FILE… [OPTIONS]",
  description:
    `Hands the jobs of job files over as follow-up jobs of this one, all at once: to
the coordinator if one is configured, else in a file for the worker. Nothing is
handed over unless every file is right.`,
  flags: [
    ...configFlags([
      "triggers_file",
      "trigger_transport",
      "coordinator_timeout",
    ]),
    WORK_DIR_FLAG,
  ],
  maxOperands: Infinity,
  async run(context) {
    const { operands, flags } = context;
    if (operands.length === 0) {
      throw usageError("A file is required", "trigger");
    }
    const parts = partsInWorkDir(context);
    const { host, logger } = parts;
    const run = new JobRun(parts, new Cancellation());
    using _ = host.onSignal((signal) => run.cancellation.cancel(signal));
    const config = await configOf(run, context);
    const queue = new TriggerQueue();
    queue.addAll(
      await Promise.all(operands.map((file) => triggerIn(file, host))),
    );
    try {
      const triggers = await flushTriggers(parts, queue, {
        file: config.triggersFile,
        transport: config.triggerTransport,
        coordinatorTimeoutMs: config.coordinatorTimeoutMs,
        allowInsecureTransport: flags.has("allow-insecure-transport"),
        signal: run.cancellation.asked,
      });
      const names = triggers.map(({ name }) => name).join(", ");
      logger.info("triggers", `Handed over: ${names}`);
    } catch (error) {
      run.fail(error);
      throw run.error;
    } finally {
      await logger.flush();
    }
    return 0;
  },
};

async function configOf(
  run: JobRun,
  context: CommandContext,
): Promise<JobConfig> {
  await resolveSettings(run, {
    ...flagsLayer(context),
    // No command is run; a value is needed for the rest to be judged.
    job_command: { value: "true", origin: "the command line" },
  }, undefined);
  const config = run.validate();
  run.fillMasker(config);
  return config;
}

async function triggerIn(file: string, { cwd, env }: Host): Promise<Trigger> {
  const root = file.startsWith("/") ? "" : cwd;
  const { job } = await readJobDefinition(root, file);
  if (job.body.steps === undefined) return triggerOfDefinition(job, env);
  throw new RunnerError(
    `Cannot trigger "${job.name}": the coordinator knows no steps, which "${file}" has`,
    { code: "invalid-trigger" },
  );
}
