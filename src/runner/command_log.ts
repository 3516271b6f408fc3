import { WORKER_LINE_BYTES } from "../options/options.ts";
import type { JobConfig } from "../config/job_config.ts";
import { bareLog, type StepLog, tailedLog } from "../output/job_log.ts";
import type { Sinks } from "../output/printer.ts";
import type { Workspace } from "../workspace/layout.ts";
import type { RunnerParts } from "./runner_parts.ts";

/**
 * Opens the log of a job that is one command. Output passes through unchanged,
 * unless it must be JSON, have timestamps, or have lines of limited length.
 *
 * @param parts The context of the runner.
 * @param config Configuration of the job.
 * @param name Name of the only step.
 * @param keepsTail Whether the log keeps its last lines.
 * @param sinks Sinks for the output.
 * @returns The log.
 */
export async function openCommandLog(
  parts: RunnerParts,
  config: JobConfig,
  name: string,
  keepsTail: boolean,
  sinks: Sinks = parts,
): Promise<StepLog> {
  const { host, workspace, logger } = parts;
  const { stdout, stderr } = config.triggers.transport === "stdout"
    ? (await import("./filtered_sinks.ts")).filteredSinks(parts, sinks)
    : sinks;
  const limit = maxLineBytes(config, workspace);
  const isJson = host.env.LOG_FORMAT === "json";
  const { timestamps } = config.output;
  if (!isJson && limit === undefined && !timestamps) {
    if (!keepsTail) return bareLog(stdout, stderr);
    const { LogTail } = await import("../output/log_tail.ts");
    return tailedLog(stdout, stderr, new LogTail());
  }
  const { createJobLog } = await import("../output/create_job_log.ts");
  const log = createJobLog({
    stdout,
    stderr,
    style: isJson ? "json" : "plain",
    steps: [name],
    timestamps,
    maxLineBytes: limit,
    onWarning: (message) => logger.warn("logs", message),
  });
  return await log.openStep(name);
}

/**
 * Returns the maximum length of a printed line.
 *
 * @param config Configuration of the job.
 * @param workspace The workspace.
 * @returns Length in bytes, without the line break; `undefined` if unlimited.
 */
export function maxLineBytes(
  { output: { maxLineBytes } }: JobConfig,
  { inContainer }: Workspace,
): number | undefined {
  return maxLineBytes ?? (inContainer ? WORKER_LINE_BYTES : undefined);
}
