import type { Condition } from "../../schema/scalars.ts";

/** State of a node of a workflow; the last five are final. */
export type NodeStatus =
  | "pending"
  | "waiting"
  | "submitted"
  | "running"
  | "completed"
  | "failed"
  | "cancelled"
  | "timeout"
  | "skipped";

/** Outcome of a node that ran. */
export type NodeEnd = "completed" | "failed" | "cancelled" | "timeout";

/** Properties of a node that conditions depend on. */
export interface ConditionalNode {
  /** Name for dependencies; all nodes of a fan-out share it. */
  readonly name: string;
  /** Names of its dependencies. */
  readonly dependsOn: readonly string[];
  /** Condition for running the node. */
  readonly condition: Condition;
}

/** Outcomes so far of the nodes that share a name. */
interface GroupEnd {
  /** Outcome of the first node that did not succeed. */
  firstUnsuccessful?: NodeEnd | "skipped";
  hasFailure: boolean;
}

/**
 * States of the nodes of a workflow, by index. Conditions follow the rules of
 * the coordinator.
 */
export class NodeStates {
  readonly #nodes: readonly ConditionalNode[];
  readonly #statuses: NodeStatus[];
  readonly #groups: ReadonlyMap<string, GroupEnd>;
  readonly #skipReasons = new Map<number, string>();

  /** Creates the states of nodes that have not started. */
  constructor(nodes: readonly ConditionalNode[]) {
    this.#nodes = nodes;
    this.#statuses = nodes.map(({ dependsOn }) =>
      dependsOn.length > 0 ? "waiting" : "pending"
    );
    this.#groups = new Map(
      nodes.map(({ name }) => [name, { hasFailure: false }]),
    );
  }

  /** Status of each node. */
  get statuses(): readonly NodeStatus[] {
    return this.#statuses;
  }

  /**
   * Returns why the condition of a node was not met.
   *
   * @returns The reason; `undefined` if the node was not skipped by a
   * condition.
   */
  skipReason(node: number): string | undefined {
    return this.#skipReasons.get(node);
  }

  /**
   * Evaluates the condition of a node whose dependencies have ended, and skips
   * the node if it is not met.
   *
   * @returns Whether the node starts.
   */
  submit(node: number): boolean {
    const reason = this.#findSkipReason(this.#nodes[node]);
    if (reason === undefined) {
      this.#statuses[node] = "submitted";
      return true;
    }
    this.#skipReasons.set(node, reason);
    this.end(node, "skipped");
    return false;
  }

  /** Marks a node as running. */
  start(node: number): void {
    this.#statuses[node] = "running";
  }

  /**
   * Records the outcome of a node.
   *
   * @param status Outcome, or `skipped`.
   */
  end(node: number, status: NodeEnd | "skipped"): void {
    this.#statuses[node] = status;
    const group = this.#groups.get(this.#nodes[node].name)!;
    if (status !== "completed") group.firstUnsuccessful ??= status;
    if (status !== "completed" && status !== "skipped") group.hasFailure = true;
  }

  #findSkipReason(
    { condition, dependsOn }: ConditionalNode,
  ): string | undefined {
    if (condition === "always") return undefined;
    const needs = dependsOn.flatMap((name) => {
      const group = this.#groups.get(name);
      return group === undefined ? [] : [{ name, group }];
    });
    const other = needs.find(({ group }) =>
      group.firstUnsuccessful !== undefined
    );
    const text = other &&
      describeEnd(other.name, other.group.firstUnsuccessful!);
    if (condition !== "any_failed") return text;
    if (needs.some(({ group }) => group.hasFailure)) return undefined;
    return "none of its dependencies failed" + (text ? `: ${text}` : "");
  }
}

function describeEnd(name: string, status: NodeEnd | "skipped"): string {
  if (status === "timeout") return `"${name}" timed out`;
  return status === "failed" ? `"${name}" failed` : `"${name}" was ${status}`;
}

/** Status of a workflow. */
export type WorkflowStatus =
  | "running"
  | "success"
  | "failed"
  | "cancelled"
  | "skipped";

/**
 * Derives the status of a workflow as the coordinator does.
 *
 * @param nodes Statuses of its nodes, including follow-up jobs.
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
