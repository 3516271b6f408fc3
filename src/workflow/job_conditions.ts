import { topologicalOrder } from "../graph_scheduler.ts";
import { type EventFacts, type When, whenReason } from "../schema/when.ts";
import type { JobDefinition } from "./definition/definition.ts";
import { localGraph, type LocalJob, localNodes } from "./local/local_job.ts";
import { NodeStates } from "./local/node_states.ts";

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
      const reason = findSkipReason(body, reasons);
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

function findSkipReason(
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

/** Whether a job runs when its workflow starts. */
export interface JobExplanation {
  /** Name of the job. */
  readonly name: string;
  /**
   * `starts`: immediately · `waits`: after other jobs · `maybe`: only after a
   * failure · `skipped`: never.
   */
  readonly status: "starts" | "waits" | "maybe" | "skipped";
  /** Reason for the status; empty for a job that starts immediately. */
  readonly reason: string;
}

/**
 * Explains why a job never runs, regardless of the outcome of other jobs.
 *
 * @returns The reason; `undefined` if the job can run.
 */
export function neverRunsReason(
  { disableRunLocal, forEach, skipReason }: LocalJob,
): string | undefined {
  if (skipReason !== undefined) return skipReason;
  if (disableRunLocal) return "disable_run_local is set";
  return forEach?.length === 0 ? "its for_each list is empty" : undefined;
}

/**
 * Determines which jobs of a workflow run if every job succeeds.
 *
 * @param jobs Jobs without dependency cycles.
 * @returns An explanation for each job, in the same order.
 */
export function explainJobs(jobs: readonly LocalJob[]): JobExplanation[] {
  // One node per job is enough: all nodes of a fan-out behave the same.
  const nodes = localNodes(jobs.map((job) => ({
    ...job,
    env: {},
    forEach: job.forEach?.length === 0 ? [] : undefined,
  })));
  const states = new NodeStates(nodes);
  for (const node of topologicalOrder(localGraph(nodes))) {
    if (!states.submit(node)) continue;
    const isSkipped = neverRunsReason(nodes[node].job) !== undefined;
    states.end(node, isSkipped ? "skipped" : "completed");
  }
  const places = new Map(nodes.map(({ name }, at) => [name, at]));
  const indexOf = (name: string) => places.get(name)!;
  const completes = (name: string) =>
    states.statuses[indexOf(name)] === "completed";
  // A dependency on a job without items is replaced by that job's dependencies.
  const resolved = jobs.map(({ name }) => nodes[indexOf(name)].job);
  const possible = findPossibleJobs(resolved);
  return resolved.map((job): JobExplanation => {
    const { name, dependsOn, condition } = job;
    if (completes(name)) {
      return dependsOn.length === 0
        ? { name, status: "starts", reason: "" }
        : { name, status: "waits", reason: describeWait(job) };
    }
    if (!possible.has(name)) {
      const reason = states.skipReason(indexOf(name)) ?? neverRunsReason(job);
      return { name, status: "skipped", reason: reason ?? "" };
    }
    const [names, verb] = condition === "any_failed"
      ? [dependsOn.join(" or "), "fails"]
      : [
        dependsOn.filter((need) => !completes(need)).join(" and "),
        "succeeds",
      ];
    return { name, status: "maybe", reason: `runs only if ${names} ${verb}` };
  });
}

function describeWait({ dependsOn, condition }: LocalJob): string {
  const names = `after ${dependsOn.join(", ")}`;
  return condition === "always" ? `${names}, whatever their result` : names;
}

/** Returns the jobs that run for at least one combination of outcomes. */
function findPossibleJobs(jobs: readonly LocalJob[]): ReadonlySet<string> {
  const possible = new Set<string>();
  for (const at of topologicalOrder(localGraph(jobs))) {
    const { [at]: job } = jobs;
    const { name, condition, dependsOn } = job;
    const isPossible = (need: string) => possible.has(need);
    const canRun = condition === "always" ||
      (condition === "any_failed"
        ? dependsOn.some(isPossible)
        : dependsOn.every(isPossible));
    if (canRun && neverRunsReason(job) === undefined) possible.add(name);
  }
  return possible;
}
