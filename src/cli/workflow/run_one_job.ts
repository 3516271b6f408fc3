import { nextJobsText } from "../../triggers/next_jobs.ts";
import type { CommandContext } from "../command.ts";
import { usageError } from "../parse_arguments.ts";
import { loadWorkflow } from "./load_workflow.ts";
import { runAction } from "./run_action.ts";

/** Options of `run` that mean the same for a job of a workflow. */
const SHARED_FLAGS: readonly string[] = [
  "job",
  "workflow-file",
  "dry-run",
  "wait",
];

/**
 * Runs one job of a workflow file, and prints which ones come next.
 *
 * @param context What the command `run` got to work with.
 * @returns Exit code of the job.
 * @throws {RunnerError} `usage`, `invalid-config` or `invalid-workflow`.
 */
export async function runOneJob(context: CommandContext): Promise<number> {
  const { flags, switches, rest, parts, print } = context;
  const [job, file] = [flags.get("job"), flags.get("workflow-file")];
  if (typeof job !== "string" || typeof file !== "string") {
    throw usageError("--job and --workflow-file go together", "run");
  }
  const other = [...flags.keys(), ...switches.keys()]
    .find((name) => !SHARED_FLAGS.includes(name));
  if (other !== undefined || rest !== undefined) {
    throw usageError(
      `Cannot use ${
        rest ? '"--"' : `--${other}`
      } with --job: the workflow file says what runs`,
      "run",
    );
  }
  const loaded = await loadWorkflow(context, file);
  const result = await runAction(context, loaded, [job]);
  if (result === undefined) return 0;
  const { completed, exitCode } = result;
  const names = new Set(
    [...completed].map((key) => key.replace(/\[\d+\]$/, "")),
  );
  const next = loaded.workflow.jobs
    .map(({ name, body }) => ({ name, dependsOn: body.dependsOn ?? [] }))
    .filter(({ name, dependsOn }) =>
      dependsOn.includes(job) && !names.has(name)
    );
  if (exitCode === 0 && next.length > 0) {
    await print(`\n${nextJobsText(next, names, { workflowFile: file })}`);
  }
  await parts.logger.flush();
  return exitCode;
}
