import type { ContainerSetting } from "../../job/check_container.ts";
import type { JobResult } from "../../job/job_result.ts";
import { runJob } from "../../job/run_job.ts";
import type { Command, CommandContext } from "../command.ts";
import { configFlags, flagsLayer } from "../config_flags.ts";
import { JOB_FILE_FLAG, jobFileOf } from "../job_file_flag.ts";
import { usageError } from "../parse_arguments.ts";
import type { WatchedJob } from "../terminal/watch_job.ts";
import { partsInWorkDir, WORK_DIR_FLAG } from "../work_dir.ts";

/** The command `run`. */
export const run: Command = {
  usage: "[OPTIONS] [-- PROGRAM [ARGUMENTS]]",
  description:
    `Runs a job: prepares its sources, runs its command with secrets masked, calls
plugins, writes follow-up jobs and cleans up. Ends with the command's exit code.

Options win over REACTORCIDE_* variables, these over the job file, and that
over the defaults, which stand in parentheses.`,
  flags: [
    ...configFlags(),
    JOB_FILE_FLAG,
    {
      name: "job",
      valueName: "NAME",
      help: "Run this job of the workflow file, alone",
    },
    {
      name: "workflow-file",
      valueName: "FILE",
      help: "Workflow file that holds the job",
    },
    { name: "dry-run", help: "Judge everything and say what would be done" },
    { name: "container", help: "Run the command in a container of its own" },
    {
      name: "docker",
      valueName: "PROGRAM",
      help: "What runs the container; DOCKER, docker or podman unless given",
    },
    WORK_DIR_FLAG,
  ],
  maxOperands: 0,
  takesRest: true,
  async run(context) {
    const { flags, rest } = context;
    const container = containerOf(context);
    if (flags.has("job") || flags.has("workflow-file")) {
      if (container) throw usageError("Give --job or --container, not both");
      const { runOneJob } = await import("../workflow/run_one_job.ts");
      return await runOneJob(context);
    }
    const layer = flagsLayer(context);
    if (rest !== undefined) {
      if (layer.job_command !== undefined) {
        throw usageError(`Give --job-command or "--", not both`, "run");
      }
      layer.job_command = { value: rest, origin: `"--"` };
    }
    const jobFile = jobFileOf(context);
    await using watched = await watch(context, jobFile);
    const parts = partsInWorkDir(context, watched?.host);
    const result = await runJob(parts, layer, {
      jobFile,
      dryRun: context.isOn("dry-run"),
      onStepEvent: watched?.onStepEvent,
      container,
    });
    if (!parts.workspace.inContainer) await printNextJobs(context, result);
    await parts.logger.flush();
    return result.exitCode;
  },
};

/** Only a job file has steps that somebody could watch. */
async function watch(
  { parts }: CommandContext,
  jobFile: string | undefined,
): Promise<WatchedJob | undefined> {
  if (jobFile === undefined) return undefined;
  const { watchJob } = await import("../terminal/watch_job.ts");
  return watchJob(parts.host);
}

/** An image in a variable alone does not mean a container: workers always set it. */
function containerOf(
  { flags, switches }: CommandContext,
): ContainerSetting | undefined {
  const isOn = switches.get("container") ?? flags.has("runner-image");
  if (!isOn) return undefined;
  const engine = flags.get("docker");
  return typeof engine === "string" ? { engine } : {};
}

async function printNextJobs(
  { print }: CommandContext,
  { triggers }: JobResult,
): Promise<void> {
  if (triggers.length === 0) return;
  const { nextJobsText } = await import("../../triggers/next_jobs.ts");
  await print(`\n${nextJobsText(triggers, new Set())}`);
}
