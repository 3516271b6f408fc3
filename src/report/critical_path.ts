import { linkNodes, topologicalOrder } from "../graph_scheduler.ts";
import type { StepRecord } from "./run_record.ts";

/** The steps that kept a run from being shorter. */
export interface CriticalPath {
  /** The steps; each waits for the one before it. */
  readonly steps: readonly StepRecord[];
  /** Sum of their times, retries included, in milliseconds. */
  readonly durationMs: number;
}

/**
 * Finds the chain of dependent steps that took longest. Even with unlimited
 * concurrency, the run could not have been shorter.
 *
 * @param steps Steps of a run; those in a cycle are left out.
 * @returns The path. If several are equally long, the one whose last step comes
 * first in the job.
 */
export function findCriticalPath(steps: readonly StepRecord[]): CriticalPath {
  const graph = linkNodes(steps);
  const before = new Array<number | undefined>(steps.length);
  const lengths = new Array<number>(steps.length).fill(0);
  // Many steps may wait for a group with many members, so its longest member is
  // found only once.
  const longest = new Array<number | undefined>(graph.groups.length);
  for (const node of topologicalOrder(graph)) {
    for (const group of graph.needs[node]) {
      const need = longest[group];
      const previous = before[node];
      if (need === undefined) continue;
      if (previous === undefined || lengths[need] > lengths[previous]) {
        before[node] = need;
      }
    }
    const previous = before[node];
    const { durationMs, startMs = 0, readyMs } = steps[node];
    // Steps that need a service do not wait for its end.
    lengths[node] = (readyMs === undefined ? durationMs : readyMs - startMs) +
      (previous === undefined ? 0 : lengths[previous]);
    const group = graph.groupOf[node];
    const other = longest[group];
    if (other === undefined || lengths[node] > lengths[other]) {
      longest[group] = node;
    }
  }
  const last = lengths.reduce(
    (best, length, node) => length > lengths[best] ? node : best,
    0,
  );
  const path: StepRecord[] = [];
  for (
    let node: number | undefined = last;
    node !== undefined && steps.length > 0;
    node = before[node]
  ) {
    path.push(steps[node]);
  }
  return { steps: path.reverse(), durationMs: lengths[last] ?? 0 };
}
