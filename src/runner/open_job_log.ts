import type { JobConfig } from "../config/job_config.ts";
import { Variable } from "../environment/variables.ts";
import { createJobLog } from "../output/create_job_log.ts";
import type { GroupMarkers, Sinks } from "../output/printer.ts";
import type { JobLogStyle } from "../output/step_printers.ts";
import type { JobLog } from "../output/job_log.ts";
import { partialLogs } from "../output/log_directory.ts";
import { shouldUseColor } from "../terminal/text.ts";
import { maxLineBytes } from "./command_log.ts";
import { claimPath, ownsPath } from "../workspace/owned_paths.ts";
import { beginRun } from "../workspace/run_files.ts";
import { pathExists } from "../fs/files.ts";
import type { RunnerParts } from "./runner_parts.ts";

/** What the CI system around a run reads in its log. */
export interface OutputMarkers {
  /** Borders of groups. */
  readonly groups: GroupMarkers;
  /** Where the output of steps goes, if markers in it are broken there. */
  readonly sinks: Sinks | undefined;
}

/** Options for {@linkcode openJobLog}. */
export interface OpenJobLogOptions {
  /** What the steps are called. */
  labels: readonly string[];
  /** Absolute path of the directory of the job's artifacts. */
  artifactsPath: string;
  /** What a CI system reads between the output of steps, if it is annotated. */
  markers: OutputMarkers | undefined;
  /** Whether no two steps can run at once. */
  isInOrder: boolean;
  /** Hears how far a step is. */
  onProgress: (step: string, text: string) => void;
}

/**
 * Opens the log of a job's steps, and reports what an earlier run that was
 * killed has left of its own.
 *
 * @param parts The context of the runner.
 * @param config Configuration of the job.
 * @param options Steps and place.
 * @returns The log.
 */
export async function openJobLog(
  parts: RunnerParts,
  config: JobConfig,
  options: OpenJobLogOptions,
): Promise<JobLog> {
  const { host, logger, workspace, masker } = parts;
  const { labels, artifactsPath, markers, isInOrder, onProgress } = options;
  const sinks = markers?.sinks ?? parts;
  const { stdout, stderr } = config.triggers.transport === "stdout"
    ? (await import("./filtered_sinks.ts")).filteredSinks(parts, sinks)
    : sinks;
  const logDirectory = `${artifactsPath}/logs`;
  const warn = (message: string) => logger.warn("logs", message);
  // A step of the job around this one is still writing to its own.
  const isNested = (host.env[Variable.workspaceLock] ?? "") !== "";
  const left = isNested ? [] : await partialLogs(logDirectory, warn);
  if (left.length > 0) {
    warn(
      `An earlier run was killed; removed its unfinished logs: ${
        left.join(", ")
      }`,
    );
  }
  if (!workspace.inContainer) await beginLogs(parts, artifactsPath);
  const log = createJobLog({
    stdout,
    stderr,
    timestamps: config.output.timestamps,
    style: styleOf(host.env, config, labels.length),
    steps: labels,
    color: shouldUseColor(host.env, host.stdout.isTerminal()),
    logDirectory,
    groups: markers && {
      markers: markers.groups,
      sink: parts.stdout,
      // Lines of another stream would be outside.
      isInOrder: isInOrder && config.output.stderr === "merged",
    },
    maxLineBytes: maxLineBytes(config, workspace),
    masker,
    onWarning: warn,
    onProgress,
  });
  parts.onJobLog?.(log);
  return log;
}

/**
 * Removes the logs of earlier runs. In a directory that the user created, only
 * those of the runner are removed.
 */
async function beginLogs(
  { workspace, run }: RunnerParts,
  artifactsPath: string,
): Promise<void> {
  const directory = `${artifactsPath}/logs`;
  if (!await pathExists(directory)) {
    await claimPath(workspace, directory);
  } else if (
    !await ownsPath(workspace, artifactsPath) &&
    !await ownsPath(workspace, directory)
  ) return;
  await beginRun(workspace, [directory], run);
}

function styleOf(
  env: Readonly<Record<string, string>>,
  { output }: JobConfig,
  stepCount: number,
): JobLogStyle {
  if (env.LOG_FORMAT === "json") return "json";
  if (output.group) return "grouped";
  return stepCount > 1 ? "prefixed" : "plain";
}
