import type { NodeEnd } from "./node_states.ts";
import type { LocalNode } from "./local_job.ts";
import type { JobOutputs } from "./variables.ts";
import type { TriggeredWorkflow } from "./workflow_state.ts";

/** A job to run now. */
export interface JobRequest {
  /** Key of the job, which no other job of the run has. */
  readonly key: string;
  /** The job. */
  readonly node: LocalNode;
  /** Id of the workflow that the job belongs to. */
  readonly workflowId: string;
  /** Returns the variables of the workflow as JSON. */
  readonly varsText: () => string;
  /** Aborted when the run is to end. */
  readonly signal: AbortSignal;
}

/** How a job has ended, and what it left. */
export interface JobOutcome extends JobOutputs {
  /** How it ended. */
  readonly status: NodeEnd;
  /** Its exit code, `null` if it never had one. */
  readonly exitCode: number | null;
  /** Why it ended as it did, if there is more to say. */
  readonly reason?: string;
  /** Follow-up jobs. */
  readonly triggers?: readonly TriggeredWorkflow[];
  /** The last lines that it printed, masked. */
  readonly tail?: readonly string[];
}

/**
 * Runs a job.
 *
 * @param request The job.
 * @returns How it ended; the job fails with whatever it throws.
 */
export type Executor = (request: JobRequest) => Promise<JobOutcome>;
