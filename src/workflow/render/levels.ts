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
  const places = new Map(jobs.map(({ name }, at) => [name, at]));
  const needs = jobs.map(({ dependsOn }) =>
    dependsOn.map((name) => places.get(name)).filter((it) => it !== undefined)
  );
  const dependents: number[][] = jobs.map(() => []);
  needs.forEach((list, at) => list.forEach((it) => dependents[it].push(at)));
  const open = needs.map(({ length }) => length);
  const depth = jobs.map(() => 0);
  const over = open.flatMap((count, at) => count === 0 ? [at] : []);
  for (let next = 0; next < over.length; next++) {
    const at = over[next];
    for (const dependent of dependents[at]) {
      depth[dependent] = Math.max(depth[dependent], depth[at] + 1);
      if (--open[dependent] === 0) over.push(dependent);
    }
  }
  const rows: J[][] = [];
  jobs.forEach((job, at) => (rows[depth[at]] ??= []).push(job));
  return rows;
}
