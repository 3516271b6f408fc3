import { RunnerError } from "../../errors.ts";
import { suggest } from "../../suggest.ts";
import type { LocalJob } from "./local_job.ts";
import type { LocalWorkflow } from "./run_workflow.ts";
import { WorkflowVariables } from "./variables.ts";
import type { JobRecords } from "./workflow_state.ts";

/**
 * Takes some of the jobs out of a workflow, so that they can be run alone.
 *
 * What they wait for elsewhere is taken for done; the variables and outputs of
 * jobs that have succeeded earlier are there.
 *
 * @param workflow The workflow.
 * @param names Names of the jobs.
 * @param earlier What is known of earlier runs.
 * @returns A workflow of these jobs.
 * @throws {RunnerError} `invalid-config`, if there is no job of a name.
 */
export function selectJobs(
  { vars, jobs }: LocalWorkflow,
  names: readonly string[],
  earlier: JobRecords,
): LocalWorkflow {
  const known = new Set(jobs.map(({ name }) => name));
  for (const name of names) {
    if (!known.has(name)) throw unknownJob(name, known);
  }
  const chosen = new Set(names);
  const variables = new WorkflowVariables(vars);
  for (const record of earlier.values()) {
    const { status, name, origin } = record;
    if (status !== "completed" || origin !== undefined) continue;
    if (!chosen.has(name)) variables.add(name, record);
  }
  return {
    vars: JSON.parse(variables.text),
    jobs: jobs.filter(({ name }) => chosen.has(name))
      .map((job) => withoutOthers(job, chosen)),
  };
}

function withoutOthers(
  job: LocalJob,
  chosen: ReadonlySet<string>,
): LocalJob {
  const dependsOn = job.dependsOn.filter((name) => chosen.has(name));
  // Whoever asks for a job that waits for a failure wants to see it run.
  const isAlone = dependsOn.length === 0;
  return { ...job, dependsOn, ...isAlone ? { condition: "always" } : {} };
}

function unknownJob(name: string, known: Iterable<string>): RunnerError {
  const near = suggest(name, known);
  return new RunnerError(
    `Cannot run job "${name}": the workflow has none of that name` +
      (near === undefined ? "" : `; did you mean "${near}"?`),
    { code: "invalid-config" },
  );
}
