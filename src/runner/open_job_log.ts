import type { JobConfig } from "../config/job_config.ts";
import { Variable } from "../environment/variables.ts";
import { createJobLog } from "../output/create_job_log.ts";
import type { GroupMarkers, LineFields, Sinks } from "../output/printer.ts";
import type { JobLogStyle } from "../output/step_printers.ts";
import type { JobLog } from "../output/job_log.ts";
import { removePartialLogs } from "../output/log_directory.ts";
import { shouldUseColor } from "../terminal/text.ts";
import { maxLineBytes } from "../output/line_limit.ts";
import { claimPath, ownsPath } from "../workspace/owned_paths.ts";
import { beginRun } from "../workspace/run_files.ts";
import { pathExists } from "../fs/files.ts";
import type { RunnerContext } from "./runner_context.ts";

/** Markers in the log for the surrounding CI system. */
export interface OutputMarkers {
  /** Markers around groups of lines. */
  readonly groups: GroupMarkers;
  /** Sinks that defuse markers in the output of steps, if needed. */
  readonly sinks: Sinks | undefined;
}

/** Options for {@linkcode openJobLog}. */
export interface OpenJobLogOptions {
  /** Labels of the steps in the log. */
  labels: readonly string[];
  /** Absolute path of the directory of the job's artifacts. */
  artifactsPath: string;
  /** Absolute path of the directory of the logs; unset if there are none. */
  logDirectory: string | undefined;
  /** Markers of the CI system that gets annotations, if there is one. */
  markers: OutputMarkers | undefined;
  /** Whether steps run strictly one after another. */
  isInOrder: boolean;
  /** Returns fields of lines that are JSON objects, by the label of a step. */
  fieldsOf: LineFields;
  /** Called when a step reports progress. */
  onProgress: (step: string, text: string) => void;
}

/**
 * Opens the log of a job's steps, and reports unfinished logs of an earlier run
 * that was killed.
 *
 * @param options Labels, directory and listener.
 */
export async function openJobLog(
  runner: RunnerContext,
  config: JobConfig,
  options: OpenJobLogOptions,
): Promise<JobLog> {
  const { host, logger, workspace, masker } = runner;
  const { labels, logDirectory, markers, isInOrder, fieldsOf, onProgress } =
    options;
  const sinks = markers?.sinks ?? runner;
  const { stdout, stderr } = config.triggers.transport === "stdout"
    ? (await import("../triggers/trigger_lines.ts")).filteredSinks(
      runner,
      sinks,
    )
    : sinks;
  const warn = (message: string) => logger.warn("logs", message);
  if (logDirectory !== undefined) {
    await beginLogs(runner, { ...options, logDirectory }, warn);
  }
  return createJobLog({
    stdout,
    stderr,
    timestamps: config.output.timestamps,
    style: styleOf(host.env, config, labels.length),
    steps: labels,
    color: shouldUseColor(host.env, host.stdout.isTerminal()),
    logDirectory,
    groups: markers && {
      markers: markers.groups,
      sink: runner.stdout,
      // Lines of a separate stream would be outside the group.
      isInOrder: isInOrder && config.output.stderr === "merged",
    },
    maxLineBytes: maxLineBytes(config, workspace),
    masker,
    getFields: fieldsOf,
    onWarning: warn,
    onProgress,
  });
}

/**
 * Removes the logs of earlier runs. In a directory that the user created, only
 * those of the runner are removed.
 */
async function beginLogs(
  { host, workspace, run }: RunnerContext,
  { artifactsPath, logDirectory }: {
    readonly artifactsPath: string;
    readonly logDirectory: string;
  },
  warn: (message: string) => void,
): Promise<void> {
  // A step of the outer job is still writing its log.
  const isNested = (host.env[Variable.workspaceLock] ?? "") !== "";
  const left = isNested ? [] : await removePartialLogs(logDirectory, warn);
  if (left.length > 0) {
    warn(
      `An earlier run was killed; removed its unfinished logs: ${
        left.join(", ")
      }`,
    );
  }
  if (workspace.inContainer) return;
  if (!await pathExists(logDirectory)) {
    await claimPath(workspace, logDirectory);
  } else if (
    !await ownsPath(workspace, artifactsPath) &&
    !await ownsPath(workspace, logDirectory)
  ) return;
  await beginRun(workspace, [logDirectory], run);
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
