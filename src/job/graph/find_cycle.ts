/**
 * Finds a cycle in a graph, without recursion: a chain may be long.
 *
 * @param needs For each node, those it waits for.
 * @param dependents For each node, those that wait for it.
 * @returns Nodes, each waiting for the next and the last one for the first;
 * `undefined` if there is no cycle.
 */
export function findCycle(
  needs: readonly (readonly number[])[],
  dependents: readonly (readonly number[])[],
): number[] | undefined {
  const open = needs.map(({ length }) => length);
  const over = open.flatMap((count, node) => count === 0 ? [node] : []);
  for (let at = 0; at < over.length; at++) {
    for (const node of dependents[over[at]]) {
      if (--open[node] === 0) over.push(node);
    }
  }
  const start = open.findIndex((count) => count > 0);
  return start === -1 ? undefined : walk(start, needs, open);
}

/** Whoever never gets ready waits for another such node: sooner or later one comes again. */
function walk(
  start: number,
  needs: readonly (readonly number[])[],
  open: readonly number[],
): number[] {
  const places = new Map<number, number>();
  const path: number[] = [];
  let node = start;
  while (!places.has(node)) {
    places.set(node, path.length);
    path.push(node);
    node = needs[node].find((need) => open[need] > 0)!;
  }
  return path.slice(places.get(node));
}
