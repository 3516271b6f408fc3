/** Maximum number of names in the text about a cycle. */
const MAX_SHOWN = 10;

/** What a graph needs to know about a node. */
export interface GraphNode {
  /** Name to depend on; several nodes may share it. */
  readonly group: string;
  /** Groups whose nodes must all end before this one starts. */
  readonly dependsOn: readonly string[];
}

/**
 * Which nodes depend on which. Nodes and groups are known by their index.
 *
 * Nodes depend on groups, not on nodes, so that the size is linear in the number
 * of names that they depend on: 1,000 nodes that depend on 1,000 others take
 * 1,000 edges.
 */
export interface Graph {
  /** Names of the groups. */
  readonly groups: readonly string[];
  /** For each group, its nodes; none if no node has the name. */
  readonly members: readonly (readonly number[])[];
  /** For each group, the nodes that depend on it. */
  readonly dependents: readonly (readonly number[])[];
  /** For each node, its group. */
  readonly groupOf: readonly number[];
  /** For each node, the groups that it depends on, each once. */
  readonly needs: readonly (readonly number[])[];
}

/**
 * Links nodes by the names that they depend on.
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

/** Counts what nodes still wait for. */
class Progress {
  readonly #graph: Graph;
  /** For each node, the groups that it waits for. */
  readonly #openNeeds: number[];
  /** For each group, its nodes that have not ended. */
  readonly #openMembers: number[];

  constructor(graph: Graph) {
    this.#graph = graph;
    this.#openNeeds = graph.needs.map(({ length }) => length);
    this.#openMembers = graph.members.map(({ length }) => length);
  }

  /** Nodes that wait for nothing. */
  ready(): number[] {
    return this.#openNeeds.flatMap((count, node) => count === 0 ? [node] : []);
  }

  /** Notes that a node has ended, and adds those that become ready to a list. */
  end(node: number, ready: number[]): void {
    const group = this.#graph.groupOf[node];
    if (--this.#openMembers[group] > 0) return;
    for (const dependent of this.#graph.dependents[group]) {
      if (--this.#openNeeds[dependent] === 0) ready.push(dependent);
    }
  }
}

/**
 * Puts nodes behind those that they depend on.
 *
 * @returns Nodes in the order in which they would become ready, without those
 * that never would, because of a cycle or of a group that has no node.
 */
export function topologicalOrder(graph: Graph): number[] {
  const progress = new Progress(graph);
  const order = progress.ready();
  // The list grows while it is walked through.
  for (const node of order) progress.end(node, order);
  return order;
}

/**
 * Finds a cycle. It does not recurse: chains may be long.
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
  // A node that never becomes ready depends on another one: following these
  // comes back to a group.
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

/**
 * Describes a cycle.
 *
 * @param names Names, each depending on the next and the last on the first.
 * @returns Text such as `waits for itself: a → b → a`, which follows the name.
 */
export function cycleText(names: readonly string[]): string {
  const hiddenCount = names.length - MAX_SHOWN;
  const shown = names.slice(0, MAX_SHOWN);
  if (hiddenCount > 0) shown.push(`(${hiddenCount} more)`);
  return `waits for itself: ${[...shown, names[0]].join(" → ")}`;
}

/** Options for {@linkcode schedule}. */
export interface ScheduleOptions {
  /** Maximum number of nodes that run at the same time. */
  concurrency: number;
  /**
   * Nodes that have ended before.
   *
   * @default {none}
   */
  ended?: readonly number[];
  /**
   * Called when the dependencies of a node have ended and a slot is free.
   *
   * @returns A promise that resolves when the node has ended and never rejects;
   * `undefined` for a node that does not run. If it resolves to `false`, nothing
   * that depends on the node starts.
   */
  start: (node: number) => Promise<boolean | void> | undefined;
  /**
   * Called once for a node whose dependencies have ended, and which waits for a
   * free slot.
   */
  onWait?: (node: number) => void;
}

/**
 * Walks the graph: starts each node when its dependencies have ended.
 *
 * Nodes start in the order in which they become ready; those that become ready
 * together start in the order of the graph. The cost per edge is constant, and
 * nothing recurses.
 *
 * @param options Concurrency and what to do with a node.
 * @returns A promise that resolves when nothing runs and nothing can start.
 */
export function schedule(
  graph: Graph,
  { concurrency, ended = [], start, onWait }: ScheduleOptions,
): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const progress = new Progress(graph);
  const isEnded = new Set(ended);
  const ready = progress.ready().filter((node) => !isEnded.has(node));
  for (const node of isEnded) progress.end(node, ready);
  let next = 0;
  let announced = 0;
  let runningCount = 0;

  function advance(): void {
    while (next < ready.length && runningCount < concurrency) {
      const node = ready[next++];
      if (isEnded.has(node)) continue;
      const running = start(node);
      if (running === undefined) {
        progress.end(node, ready);
        continue;
      }
      runningCount++;
      running.then((hasEnded) => {
        runningCount--;
        if (hasEnded !== false) progress.end(node, ready);
        advance();
      });
    }
    if (runningCount === 0) return resolve();
    if (onWait === undefined) return;
    for (announced = Math.max(announced, next); announced < ready.length;) {
      const node = ready[announced++];
      if (!isEnded.has(node)) onWait(node);
    }
  }

  advance();
  return promise;
}
