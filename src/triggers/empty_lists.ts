/** What has to be known of a job to leave it out. */
interface Dependent {
  readonly name: string;
  readonly dependsOn?: readonly string[];
  readonly forEach?: readonly unknown[];
}

/** Jobs, apart by whether there is anything to do for them. */
export interface Bypassed<Job> {
  /** Jobs to run; none of them depends on a job of an empty list. */
  readonly jobs: Job[];
  /** Jobs whose list is empty. */
  readonly empty: Job[];
}

/**
 * Leaves out jobs that run for each item of a list that has no items. What
 * depends on such a job depends on its dependencies instead.
 *
 * The coordinator runs a job with an empty list once, without an item.
 *
 * @param jobs Jobs.
 * @returns The jobs that are left, in the same order, and the others.
 */
export function bypassEmptyLists<Job extends Dependent>(
  jobs: readonly Job[],
): Bypassed<Job> {
  const isEmpty = ({ forEach }: Job) => forEach?.length === 0;
  const empty = jobs.filter(isEmpty);
  if (empty.length === 0) return { jobs: [...jobs], empty };
  const bypassed = new Map(
    empty.map(({ name, dependsOn = [] }) => [name, dependsOn]),
  );
  return {
    jobs: jobs.filter((job) => !isEmpty(job)).map((job) =>
      job.dependsOn?.some((need) => bypassed.has(need))
        ? { ...job, dependsOn: resolveNeeds(job.dependsOn, bypassed) }
        : job
    ),
    empty,
  };
}

function resolveNeeds(
  needs: readonly string[],
  bypassed: ReadonlyMap<string, readonly string[]>,
): string[] {
  const seen = new Set<string>();
  const open = needs.toReversed();
  for (let need; (need = open.pop()) !== undefined;) {
    if (seen.has(need)) continue;
    seen.add(need);
    open.push(...bypassed.get(need)?.toReversed() ?? []);
  }
  return [...seen].filter((need) => !bypassed.has(need));
}
