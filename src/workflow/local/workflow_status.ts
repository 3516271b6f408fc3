import type { NodeStatus } from "./node_states.ts";

/** How a workflow stands. */
export type WorkflowStatus =
  | "running"
  | "success"
  | "failed"
  | "cancelled"
  | "skipped";

/**
 * Tells how a workflow stands, as the coordinator does.
 *
 * @param nodes How its nodes stand, those of follow-up jobs among them.
 * @returns The status.
 */
export function workflowStatus(nodes: readonly NodeStatus[]): WorkflowStatus {
  const has = new Set(nodes);
  if (has.has("failed") || has.has("timeout")) return "failed";
  const open: readonly NodeStatus[] = [
    "pending",
    "waiting",
    "submitted",
    "running",
  ];
  if (open.some((status) => has.has(status))) return "running";
  if (has.has("cancelled")) return "cancelled";
  return has.has("completed") ? "success" : "skipped";
}
