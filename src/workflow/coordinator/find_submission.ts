import { listJobs } from "../../coordinator/jobs.ts";
import { readWorkflowState } from "../../coordinator/workflows.ts";
import type { RunnerContext } from "../../runner/runner_context.ts";
import { truncated } from "../../terminal/text.ts";
import {
  type CoordinatorSettings,
  openCoordinator,
} from "./coordinator_clients.ts";
import { MAX_NAME, nodeName } from "./job_watcher.ts";
import {
  readSubmissions,
  type Submission,
  submissionDirectory,
} from "./submission_file.ts";

/**
 * Finds a workflow to follow: one that was submitted from a CI root, or else any
 * workflow of the coordinator, whose jobs are only known once they have started.
 *
 * @param id Id of the workflow or of its document.
 * @throws {RunnerError} `invalid-config`, `coordinator-failed` or
 * `coordinator-forbidden`.
 */
export async function findSubmission(
  id: string,
  { root, runner, settings, signal }: {
    root: string;
    runner: RunnerContext;
    settings: CoordinatorSettings;
    signal: AbortSignal;
  },
): Promise<Submission> {
  const saved = await readSubmissions(submissionDirectory(root));
  const match = saved.find(({ workflowId, operationId }) =>
    workflowId === id || operationId === id
  );
  if (match !== undefined) return match;
  const client = openCoordinator(runner, settings, { isReader: true, signal });
  const { name } = await readWorkflowState(client, id);
  const jobs = await listJobs(client, { workflow_id: id });
  const names: Record<string, string> = Object.fromEntries(
    jobs.map(nodeName).sort().map((name) => [truncated(name, MAX_NAME), name]),
  );
  const operationId = crypto.randomUUID();
  return {
    version: 1,
    operationId,
    url: client.url,
    workflowId: id,
    earlier: {},
    names,
    definition: {
      id: `workflow-${id}`,
      hasOwnId: false,
      name: truncated(name, MAX_NAME),
      sourceFile: "",
      dependencyPaths: [],
      triggers: {},
      paths: {},
      vars: {},
      jobs: [],
    },
    workflow: {
      vars: {},
      jobs: Object.keys(names).map((name) => ({
        name,
        env: {},
        dependsOn: [],
        condition: "always",
      })),
    },
    document: {
      type: "trigger_job",
      operation_id: operationId,
      trigger_type: "runnerlib",
      jobs: [],
      workflow: { name, vars: {} },
    },
  };
}

/**
 * Finds a submission of a workflow that has not been followed to its end.
 *
 * @param workflow Id of the workflow as defined in its file.
 * @returns The newest one; `undefined` if there is none.
 */
export async function unfinishedSubmission(
  root: string,
  workflow: string,
): Promise<Submission | undefined> {
  const saved = await readSubmissions(submissionDirectory(root));
  return saved.find(({ definition }) => definition.id === workflow);
}
