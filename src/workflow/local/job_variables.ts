import { defaultOf } from "../../options/options.ts";
import { Variable } from "../../environment/variables.ts";
import type { JobRequest } from "./executor.ts";

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
    [Variable.jobId]: crypto.randomUUID(),
    [Variable.queue]: "local",
    [Variable.workerMode]: "local",
    [Variable.inContainer]: String(inContainer),
    [Variable.triggersFile]: defaultOf("triggers_file"),
    ...inContainer ? {} : { [Variable.workspace]: workspace },
    ...stateFile === undefined
      ? {}
      : { [Variable.workflowStateFile]: stateFile },
    [Variable.workflowId]: workflowId,
    [Variable.workflowNodeId]: crypto.randomUUID(),
    [Variable.workflowRunId]: crypto.randomUUID(),
    [Variable.workflowNodeName]: node.displayName,
    [Variable.workflowVarsFile]: `${workspace}/workflow-vars.json`,
    [Variable.workflowOutputFile]: `${workspace}/workflow-output.json`,
    ...vars.length * 3 > LONGEST_VARIABLE &&
        new TextEncoder().encode(vars).length > LONGEST_VARIABLE
      ? {}
      : { [Variable.workflowVarsJson]: vars },
    ...event,
  };
}
