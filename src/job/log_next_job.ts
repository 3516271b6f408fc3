import { nextJobsText } from "../triggers/next_jobs.ts";
import { readLocalState } from "../triggers/state/local_state.ts";
import { localStatePath } from "./find_job.ts";
import type { RunnerParts } from "./runner_parts.ts";

/** Options for {@linkcode Runner.logNextJob}. */
export interface LogNextJobOptions {
  /** Why the job is next; said among the runner's own messages. */
  reason?: string;
  /**
   * Names of the jobs that come first.
   *
   * @default {[]}
   */
  dependsOn?: readonly string[];
  /**
   * Path of the workflow file that holds the job.
   *
   * @default {"pipeline.yaml"}
   */
  workflowFile?: string;
}

/**
 * Prints which job comes next, and how to run it by hand.
 *
 * The jobs that come first are complete if the local workflow says so; where
 * there is none, whoever asks for the next job knows.
 *
 * @param parts What the runner owns.
 * @param name Name of the job.
 * @param options What else is known of it.
 */
export async function logNextJob(
  parts: RunnerParts,
  name: string,
  options: LogNextJobOptions,
): Promise<void> {
  const { masker, stdout, logger } = parts;
  const { reason, dependsOn = [], workflowFile = "pipeline.yaml" } = options;
  const completed = await completedJobs(parts) ?? new Set(dependsOn);
  const text = nextJobsText([{ name, dependsOn }], completed, { workflowFile });
  if (reason) logger.info("workflow", `${name} is next: ${reason}`);
  await stdout.write(new TextEncoder().encode(`${masker.maskText(text)}\n`));
  await logger.flush();
}

async function completedJobs(
  parts: RunnerParts,
): Promise<ReadonlySet<string> | undefined> {
  const state = await readLocalState(localStatePath(parts));
  if (state === null) return undefined;
  const completed = [...state.jobs].filter(([, instances]) =>
    instances.every(({ status }) => status === "completed")
  );
  return new Set(completed.map(([name]) => name));
}
