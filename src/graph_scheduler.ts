/** Properties of a node that a graph depends on. */
export interface GraphNode {
  /** Name for dependencies; several nodes may share it. */
  readonly group: string;
  /** Groups whose nodes must all end before this node starts. */
  readonly dependsOn: readonly string[];
}

/**
 * Dependencies between nodes. Nodes and groups are identified by index.
 *
 * Nodes depend on groups, not on nodes, so that the size is linear in the
 * number of names: 1,000 nodes that depend on 1,000 others of one group need
 * 1,000 edges.
 */
export interface Graph {
  /** Names of the groups. */
  readonly groups: readonly string[];
  /** For each group, its nodes; empty if no node has the name. */
  readonly members: readonly (readonly number[])[];
  /** For each group, the nodes that depend on it. */
  readonly dependents: readonly (readonly number[])[];
  /** For each node, its group. */
  readonly groupOf: readonly number[];
  /** For each node, the distinct groups that it depends on. */
  readonly needs: readonly (readonly number[])[];
}

/**
 * Creates the graph of nodes that depend on names.
 *
 * @returns The graph, which may have cycles and groups without a node.
 */
export function linkNodes(nodes: readonly GraphNode[]): Graph {
  const indexes = new Map<string, number>();
  const members: number[][] = [];
  const dependents: number[][] = [];
  function indexOf(name: string): number {
    const known = indexes.get(name);
    if (known !== undefined) return known;
    indexes.set(name, members.length);
    dependents.push([]);
    return members.push([]) - 1;
  }
  const groupOf = nodes.map(({ group }, node) => {
    const index = indexOf(group);
    members[index].push(node);
    return index;
  });
  const needs = nodes.map(({ dependsOn }, node) => {
    const names = dependsOn.length < 2 ? dependsOn : [...new Set(dependsOn)];
    const groups = names.map(indexOf);
    for (const group of groups) dependents[group].push(node);
    return groups;
  });
  return { groups: [...indexes.keys()], members, dependents, groupOf, needs };
}

/** Counts the unfinished dependencies of nodes. */
class Progress {
  readonly #graph: Graph;
  /** For each node, the number of groups that it waits for. */
  readonly #openNeeds: number[];
  /** For each group, the number of its nodes that have not ended. */
  readonly #openMembers: number[];

  constructor(graph: Graph) {
    this.#graph = graph;
    this.#openNeeds = graph.needs.map(({ length }) => length);
    this.#openMembers = graph.members.map(({ length }) => length);
  }

  /** Returns the nodes without dependencies. */
  ready(): number[] {
    return this.#openNeeds.flatMap((count, node) => count === 0 ? [node] : []);
  }

  /**
   * Records that a node has ended, and adds nodes that become ready to a list.
   */
  end(node: number, ready: number[]): void {
    const group = this.#graph.groupOf[node];
    if (--this.#openMembers[group] > 0) return;
    for (const dependent of this.#graph.dependents[group]) {
      if (--this.#openNeeds[dependent] === 0) ready.push(dependent);
    }
  }
}

/**
 * Sorts nodes topologically.
 *
 * @returns Nodes in the order in which they become ready, without those that
 * never do because of a cycle or a group without nodes.
 */
export function topologicalOrder(graph: Graph): number[] {
  const progress = new Progress(graph);
  const order = progress.ready();
  // The list grows during the iteration.
  for (const node of order) progress.end(node, order);
  return order;
}

/**
 * Checks whether the dependencies alone keep any two nodes from running at
 * once.
 *
 * @param graph A graph without cycles.
 */
export function isChain(graph: Graph): boolean {
  const progress = new Progress(graph);
  let ready = progress.ready();
  while (ready.length === 1) {
    const [node] = ready;
    ready = [];
    progress.end(node, ready);
  }
  return ready.length === 0;
}

/**
 * Finds a cycle, without recursion since chains may be long.
 *
 * @param graph A graph in which each group has a node.
 * @returns Names of groups, each depending on the next and the last on the
 * first; `undefined` if there is no cycle.
 */
export function findCycle(graph: Graph): string[] | undefined {
  const { groups, members, groupOf, needs } = graph;
  const ended = new Set(topologicalOrder(graph));
  const start = needs.findIndex((_, node) => !ended.has(node));
  if (start === -1) return undefined;
  const stuck = (group: number) =>
    members[group].find((node) => !ended.has(node));
  // A node that never becomes ready depends on another such node, so following
  // these dependencies leads back to a group.
  const path: number[] = [];
  const places = new Map<number, number>();
  let node = start;
  while (!places.has(groupOf[node])) {
    places.set(groupOf[node], path.length);
    path.push(groupOf[node]);
    node = needs[node].map(stuck).find((need) => need !== undefined)!;
  }
  return path.slice(places.get(groupOf[node])).map((group) => groups[group]);
}

/** Options for {@linkcode schedule}. */
export interface ScheduleOptions {
  /** Maximum number of concurrent nodes. */
  concurrency: number;
  /**
   * Checks whether a node counts among the concurrent nodes. One that does not
   * starts as soon as its dependencies have ended.
   *
   * @default {all count}
   */
  takesSlot?: (node: number) => boolean;
  /**
   * Returns the maximum number of concurrent nodes of the node's group, among
   * those that count.
   *
   * @default {no limit}
   */
  groupLimit?: (node: number) => number | undefined;
  /**
   * Nodes that have ended already.
   *
   * @default {none}
   */
  ended?: readonly number[];
  /**
   * Called when the dependencies of a node have ended and a slot is free.
   *
   * @returns A promise that resolves when the node has ended and never rejects;
   * `undefined` if the node does not run. If it resolves to `false`, dependents
   * of the node do not start.
   */
  start: (node: number) => Promise<boolean | void> | undefined;
  /**
   * Called once for a node whose dependencies have ended, and which waits for a
   * free slot.
   */
  onWait?: (node: number) => void;
}

/**
 * Runs a graph: starts each node when its dependencies have ended.
 *
 * Nodes start in the order in which they become ready, and in the order of the
 * graph if they become ready together. The cost per edge is constant, and
 * nothing is recursive.
 *
 * @returns A promise that resolves when no node runs or can start.
 */
export function schedule(
  graph: Graph,
  options: ScheduleOptions,
): Promise<void> {
  const { concurrency, ended = [], start, onWait, takesSlot } = options;
  const { promise, resolve } = Promise.withResolvers<void>();
  const progress = new Progress(graph);
  const endedNodes = new Set(ended);
  const ready = progress.ready().filter((node) => !endedNodes.has(node));
  for (const node of endedNodes) progress.end(node, ready);
  const queue = new SlotQueue(graph, options);
  let next = 0;
  let runningCount = 0;
  let slotCount = 0;

  function begin(node: number, slots: 0 | 1): void {
    const running = start(node);
    if (running === undefined) {
      if (slots > 0) queue.release(node);
      return progress.end(node, ready);
    }
    runningCount++;
    slotCount += slots;
    running.then((hasEnded) => {
      runningCount--;
      slotCount -= slots;
      if (slots > 0) queue.release(node);
      if (hasEnded !== false) progress.end(node, ready);
      advance();
    });
  }

  function advance(): void {
    while (true) {
      if (next < ready.length) {
        const node = ready[next++];
        if (endedNodes.has(node)) continue;
        if (takesSlot?.(node) === false) begin(node, 0);
        else queue.add(node);
        continue;
      }
      const node = slotCount < concurrency ? queue.take() : undefined;
      if (node === undefined) break;
      begin(node, 1);
    }
    if (runningCount === 0) return resolve();
    for (const node of queue.unreported()) onWait?.(node);
  }

  advance();
  return promise;
}

/** Nodes that wait for a slot, in the order in which they became ready. */
class SlotQueue {
  readonly #groupOf: readonly number[];
  readonly #groupLimit: NonNullable<ScheduleOptions["groupLimit"]>;
  readonly #nodes: number[] = [];
  #next = 0;
  /** Nodes that have been taken out because their group was full. */
  readonly #parked = new Map<number, number[]>();
  /** Parked nodes whose group has a free place. */
  readonly #unparked: number[] = [];
  /** For each group with a limit, the number of its running nodes. */
  readonly #counts = new Map<number, number>();
  #reportedCount = 0;

  constructor(
    { groupOf }: Graph,
    { groupLimit = () => undefined }: ScheduleOptions,
  ) {
    this.#groupOf = groupOf;
    this.#groupLimit = groupLimit;
  }

  add(node: number): void {
    this.#nodes.push(node);
  }

  /** Takes the first node whose group is not full. */
  take(): number | undefined {
    const unparked = this.#unparked.shift();
    if (unparked !== undefined) return this.#occupy(unparked);
    while (this.#next < this.#nodes.length) {
      const node = this.#nodes[this.#next++];
      const group = this.#groupOf[node];
      const limit = this.#groupLimit(node) ?? Infinity;
      if ((this.#counts.get(group) ?? 0) < limit) return this.#occupy(node);
      if (!this.#parked.has(group)) this.#parked.set(group, []);
      this.#parked.get(group)!.push(node);
    }
    return undefined;
  }

  /** Records that a node that was taken no longer runs. */
  release(node: number): void {
    const group = this.#groupOf[node];
    const count = this.#counts.get(group);
    if (count === undefined) return;
    this.#counts.set(group, count - 1);
    const parked = this.#parked.get(group)?.shift();
    if (parked !== undefined) this.#unparked.push(parked);
  }

  /** Lists the nodes that wait and were not listed before. */
  *unreported(): Generator<number> {
    // A node that was parked immediately has not been listed.
    for (
      let at = this.#reportedCount;
      at < this.#nodes.length;
      at = ++this.#reportedCount
    ) {
      const node = this.#nodes[at];
      if (at >= this.#next || this.#isParked(node)) yield node;
    }
  }

  #isParked(node: number): boolean {
    return this.#parked.get(this.#groupOf[node])?.includes(node) ?? false;
  }

  #occupy(node: number): number {
    if (this.#groupLimit(node) === undefined) return node;
    const group = this.#groupOf[node];
    this.#counts.set(group, (this.#counts.get(group) ?? 0) + 1);
    return node;
  }
}
