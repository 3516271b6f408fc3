import { Variable } from "../environment/variables.ts";
import {
  type WorkflowEntry,
  writeOutput,
} from "../triggers/state/workflow_variables.ts";
import { lockRunFile } from "../workspace/run_files.ts";
import type { RunnerParts } from "./runner_parts.ts";
import { workspacePath } from "./workspace_path.ts";

/** The only file that a worker reads. */
const OUTPUT_FILE = "/job/workflow-output.json";

/**
 * Says something to the workflow of a job.
 *
 * @param parts What the runner owns.
 * @param entry Variable or output.
 * @throws {TypeError} If the key is empty or the value is not plain JSON data.
 * @throws {RunnerError} `output-failed`, if it cannot be written.
 */
export async function setOutput(
  parts: RunnerParts,
  entry: WorkflowEntry,
): Promise<void> {
  const { workspace, logger, run } = parts;
  const path = outputPath(parts);
  if (workspace.inContainer && path !== OUTPUT_FILE) {
    logger.warn("workflow", `A worker reads ${OUTPUT_FILE}, not "${path}"`);
  }
  if (!workspace.inContainer) {
    await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
  }
  if (entry.kind === "outputs") warnOfFanOut(parts, entry.key);
  await writeOutput(path, entry, {
    lock: () => lockRunFile(workspace, path, run),
    // A worker may read it as another user.
    mode: workspace.inContainer ? 0o644 : 0o600,
  });
}

/**
 * Finds the file that a worker reads when the job is over.
 *
 * @param parts What the runner owns.
 * @returns Absolute path.
 */
export function outputPath(parts: RunnerParts): string {
  const path = parts.host.env[Variable.workflowOutputFile] || OUTPUT_FILE;
  return workspacePath(parts, path);
}

/** All jobs of a fan-out write the same variable, and the second value is a conflict. */
function warnOfFanOut({ host, logger }: RunnerParts, key: string): void {
  const nodeName = host.env[Variable.workflowNodeName] ?? "";
  const runId = host.env[Variable.workflowRunId] ?? "";
  const [, index] = /\[(\d+)\]$/.exec(nodeName) ?? [];
  if (index === undefined || key.includes(index)) return;
  if (runId !== "" && key.includes(runId)) return;
  logger.warn(
    "workflow",
    `Output "${key}" is that of every job of the fan-out: different values make the workflow fail`,
  );
}
