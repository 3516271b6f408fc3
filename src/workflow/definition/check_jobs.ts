import type { DocumentNode } from "../../config/job_file/node.ts";
import { findCycle, linkNodes } from "../../graph.ts";
import { suggest } from "../../suggest.ts";

/** Most names that the picture of a cycle shows. */
const MOST_SHOWN = 10;

/** Keys under which dependencies stand. */
const DEPENDENCY_KEYS: readonly string[] = ["depends_on", "needs"];

/** What is checked of a job, and where it stands. */
export interface CheckedJob {
  /** Name of the job. */
  readonly name: string;
  /** Names of jobs that come first. */
  readonly dependsOn: readonly string[];
  /** Entry of the job. */
  readonly node: DocumentNode;
}

/**
 * Reports what would make jobs wait for ever: names that are given twice or
 * are unknown, and cycles.
 *
 * @param jobs Jobs of one workflow.
 */
export function checkJobs(jobs: readonly CheckedJob[]): void {
  const places = new Map<string, number>();
  jobs.forEach(({ name, node }, at) => {
    const first = places.get(name);
    if (first === undefined) places.set(name, at);
    else {
      const { node: other } = jobs[first];
      node.explain(() => `${node.label} has the name of the job at`, other);
    }
  });
  const cycle = findCycle(linkNodes(jobs.map((job) => {
    const { name: group, dependsOn } = job;
    const known = dependsOn.filter((name) => places.has(name));
    for (const name of dependsOn) {
      if (!places.has(name)) reportUnknown(job, name, places.keys());
    }
    return { group, dependsOn: known };
  })));
  if (cycle === undefined) return;
  const { node } = jobs[places.get(cycle[0])!];
  node.report(`waits for itself: ${picture(cycle)}`);
}

function reportUnknown(
  { node }: CheckedJob,
  name: string,
  known: Iterable<string>,
): void {
  const place = dependencyNode(node, name) ?? node;
  place.explain(() => {
    const near = suggest(name, known);
    return `${place.label} names ${JSON.stringify(name)}, which is no job` +
      (near === undefined ? "" : `; did you mean ${JSON.stringify(near)}?`);
  });
}

/** The dependency may stand in a job file, whose place is not at hand. */
function dependencyNode(
  node: DocumentNode,
  name: string,
): DocumentNode | undefined {
  for (const [key, value] of node.entries ?? []) {
    if (key === "job") {
      const found = dependencyNode(value, name);
      if (found !== undefined) return found;
    }
    if (!DEPENDENCY_KEYS.includes(key)) continue;
    const found = [value, ...value.items ?? []].find((it) => it.text === name);
    if (found !== undefined) return found;
  }
  return undefined;
}

function picture(names: string[]): string {
  const [first] = names;
  const hidden = names.length - MOST_SHOWN;
  if (hidden > 0) names.splice(MOST_SHOWN, hidden, `(${hidden} more)`);
  return [...names, first].join(" → ");
}
