import type { LocalNode } from "./local_job.ts";
import type { NodeStates, NodeStatus } from "./node_states.ts";
import type { WorkflowVariables } from "./variables.ts";

/** What is told of a job that this run did not start. */
export const NEVER_RUN = {
  exitCode: null,
  startedAt: null,
  durationMs: 0,
  tail: [],
} as const;

/** How one job of a workflow has ended, or stands. */
export interface WorkflowJobResult {
  /** Key of the job. */
  readonly key: string;
  /** How it ended; `waiting` and `submitted` for one that was never run. */
  readonly status: NodeStatus;
  /** Exit code, `null` if it has none. */
  readonly exitCode: number | null;
  /** When it was started, `null` if it was not in this run. */
  readonly startedAt: Date | null;
  /** How long it took, in milliseconds. */
  readonly durationMs: number;
  /** Why it ended as it did, if there is more to say. */
  readonly reason?: string;
  /** The last lines that it printed. */
  readonly tail: readonly string[];
}

/** A workflow of its own: that of the file, or what one job has left. */
export interface Part {
  /** Id of the workflow. */
  readonly id: string;
  /** Its nodes. */
  readonly nodes: readonly LocalNode[];
  /** Keys of the nodes. */
  readonly keys: readonly string[];
  /** How its nodes stand. */
  readonly states: NodeStates;
  /** Variables of the workflow. */
  readonly variables: WorkflowVariables;
  /** How nodes have ended. */
  readonly ends: Map<number, Omit<WorkflowJobResult, "key" | "status">>;
  /** Where the nodes come from, unless the workflow file has them. */
  readonly origin: string | undefined;
  /** How many jobs have triggered one another before this workflow. */
  readonly depth: number;
  /** Workflows of follow-up jobs, which are waited for. */
  readonly children: Promise<void>[];
}

/**
 * Tells how the nodes of a workflow have ended.
 *
 * @param part The workflow.
 * @returns A result for each node.
 */
export function resultsOf({ keys, states, ends }: Part): WorkflowJobResult[] {
  return keys.map((key, node) => ({
    ...NEVER_RUN,
    reason: states.skipReason(node),
    ...ends.get(node),
    key,
    status: states.statuses[node],
  }));
}
