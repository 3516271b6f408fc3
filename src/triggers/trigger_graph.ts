import { suggest } from "../suggest.ts";
import {
  type CheckedTrigger,
  triggerError,
  type TriggerProblem,
} from "./check_triggers.ts";
import { brief, quote } from "../terminal/text.ts";

/** Maximum number of names that the picture of a cycle shows. */
const MAX_SHOWN = 10;

/** Maximum number of suggestions; each one is compared with every name. */
const MAX_SUGGESTIONS = 20;

/** A trigger whose dependencies are being put in front of it. */
interface Frame {
  readonly trigger: CheckedTrigger;
  /** Index of the dependency that comes next. */
  next: number;
}

/** A trigger that must not be submitted, and why. */
export interface RefusedTrigger extends TriggerProblem {
  /** The trigger. */
  readonly trigger: CheckedTrigger;
  /** Whether nothing is wrong with it but a dependency that is refused. */
  readonly isConsequence: boolean;
}

/** Triggers that can be submitted together, and those that cannot. */
export interface OrderedTriggers {
  /** Triggers with all that they depend on, each behind its dependencies. */
  readonly ordered: readonly CheckedTrigger[];
  /** The other ones, in the order in which they were given. */
  readonly refused: readonly RefusedTrigger[];
}

/**
 * Puts triggers behind their dependencies, and otherwise leaves them where
 * they are.
 *
 * Triggers with unknown dependencies and those of a cycle are refused, because
 * the coordinator would let them wait forever, and with them whatever depends
 * on them. It takes time in proportion to the number of jobs and dependencies.
 *
 * @param triggers Triggers with distinct names.
 * @param problemOf Describes what else keeps a trigger from being submitted.
 */
export function orderTriggers(
  triggers: readonly CheckedTrigger[],
  problemOf: (trigger: CheckedTrigger) => string | undefined = () => undefined,
): OrderedTriggers {
  const byName = new Map(triggers.map((trigger) => [trigger.name, trigger]));
  const problems = unknownDependencies(byName);
  for (const trigger of triggers) {
    const problem = problemOf(trigger);
    if (problem !== undefined) addProblem(problems, trigger, problem);
  }
  const inCycle = new Set<CheckedTrigger>();
  const done = new Set<CheckedTrigger>();
  for (const trigger of triggers) {
    visit(trigger, byName, done, (path) => {
      const [start] = path;
      addProblem(problems, start, cycleProblem(path));
      for (const member of path) inCycle.add(member);
    });
  }
  const refusedBy = new Map<CheckedTrigger, string | undefined>();
  for (const trigger of done) {
    const cause = trigger.dependsOn?.find((name) => {
      const dependency = byName.get(name);
      return dependency !== undefined &&
        (refusedBy.has(dependency) || inCycle.has(dependency));
    });
    if (problems.has(trigger) || inCycle.has(trigger) || cause !== undefined) {
      refusedBy.set(trigger, cause);
    }
  }
  return {
    ordered: [...done].filter((trigger) => !refusedBy.has(trigger)),
    refused: triggers.filter((trigger) => refusedBy.has(trigger))
      .flatMap((trigger) => refusalsOf(trigger, problems, refusedBy)),
  };
}

/**
 * Puts triggers behind their dependencies, or none of them.
 *
 * @param triggers Triggers with distinct names.
 * @returns The same triggers in their new order.
 * @throws {RunnerError} `invalid-trigger` if a dependency is unknown or there
 * is a cycle.
 */
export function topologicalOrder(
  triggers: readonly CheckedTrigger[],
): readonly CheckedTrigger[] {
  const { ordered, refused } = orderTriggers(triggers);
  const causes = refused.filter(({ isConsequence }) => !isConsequence);
  if (causes.length > 0) throw triggerError(causes);
  return ordered;
}

/** Walks depth first on a stack of its own, because a chain may be long. */
function visit(
  start: CheckedTrigger,
  byName: ReadonlyMap<string, CheckedTrigger>,
  done: Set<CheckedTrigger>,
  onCycle: (path: readonly CheckedTrigger[]) => void,
): void {
  if (done.has(start)) return;
  const path: Frame[] = [{ trigger: start, next: 0 }];
  const onPath = new Set([start]);
  while (path.length > 0) {
    const frame = path[path.length - 1];
    const name = frame.trigger.dependsOn?.[frame.next++];
    if (name === undefined) {
      done.add(frame.trigger);
      onPath.delete(frame.trigger);
      path.pop();
      continue;
    }
    const trigger = byName.get(name);
    if (trigger === undefined || done.has(trigger)) continue;
    if (onPath.has(trigger)) {
      const at = path.findIndex((frame) => frame.trigger === trigger);
      onCycle(path.slice(at).map((frame) => frame.trigger));
      continue;
    }
    path.push({ trigger, next: 0 });
    onPath.add(trigger);
  }
}

type Problems = Map<CheckedTrigger, string[]>;

function addProblem(
  problems: Problems,
  trigger: CheckedTrigger,
  problem: string,
): void {
  const known = problems.get(trigger);
  if (known === undefined) problems.set(trigger, [problem]);
  else known.push(problem);
}

function unknownDependencies(
  byName: ReadonlyMap<string, CheckedTrigger>,
): Problems {
  const problems: Problems = new Map();
  let suggestionCount = 0;
  for (const trigger of byName.values()) {
    for (const name of trigger.dependsOn ?? []) {
      if (byName.has(name)) continue;
      const meant = suggestionCount++ < MAX_SUGGESTIONS
        ? suggest(name, byName.keys())
        : undefined;
      addProblem(
        problems,
        trigger,
        `its dependency ${quote(name)} is not triggered` +
          (meant === undefined ? "" : `, did you mean ${quote(meant)}`),
      );
    }
  }
  return problems;
}

function refusalsOf(
  trigger: CheckedTrigger,
  problems: Problems,
  refusedBy: ReadonlyMap<CheckedTrigger, string | undefined>,
): RefusedTrigger[] {
  const job = quote(trigger.name);
  const own = problems.get(trigger);
  if (own !== undefined) {
    return own.map((problem) => ({
      trigger,
      job,
      problem,
      isConsequence: false,
    }));
  }
  const cause = refusedBy.get(trigger) ?? "";
  return [{
    trigger,
    job,
    problem: `its dependency ${quote(cause)} is refused`,
    isConsequence: true,
  }];
}

function cycleProblem(path: readonly CheckedTrigger[]): string {
  const names = path.map(({ name }) => name);
  const hidden = names.length - MAX_SHOWN;
  if (hidden > 0) names.splice(MAX_SHOWN, hidden, `(${hidden} more)`);
  const picture = [...names, path[0].name].map((name) => brief(name));
  return `it waits for itself: ${picture.join(" → ")}`;
}

/** A job with dependencies and items. */
interface Dependent {
  readonly name: string;
  readonly dependsOn?: readonly string[];
  readonly forEach?: readonly unknown[];
}

/** Jobs, divided by whether their list of items is empty. */
export interface Bypassed<Job> {
  /** Jobs to run; none of them depends on a job of an empty list. */
  readonly jobs: Job[];
  /** Jobs whose list is empty. */
  readonly empty: Job[];
}

/**
 * Leaves out jobs that run for each item of an empty list. Whatever depends on
 * such a job depends on its dependencies instead.
 *
 * The coordinator would run a job with an empty list once, without an item.
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
