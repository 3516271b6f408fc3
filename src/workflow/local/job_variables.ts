import type { Host } from "../../host.ts";
import type { JobRequest } from "./executor.ts";

/** What describes another job, or is its key to the coordinator. */
const FOREIGN_VARIABLES =
  /^(RC_WF_.*|REACTORCIDE_(API_TOKEN|COORDINATOR_URL|JOB_.*|CODE_DIR|ARTIFACTS_DIR|RUNNER_IMAGE|SOURCE_.*|CI_SOURCE_.*|GIT_URL|GIT_REF|QUEUE|IN_CONTAINER|WORKER_MODE|WORKSPACE|TRIGGERS?_.*|SECRETS_SOCKET|OUTPUT.*|VCS_AUTH_.*|EVENT_TYPE|BRANCH|SHA|PR_.*|DIFF_BASE|HEAD_.*|BASE_.*|IS_FORK_PR))$/;

/** Longest text that Linux takes for one variable, less some room for its name. */
const LONGEST_VARIABLE = 127 * 1024;

/** What is told to a job besides its own variables. */
export interface JobSurroundings {
  /** Absolute path of what the job knows as `/job`, as the job sees it. */
  readonly workspace: string;
  /** Whether the job has a container of its own. */
  readonly inContainer: boolean;
  /** Absolute path of the file that tells how the jobs stand, if the job can see it. */
  readonly stateFile: string | undefined;
  /** Variables that describe the event. */
  readonly event: Readonly<Record<string, string>>;
}

/**
 * Gives the environment of the runner to the runner of a job, without what
 * belongs to another job or to the coordinator.
 *
 * @param env Environment of the runner.
 * @returns The environment.
 */
export function inheritedVariables(
  env: Host["env"],
): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).filter(([name]) => !FOREIGN_VARIABLES.test(name)),
  );
}

/**
 * Gives the variables that tell a job where in a workflow it is.
 *
 * @param request The job.
 * @param surroundings What is around it.
 * @returns The variables.
 */
export function jobVariables(
  request: JobRequest,
  { workspace, inContainer, stateFile, event }: JobSurroundings,
): Record<string, string> {
  const { node, workflowId } = request;
  const vars = request.varsText();
  return {
    REACTORCIDE_JOB_ID: crypto.randomUUID(),
    REACTORCIDE_QUEUE: "local",
    REACTORCIDE_WORKER_MODE: "local",
    REACTORCIDE_IN_CONTAINER: String(inContainer),
    REACTORCIDE_TRIGGERS_FILE: "/job/triggers.json",
    ...inContainer ? {} : { REACTORCIDE_WORKSPACE: workspace },
    ...stateFile === undefined
      ? {}
      : { REACTORCIDE_WORKFLOW_STATE_FILE: stateFile },
    RC_WF_ID: workflowId,
    RC_WF_NODE_ID: crypto.randomUUID(),
    RC_WF_RUN_ID: crypto.randomUUID(),
    RC_WF_NODE_NAME: node.displayName,
    RC_WF_VARS_FILE: `${workspace}/workflow-vars.json`,
    RC_WF_OUTPUT_FILE: `${workspace}/workflow-output.json`,
    ...vars.length * 3 > LONGEST_VARIABLE &&
        new TextEncoder().encode(vars).length > LONGEST_VARIABLE
      ? {}
      : { RC_WF_VARS_JSON: vars },
    ...event,
  };
}
