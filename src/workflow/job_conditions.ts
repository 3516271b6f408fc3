import { type EventFacts, type When, whenReason } from "../schema/when.ts";
import type { JobDefinition } from "./definition/definition.ts";

/** A job with a condition on its event. */
interface ConditionalJob {
  readonly env: Readonly<Record<string, string>>;
  readonly when?: When;
}

/**
 * Marks the jobs whose condition on the event does not hold.
 *
 * @param env Variables of all jobs; those of a job override them.
 * @returns The jobs, with the reason for each that is skipped.
 */
export function withConditions<Job extends ConditionalJob>(
  jobs: readonly Job[],
  facts: EventFacts,
  env: Readonly<Record<string, string>> = {},
): (Job & { skipReason?: string })[] {
  return jobs.map((job) => {
    const { when } = job;
    const reason = when && whenReason(when, facts, { ...env, ...job.env });
    return reason === undefined ? job : { ...job, skipReason: reason };
  });
}

/** A job that an event skips. */
export interface SkippedJob {
  /** Name of the job. */
  readonly name: string;
  /** Why it is skipped. */
  readonly reason: string;
}

/**
 * Removes the jobs of a workflow that an event skips, because the coordinator
 * does not support conditions on events. Jobs that would be skipped as a result
 * are removed as well, along with dependencies on removed jobs.
 *
 * @param env Variables of the event, which override those of the jobs.
 * @returns The jobs to submit, and the skipped ones.
 */
export function withoutSkipped(
  jobs: readonly JobDefinition[],
  facts: EventFacts,
  env: Readonly<Record<string, string>>,
): { jobs: JobDefinition[]; skipped: SkippedJob[] } {
  const reasons = new Map<string, string>();
  for (const { name, body: { when }, env: jobEnv } of jobs) {
    const reason = when && whenReason(when, facts, { ...jobEnv, ...env });
    if (reason !== undefined) reasons.set(name, reason);
  }
  return withoutJobs(jobs, reasons);
}

/**
 * Removes jobs of a workflow that are skipped, those that would be skipped as a
 * result, and dependencies on removed jobs.
 *
 * @param skipped Reasons by the names of the jobs.
 * @returns The jobs to submit, and the skipped ones.
 */
export function withoutJobs(
  jobs: readonly JobDefinition[],
  skipped: ReadonlyMap<string, string>,
): { jobs: JobDefinition[]; skipped: SkippedJob[] } {
  const reasons = new Map(skipped);
  for (let count = -1; count !== reasons.size;) {
    count = reasons.size;
    for (const { name, body } of jobs) {
      if (reasons.has(name)) continue;
      const reason = skippedWith(body, reasons);
      if (reason !== undefined) reasons.set(name, reason);
    }
  }
  return {
    jobs: jobs.filter(({ name }) => !reasons.has(name)).map((job) => {
      const dependsOn = job.body.dependsOn?.filter((need) =>
        !reasons.has(need)
      );
      return dependsOn?.length === job.body.dependsOn?.length
        ? job
        : { ...job, body: { ...job.body, dependsOn } };
    }),
    skipped: [...reasons].map(([name, reason]) => ({ name, reason })),
  };
}

function skippedWith(
  { dependsOn = [], condition = "all_success" }: JobDefinition["body"],
  reasons: ReadonlyMap<string, string>,
): string | undefined {
  if (condition === "always") return undefined;
  const skipped = dependsOn.filter((need) => reasons.has(need));
  if (skipped.length === 0) return undefined;
  if (condition === "any_failed" && skipped.length < dependsOn.length) {
    return undefined;
  }
  return `"${skipped[0]}" was skipped`;
}
