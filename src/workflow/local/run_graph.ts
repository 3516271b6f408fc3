import type { NodeEnd, NodeGraph } from "./node_graph.ts";

/**
 * Goes through a graph until nothing is left that could be run.
 *
 * @param graph The graph, which has begun.
 * @param run Runs a node, sooner or later; gives `undefined` if it never ran,
 * because the whole run is being ended. It never rejects.
 * @returns A promise that resolves when no node runs any more.
 */
export function runGraph(
  graph: NodeGraph,
  run: (node: number) => Promise<NodeEnd | "skipped" | undefined>,
): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let openCount = 0;

  function advance(): void {
    for (const node of graph.takeReady()) {
      openCount++;
      run(node).then((end) => {
        openCount--;
        if (end !== undefined) graph.end(node, end);
        advance();
      });
    }
    if (openCount === 0) resolve();
  }

  advance();
  return promise;
}
