import { environmentLayer, type Layer } from "../../config/settings.ts";
import { listText } from "../../config/text_values.ts";
import { type Host, isInTerminal } from "../../host.ts";
import type { JobResult } from "../../runner/job_result.ts";
import type { ContainerSetting } from "../../runner/nested_container.ts";
import { runJob } from "../../runner/run_job.ts";
import type { CliCommand, CommandContext, Flag } from "../command.ts";
import { configFlags, flagsLayer } from "../config_flags.ts";
import {
  findCommandJobFile,
  JOB_FILE_FLAG,
  type JobFileSource,
  noJobError,
  runnerInWorkDir,
  WORK_DIR_FLAG,
} from "../job_location.ts";
import { QUIET_FLAG, usageError, VERBOSE_FLAG } from "../parse_arguments.ts";
import type { WatchedJob } from "../terminal/live_view.ts";

/** Option for the container engine. */
export const ENGINE_FLAG: Flag = {
  name: "docker",
  valueName: "PROGRAM",
  help: "Container engine to use (DOCKER, docker or podman)",
  group: "What to run",
};

/** Option that prints the plan without running it. */
export const DRY_RUN_FLAG: Flag = {
  name: "dry-run",
  help: "Validate and print the plan without running it",
  group: "What to run",
};

/** Option that repeats a run when its source changes. */
export const WATCH_FLAG: Flag = {
  name: "watch",
  help: "Run again when files of the source change, until Ctrl-C",
  group: "What to run",
};

/** Options that select a job of a workflow. */
const WORKFLOW_JOB_FLAGS: readonly Flag[] = [
  {
    name: "job",
    valueName: "NAME",
    names: "job",
    help: "Run only this job of the workflow file",
    group: "What to run",
  },
  {
    name: "workflow-file",
    valueName: "FILE",
    names: "workflow",
    help: "Workflow file that defines the job",
    group: "What to run",
  },
];

export const runJobCommand: CliCommand = {
  usage: "[OPTIONS] [-- PROGRAM [ARGUMENTS]]",
  description:
    `Runs a job: prepares its sources, runs its command or steps with secrets masked,
calls plugins, submits follow-up jobs and cleans up. Exits with the command's exit
code.

Without a command and --job-file, runs the job.yaml, job.yml, job.json or
.reactorcide/job.yaml of the directory.

Options override REACTORCIDE_* variables, which override the job file, which
overrides the defaults. Defaults are shown in parentheses.`,
  usesCoordinator: true,
  examples: [
    ["run", "Run the job.yaml of the directory"],
    ["run -- make test", "Run a command"],
    [
      "run --job-file ci.yaml --only test,build",
      "Run some of the steps of a job file",
    ],
    [
      "run --git-url https://example.com/repo.git --git-ref main -- make test",
      "Check out a repository and run a command in it",
    ],
  ],
  flags: [
    JOB_FILE_FLAG,
    ...WORKFLOW_JOB_FLAGS,
    DRY_RUN_FLAG,
    WATCH_FLAG,
    {
      name: "container",
      help: "Run the command in a nested container",
      group: "What to run",
    },
    ENGINE_FLAG,
    WORK_DIR_FLAG,
    QUIET_FLAG,
    VERBOSE_FLAG,
    ...configFlags(),
  ],
  maxOperands: 0,
  takesRest: true,
  async run(context) {
    const container = readContainer(context);
    if (context.flags.has("job") || context.flags.has("workflow-file")) {
      if (container) {
        throw usageError(
          "A job of a workflow file cannot be run with --container",
          "run",
        );
      }
      const { runOneJob } = await import("../workflow/run_workflow_action.ts");
      return await runOneJob(context);
    }
    if (opensShells(context) && !isInTerminal(context.runner.host)) {
      throw usageError(
        "A shell needs a terminal: standard input and output must not be redirected",
        "run",
      );
    }
    if (opensShells(context) && container !== undefined) {
      throw usageError("A shell cannot be opened in a container", "run");
    }
    const layer = flagsLayer(context);
    if (context.rest !== undefined) {
      if (layer.job_command !== undefined) {
        throw usageError(
          `--job-command and "--" cannot be used together`,
          "run",
        );
      }
      layer.job_command = { value: context.rest, origin: `"--"` };
    }
    const { host } = runnerInWorkDir(context);
    const jobFile = await findCommandJobFile(context, layer, host);
    if (jobFile === undefined && !hasCommand(layer, host)) {
      throw await noJobError(host.cwd);
    }
    const request = {
      layer,
      container,
      jobFile,
      rerunCommand: await createRerunCommand(context, jobFile),
    };
    if (!context.isOn("watch")) return await runWith(context, request);
    const { findJobSource, watchRuns } = await import("../watch/watch_runs.ts");
    return await watchRuns(
      context,
      findJobSource(context, layer, host),
      (context) => runWith(context, request),
    );
  },
};

/** Options for {@linkcode runWith}. */
export interface RunRequest {
  /** Layer of the options. */
  readonly layer: Layer;
  /** Path or text of a job file. */
  readonly jobFile: JobFileSource | undefined;
  /** Container for the command, if the runner starts one. */
  readonly container: ContainerSetting | undefined;
  /**
   * Returns the arguments of the command that reruns a single step.
   *
   * @default {unknown}
   */
  readonly rerunCommand?: (step: string) => readonly string[];
}

/** Runs a job, shows its steps, and prints the follow-up jobs. */
export async function runWith(
  context: CommandContext,
  { layer, jobFile, container, rerunCommand }: RunRequest,
): Promise<number> {
  await using watched = await watchSteps(context, jobFile);
  const runner = runnerInWorkDir(context, watched?.host);
  const result = await runJob(runner, layer, {
    jobFile,
    dryRun: context.isOn("dry-run"),
    onStepEvent: watched?.onStepEvent,
    container,
    rerunCommand,
  });
  if (!runner.workspace.inContainer) await printNextJobs(context, result);
  await runner.logger.flush();
  return result.exitCode;
}

/** Checks whether the job may have a command; plugins can set one as well. */
function hasCommand(layer: Layer, { env }: Host): boolean {
  const given = { ...environmentLayer(env), ...layer };
  return [given.job_command, given.plugin_dir, given.plugins]
    .some((setting) => setting !== undefined);
}

/** Checks whether shells may open while the job runs. */
function opensShells({ isOn, flags }: CommandContext): boolean {
  return isOn("shell-on-failure") || flags.has("break");
}

/** Opens the live view for a job file; other jobs have no steps. */
async function watchSteps(
  context: CommandContext,
  jobFile: JobFileSource | undefined,
): Promise<WatchedJob | undefined> {
  // A view and a shell cannot share the terminal.
  if (jobFile === undefined || opensShells(context)) return undefined;
  const { watchJob } = await import("../terminal/live_view.ts");
  return watchJob(context.runner.host);
}

/** Loads the module for the command only for a job that may have steps. */
async function createRerunCommand(
  context: CommandContext,
  jobFile: JobFileSource | undefined,
): Promise<RunRequest["rerunCommand"]> {
  if (typeof jobFile !== "string") return undefined;
  const { optionWords, rerunWords } = await import("../rerun_command.ts");
  const command = ["run", ...optionWords("--job-file", jobFile)];
  return (step) => rerunWords(context, { command, only: listText([step]) });
}

/** Ignores an image in a variable, which workers always set. */
function readContainer(
  { flags, switches }: CommandContext,
): ContainerSetting | undefined {
  const isOn = switches.get("container") ?? flags.has("runner-image");
  return isOn ? readContainerEngine(flags) : undefined;
}

/** Returns the container engine of the options. */
export function readContainerEngine(
  flags: CommandContext["flags"],
): ContainerSetting {
  const engine = flags.get(ENGINE_FLAG.name);
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
