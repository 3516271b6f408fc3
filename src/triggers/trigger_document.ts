import type { Environment } from "../environment/variables.ts";
import {
  findCycle,
  type Graph,
  linkNodes,
  topologicalOrder,
} from "../graph_scheduler.ts";
import type { JsonValue } from "../json_value.ts";
import { cycleText } from "../schema/graph_problems.ts";
import type { Condition } from "../schema/scalars.ts";
import { didYouMean, suggest } from "../suggest.ts";
import { quote, truncated } from "../terminal/text.ts";
import {
  type CheckedTrigger,
  checkTriggers,
  triggerError,
  type TriggerProblem,
} from "./check_triggers.ts";
import { type Trigger, TRIGGER_FIELDS } from "./trigger_options.ts";

/** Maximum number of suggestions; each one is compared with every name. */
const MAX_SUGGESTIONS = 20;

/** Maximum number of cycles that are searched; each search walks the graph. */
const MAX_CYCLES = 5;

const FIELDS = Object.entries(TRIGGER_FIELDS) as [
  keyof Trigger,
  { key: string },
][];

/** A job of a {@linkcode TriggerDocument}, with the keys of the protocol. */
export interface TriggerJob {
  /** Name of the job. */
  readonly job_name: string;
  /** Names of its dependencies in the same document. */
  readonly depends_on: readonly string[];
  /** Condition for running the job. */
  readonly condition: Condition;
  /** Environment variables. */
  readonly env: Environment;
  /** Other fields of the job. */
  readonly [key: string]: JsonValue;
}

/** A document for the coordinator or the triggers file. */
export interface TriggerDocument {
  /** Type of the document. */
  readonly type: "trigger_job";
  /**
   * ID of the document.
   *
   * The coordinator ignores a document whose ID it knows. The same document can
   * therefore be sent again, but a different one needs a new ID.
   */
  readonly operation_id: string;
  /** Program that wrote the document. */
  readonly trigger_type: "runnerlib";
  /** Jobs in topological order. */
  readonly jobs: readonly TriggerJob[];
}

/** Options for {@linkcode triggerDocument}. */
export interface TriggerDocumentOptions {
  /**
   * ID of the document.
   *
   * @default {crypto.randomUUID()}
   */
  operationId?: string;
}

/**
 * Converts triggers to the document that the coordinator reads.
 *
 * @param triggers Triggers, including all of their dependencies.
 * @returns The document. Empty properties are omitted, except for the name, the
 * dependencies, the condition and the environment. Jobs with an empty list of
 * items are omitted.
 * @throws {RunnerError} `invalid-trigger` if a trigger is invalid, a name is
 * used twice, a dependency is unknown or there is a cycle.
 */
export function triggerDocument(
  triggers: readonly Trigger[],
  options: TriggerDocumentOptions = {},
): TriggerDocument {
  return orderedDocument(sortTriggers(checkTriggers(triggers)), options);
}

/**
 * Converts checked triggers that are in topological order.
 *
 * @param ordered Triggers in topological order.
 */
export function orderedDocument(
  ordered: readonly CheckedTrigger[],
  options: TriggerDocumentOptions = {},
): TriggerDocument {
  const { operationId = crypto.randomUUID() } = options;
  return {
    type: "trigger_job",
    operation_id: operationId,
    trigger_type: "runnerlib",
    jobs: bypassEmptyLists(ordered).jobs.map(toWireJob),
  };
}

function toWireJob(trigger: Trigger): TriggerJob {
  const { name, dependsOn = [], condition = "all_success", env = {} } = trigger;
  const job: Record<string, JsonValue> = {};
  for (const [field, { key }] of FIELDS) {
    const value = trigger[field] as JsonValue | undefined;
    if (value !== undefined && !isEmpty(value)) job[key] = value;
  }
  return { job_name: name, depends_on: dependsOn, condition, env, ...job };
}

function isEmpty(value: JsonValue): boolean {
  if (typeof value === "string") return value === "";
  return typeof value === "object" && value !== null &&
    Object.keys(value).length === 0;
}

/** A trigger that must not be submitted, and the reason. */
export interface RefusedTrigger extends TriggerProblem {
  /** The trigger. */
  readonly trigger: CheckedTrigger;
  /** Whether the only problem is a refused dependency. */
  readonly isConsequence: boolean;
}

/** Result of {@linkcode orderTriggers}. */
export interface OrderedTriggers {
  /** Triggers that can be submitted together, in topological order. */
  readonly ordered: readonly CheckedTrigger[];
  /** The other triggers, in the original order. */
  readonly refused: readonly RefusedTrigger[];
}

/** Problems of triggers. */
type ProblemsByTrigger = Map<CheckedTrigger, string[]>;

/**
 * Sorts triggers topologically, in the order in which they become ready.
 *
 * Triggers that have unknown dependencies or are part of a cycle are refused
 * together with their dependents, because they would wait forever at the
 * coordinator. The time is proportional to the number of jobs and dependencies.
 *
 * @param triggers Triggers with distinct names.
 * @param findProblem Describes other reasons to refuse a trigger.
 */
export function orderTriggers(
  triggers: readonly CheckedTrigger[],
  findProblem: (trigger: CheckedTrigger) => string | undefined = () =>
    undefined,
): OrderedTriggers {
  const problems = findUnknownDependencies(triggers);
  for (const trigger of triggers) {
    const problem = findProblem(trigger);
    if (problem !== undefined) addProblem(problems, trigger, problem);
  }
  const valid = triggers.filter((trigger) => !problems.has(trigger));
  // Dependents of an excluded trigger never become ready.
  const ordered = topologicalOrder(linkTriggers(valid)).map((node) =>
    valid[node]
  );
  const orderedSet = new Set(ordered);
  const waiting = valid.filter((trigger) => !orderedSet.has(trigger));
  for (const cycle of findCycles(waiting)) {
    addProblem(problems, cycle[0], describeCycle(cycle));
  }
  const names = new Set(ordered.map(({ name }) => name));
  return {
    ordered,
    refused: triggers.filter((trigger) => !orderedSet.has(trigger))
      .flatMap((trigger) => findRefusals(trigger, problems, names)),
  };
}

/**
 * Sorts triggers topologically.
 *
 * @param triggers Triggers with distinct names.
 * @throws {RunnerError} `invalid-trigger` if a dependency is unknown or there
 * is a cycle.
 */
export function sortTriggers(
  triggers: readonly CheckedTrigger[],
): readonly CheckedTrigger[] {
  const { ordered, refused } = orderTriggers(triggers);
  const causes = refused.filter(({ isConsequence }) => !isConsequence);
  if (causes.length > 0) throw triggerError(causes);
  return ordered;
}

function linkTriggers(triggers: readonly CheckedTrigger[]): Graph {
  return linkNodes(
    triggers.map(({ name, dependsOn = [] }) => ({ group: name, dependsOn })),
  );
}

function addProblem(
  problems: ProblemsByTrigger,
  trigger: CheckedTrigger,
  problem: string,
): void {
  const known = problems.get(trigger);
  if (known === undefined) problems.set(trigger, [problem]);
  else known.push(problem);
}

function findUnknownDependencies(
  triggers: readonly CheckedTrigger[],
): ProblemsByTrigger {
  const names = new Set(triggers.map(({ name }) => name));
  const problems: ProblemsByTrigger = new Map();
  let suggestionCount = 0;
  for (const trigger of triggers) {
    for (const name of trigger.dependsOn ?? []) {
      if (names.has(name)) continue;
      const meant = suggestionCount++ < MAX_SUGGESTIONS
        ? suggest(name, names)
        : undefined;
      addProblem(
        problems,
        trigger,
        `its dependency ${quote(name)} is not triggered` +
          didYouMean(meant),
      );
    }
  }
  return problems;
}

/** Finds cycles, none of which share a trigger. */
function findCycles(waiting: readonly CheckedTrigger[]): CheckedTrigger[][] {
  const byName = new Map(waiting.map((trigger) => [trigger.name, trigger]));
  const cycles: CheckedTrigger[][] = [];
  while (cycles.length < MAX_CYCLES) {
    const graph = linkNodes(
      [...byName.values()].map(({ name, dependsOn = [] }) => ({
        group: name,
        dependsOn: dependsOn.filter((need) => byName.has(need)),
      })),
    );
    const names = findCycle(graph);
    if (names === undefined) break;
    cycles.push(names.map((name) => byName.get(name)!));
    for (const name of names) byName.delete(name);
  }
  return cycles;
}

function findRefusals(
  trigger: CheckedTrigger,
  problems: ProblemsByTrigger,
  ordered: ReadonlySet<string>,
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
  const cause = trigger.dependsOn?.find((name) => !ordered.has(name)) ?? "";
  return [{
    trigger,
    job,
    problem: `its dependency ${quote(cause)} is refused`,
    isConsequence: true,
  }];
}

function describeCycle(cycle: readonly CheckedTrigger[]): string {
  return `it ${cycleText(cycle.map(({ name }) => truncated(name)))}`;
}

/** A job with dependencies and items. */
interface Dependent {
  readonly name: string;
  readonly dependsOn?: readonly string[];
  readonly forEach?: readonly unknown[];
}

/** Result of {@linkcode bypassEmptyLists}. */
export interface Bypassed<Job> {
  /** Jobs to run; none of them depends on a job with an empty list. */
  readonly jobs: Job[];
  /** Jobs with an empty list. */
  readonly empty: Job[];
}

/**
 * Removes jobs with an empty list of items. Dependents of such a job depend on
 * its dependencies instead.
 *
 * The coordinator would run a job with an empty list once, without an item.
 *
 * @returns The remaining jobs, in the same order, and the others.
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
