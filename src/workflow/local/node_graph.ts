import type { TriggerCondition } from "../../triggers/trigger.ts";

/** Where in its life a node of a workflow is; the last five are ends. */
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

/** How a node that was run has ended. */
export type NodeEnd = "completed" | "failed" | "cancelled" | "timeout";

/** What a graph has to know of a node. */
export interface GraphNode {
  /** Name that others depend on; all nodes of one fan-out share it. */
  readonly name: string;
  /** Names of which all nodes must be over first. */
  readonly dependsOn: readonly string[];
  /** When the node runs then. */
  readonly condition: TriggerCondition;
}

/** The nodes of one name, seen by those that depend on them. */
interface Group {
  openCount: number;
  isSuccess: boolean;
  hasFailure: boolean;
  readonly dependents: number[];
}

/**
 * The graph of a workflow and how far it is; nodes are known by their index.
 *
 * The rules are those of the coordinator, applied until nothing changes any
 * more. A node costs as much as it has dependencies: it is looked at again
 * only when all nodes of one name that it waits for are over.
 */
export class NodeGraph {
  readonly #nodes: readonly GraphNode[];
  readonly #statuses: NodeStatus[];
  readonly #groups = new Map<string, Group>();
  /** For each node, how many of the names that it depends on are not over. */
  readonly #open: number[];
  readonly #ready: number[] = [];
  readonly #settled: number[] = [];

  /**
   * Makes the graph of nodes of which none was looked at.
   *
   * @param nodes The nodes; a name that none of them has is waited for in vain.
   */
  constructor(nodes: readonly GraphNode[]) {
    this.#nodes = nodes;
    this.#statuses = nodes.map(() => "pending");
    for (const { name } of nodes) this.#groupOf(name).openCount++;
    this.#open = nodes.map(({ dependsOn }, at) => {
      const names = new Set(dependsOn);
      for (const name of names) this.#groupOf(name).dependents.push(at);
      return names.size;
    });
  }

  /** How each node stands. */
  get statuses(): readonly NodeStatus[] {
    return this.#statuses;
  }

  /**
   * Looks at every node for the first time.
   *
   * @param done Nodes that were completed earlier.
   */
  begin(done: readonly number[] = []): void {
    for (const node of done) this.#settle(node, "completed");
    this.#nodes.forEach((_, at) => this.#evaluate(at));
    this.#advance();
  }

  /** Takes the nodes that are to be run, in the order in which they got ready. */
  takeReady(): number[] {
    return this.#ready.splice(0);
  }

  /**
   * Notes that a node is being run.
   *
   * @param node The node.
   */
  start(node: number): void {
    this.#statuses[node] = "running";
  }

  /**
   * Notes how a node has ended; others may get ready by it.
   *
   * @param node The node.
   * @param status How it ended, or that it is not to run here.
   */
  end(node: number, status: NodeEnd | "skipped"): void {
    this.#settle(node, status);
    this.#advance();
  }

  /** Skipping one node may let the next one be skipped: without recursion. */
  #advance(): void {
    for (let node; (node = this.#settled.pop()) !== undefined;) {
      const group = this.#groupOf(this.#nodes[node].name);
      if (--group.openCount > 0) continue;
      for (const dependent of group.dependents) {
        this.#open[dependent]--;
        this.#evaluate(dependent);
      }
    }
  }

  #evaluate(node: number): void {
    const status = this.#statuses[node];
    if (status !== "pending" && status !== "waiting") return;
    if (this.#open[node] > 0) this.#statuses[node] = "waiting";
    else if (this.#isWanted(this.#nodes[node])) {
      this.#statuses[node] = "submitted";
      this.#ready.push(node);
    } else this.#settle(node, "skipped");
  }

  #isWanted({ condition, dependsOn }: GraphNode): boolean {
    if (condition === "always") return true;
    const groups = dependsOn.map((name) => this.#groupOf(name));
    return condition === "any_failed"
      ? groups.some(({ hasFailure }) => hasFailure)
      : groups.every(({ isSuccess }) => isSuccess);
  }

  #settle(node: number, status: NodeEnd | "skipped"): void {
    this.#statuses[node] = status;
    const group = this.#groupOf(this.#nodes[node].name);
    if (status !== "completed") group.isSuccess = false;
    if (status !== "completed" && status !== "skipped") group.hasFailure = true;
    this.#settled.push(node);
  }

  #groupOf(name: string): Group {
    const known = this.#groups.get(name);
    if (known !== undefined) return known;
    const group = {
      openCount: 0,
      isSuccess: true,
      hasFailure: false,
      dependents: [],
    };
    this.#groups.set(name, group);
    return group;
  }
}
