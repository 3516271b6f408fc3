import { linkNodes, topologicalOrder } from "../../graph.ts";

/** What has to be known of a job to put it in its place. */
export interface DrawnJob {
  /** Name of the job. */
  readonly name: string;
  /** Names of the jobs that it waits for. */
  readonly dependsOn: readonly string[];
}

/**
 * Puts jobs into rows: each one below all those that it waits for.
 *
 * @param jobs Jobs without a cycle; names that are unknown do not count.
 * @returns Rows, each in the order of the jobs.
 */
export function levels<J extends DrawnJob>(jobs: readonly J[]): J[][] {
  const names = new Set(jobs.map(({ name }) => name));
  const graph = linkNodes(jobs.map(({ name, dependsOn }) => ({
    group: name,
    dependsOn: dependsOn.filter((need) => names.has(need)),
  })));
  const depths: number[] = [];
  for (const at of topologicalOrder(graph)) {
    const needs = graph.needs[at].flatMap((group) => graph.members[group]);
    depths[at] = needs.reduce(
      (max, need) => Math.max(max, depths[need] + 1),
      0,
    );
  }
  const rows: J[][] = [];
  jobs.forEach((job, at) => (rows[depths[at]] ??= []).push(job));
  return rows;
}
