import {
  type WorkflowEntry,
  writeOutput,
} from "../triggers/variables/output_file.ts";
import { removeStale } from "./remove_stale.ts";
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
  const { host: { env }, workspace, logger, startedAt } = parts;
  const path = workspacePath(parts, env.RC_WF_OUTPUT_FILE || OUTPUT_FILE);
  if (workspace.inContainer && path !== OUTPUT_FILE) {
    logger.warn("workflow", `A worker reads ${OUTPUT_FILE}, not "${path}"`);
  }
  if (!workspace.inContainer) {
    await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
    await removeStale(path, startedAt);
  }
  if (entry.kind === "outputs") warnOfFanOut(parts, entry.key);
  await writeOutput(path, entry);
}

/** All jobs of a fan-out write the same variable, and the second value is a conflict. */
function warnOfFanOut({ host, logger }: RunnerParts, key: string): void {
  const { RC_WF_NODE_NAME = "", RC_WF_RUN_ID = "" } = host.env;
  const [, index] = /\[(\d+)\]$/.exec(RC_WF_NODE_NAME) ?? [];
  if (index === undefined || key.includes(index)) return;
  if (RC_WF_RUN_ID !== "" && key.includes(RC_WF_RUN_ID)) return;
  logger.warn(
    "workflow",
    `Output "${key}" is that of every job of the fan-out: different values make the workflow fail`,
  );
}
