import type { Condition } from "../../schema/condition.ts";

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
  readonly condition: Condition;
}

/** The nodes of one name, seen by those that depend on them. */
interface Group {
  openCount: number;
  /** How the first of them ended that did not succeed. */
  firstOther?: NodeEnd | "skipped";
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
  readonly #skipReasons = new Map<number, string>();

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
   * Tells why a node was skipped by its condition.
   *
   * @param node The node.
   * @returns The reason; `undefined` for every other node.
   */
  skipReason(node: number): string | undefined {
    return this.#skipReasons.get(node);
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
    if (this.#open[node] > 0) {
      this.#statuses[node] = "waiting";
      return;
    }
    const reason = this.#findSkipReason(this.#nodes[node]);
    if (reason === undefined) {
      this.#statuses[node] = "submitted";
      this.#ready.push(node);
    } else {
      this.#skipReasons.set(node, reason);
      this.#settle(node, "skipped");
    }
  }

  #findSkipReason({ condition, dependsOn }: GraphNode): string | undefined {
    if (condition === "always") return undefined;
    const groups = dependsOn.map((name) => ({
      name,
      group: this.#groupOf(name),
    }));
    const other = groups.find(({ group }) => group.firstOther !== undefined);
    const text = other && endText(other.name, other.group.firstOther!);
    if (condition !== "any_failed") return text;
    if (groups.some(({ group }) => group.hasFailure)) return undefined;
    return "no job that it needs failed" + (text ? `: ${text}` : "");
  }

  #settle(node: number, status: NodeEnd | "skipped"): void {
    this.#statuses[node] = status;
    const group = this.#groupOf(this.#nodes[node].name);
    if (status !== "completed") group.firstOther ??= status;
    if (status !== "completed" && status !== "skipped") group.hasFailure = true;
    this.#settled.push(node);
  }

  #groupOf(name: string): Group {
    const known = this.#groups.get(name);
    if (known !== undefined) return known;
    const group: Group = {
      openCount: 0,
      hasFailure: false,
      dependents: [],
    };
    this.#groups.set(name, group);
    return group;
  }
}

function endText(name: string, status: NodeEnd | "skipped"): string {
  if (status === "timeout") return `"${name}" timed out`;
  return status === "failed" ? `"${name}" failed` : `"${name}" was ${status}`;
}
