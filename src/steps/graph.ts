import { RunnerError } from "../errors.ts";
import { suggest } from "../suggest.ts";

/** Most problems of a graph that are told; there may be one for each edge. */
const MOST_PROBLEMS = 20;

/** Most names that the picture of a cycle shows. */
const MOST_SHOWN = 10;

/** What a plan has to know of a step. */
export interface PlanInput {
  /** Name that is unique in the job. */
  readonly name: string;
  /** Name that others depend on; several steps of one origin share it. */
  readonly group: string;
  /** Groups that must be over before the step starts. */
  readonly dependsOn: readonly string[];
}

/** A graph of steps without a cycle; steps are known by their index. */
export interface Plan<S extends PlanInput = PlanInput> {
  /** The steps, in the order in which they were given. */
  readonly steps: readonly S[];
  /** For each step, those that it waits for. */
  readonly needs: readonly (readonly number[])[];
  /** For each step, those that wait for it. */
  readonly dependents: readonly (readonly number[])[];
}

/**
 * Makes a graph of steps.
 *
 * It takes time in proportion to the number of steps and dependencies.
 *
 * @param steps Steps in the order in which they were defined.
 * @returns The graph.
 * @throws {RunnerError} `invalid-job`, with every duplicate and unknown name,
 * or with a cycle.
 */
export function planSteps<S extends PlanInput>(steps: readonly S[]): Plan<S> {
  const groups = groupSteps(steps);
  const problems = [
    ...duplicateNames(steps),
    ...unknownNames(steps, groups),
  ];
  if (problems.length > 0) throw invalidJob(problems);
  const needs = steps.map(({ dependsOn }) => [
    ...new Set(dependsOn.flatMap((name) => groups.get(name)!)),
  ]);
  const dependents: number[][] = steps.map(() => []);
  needs.forEach((indexes, step) => {
    for (const index of indexes) dependents[index].push(step);
  });
  const cycle = findCycle(needs, dependents);
  if (cycle !== undefined) throw invalidJob([cycleText(steps, cycle)]);
  return { steps, needs, dependents };
}

function groupSteps(steps: readonly PlanInput[]): Map<string, number[]> {
  const groups = new Map<string, number[]>();
  steps.forEach(({ group }, index) => {
    const indexes = groups.get(group);
    if (indexes) indexes.push(index);
    else groups.set(group, [index]);
  });
  return groups;
}

function duplicateNames(steps: readonly PlanInput[]): string[] {
  const seen = new Set<string>();
  const twice = new Set<string>();
  for (const { name } of steps) {
    if (seen.has(name)) twice.add(name);
    seen.add(name);
  }
  return [...twice].map((name) => `there are two steps "${name}"`);
}

function unknownNames(
  steps: readonly PlanInput[],
  groups: ReadonlyMap<string, unknown>,
): string[] {
  const problems = new Set<string>();
  for (const { group, dependsOn } of steps) {
    for (const name of dependsOn) {
      if (groups.has(name)) continue;
      // Each suggestion compares with every name.
      const meant = problems.size < MOST_PROBLEMS
        ? suggest(name, groups.keys())
        : undefined;
      const hint = meant === undefined ? "" : `; did you mean "${meant}"?`;
      problems.add(
        `step "${group}" depends on "${name}", which is no step${hint}`,
      );
    }
  }
  return [...problems];
}

function cycleText(steps: readonly PlanInput[], cycle: number[]): string {
  const names = cycle.map((index) => steps[index].name);
  const first = names[0];
  const hidden = names.length - MOST_SHOWN;
  if (hidden > 0) names.splice(MOST_SHOWN, hidden, `(${hidden} more)`);
  return `step "${first}" waits for itself: ${[...names, first].join(" → ")}`;
}

function invalidJob(problems: readonly string[]): RunnerError {
  const told = problems.slice(0, MOST_PROBLEMS);
  const hidden = problems.length - told.length;
  if (hidden > 0) told.push(`and ${hidden} more`);
  return new RunnerError(
    `Cannot run the job's steps:\n${
      told.map((text) => `  ${text}`).join("\n")
    }`,
    { code: "invalid-job" },
  );
}

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

/** Which steps of a job are to run; all, if nothing is said. */
export interface Selection {
  /** Run these steps only. */
  readonly only?: readonly string[];
  /** Run these steps, and those that wait for them. */
  readonly from?: readonly string[];
  /** Do not run these steps. */
  readonly skip?: readonly string[];
}

/**
 * Finds the steps that are to run.
 *
 * A name means a step, or all the steps that one definition became.
 *
 * @param plan The graph.
 * @param selection What is wished.
 * @returns For each step, whether it is to run.
 * @throws {RunnerError} `invalid-config`, if there is no step of a name.
 */
export function selectSteps(plan: Plan, selection: Selection): boolean[] {
  const { only, from, skip } = selection;
  const isSelected = plan.steps.map(() =>
    only === undefined && from === undefined
  );
  for (const step of find(plan, only, "only")) isSelected[step] = true;
  const downstream = new Set(find(plan, from, "from"));
  // A set gives what is added to it while it is walked through, too.
  for (const step of downstream) {
    isSelected[step] = true;
    for (const dependent of plan.dependents[step]) downstream.add(dependent);
  }
  for (const step of find(plan, skip, "skip")) isSelected[step] = false;
  return isSelected;
}

function find(
  { steps }: Plan,
  names: readonly string[] | undefined,
  option: string,
): number[] {
  return (names ?? []).flatMap((name) => {
    const found = steps.flatMap((step, index) =>
      step.name === name || step.group === name ? [index] : []
    );
    if (found.length > 0) return found;
    const meant = suggest(name, steps.map(({ group }) => group));
    throw new RunnerError(
      `Cannot use "${option}": there is no step "${name}"` +
        (meant === undefined ? "" : `; did you mean "${meant}"?`),
      { code: "invalid-config" },
    );
  });
}

/** Options for {@linkcode schedule}. */
export interface ScheduleOptions {
  /** How many steps run at the same time at most. */
  concurrency: number;
  /**
   * Called when all that a step waits for is over and there is room for it.
   *
   * @param step Index of the step.
   * @returns A promise that resolves when the step is over and never rejects;
   * `undefined` for a step that need not run.
   */
  start: (step: number) => Promise<void> | undefined;
}

/**
 * Goes through a graph: starts each step when those it waits for are over.
 *
 * Steps start in the order in which they become ready; those that become
 * ready together, in the order of the plan. Each step costs the same, however
 * many there are, and nothing recurses.
 *
 * @param plan The graph.
 * @param options Concurrency and what to do with a step.
 * @returns A promise that resolves when every step is over.
 */
export function schedule(plan: Plan, options: ScheduleOptions): Promise<void> {
  const { concurrency, start } = options;
  const { needs, dependents } = plan;
  const { promise, resolve } = Promise.withResolvers<void>();
  const open = needs.map(({ length }) => length);
  const ready = open.flatMap((count, step) => count === 0 ? [step] : []);
  let next = 0;
  let runningCount = 0;

  function end(step: number): void {
    for (const dependent of dependents[step]) {
      if (--open[dependent] === 0) ready.push(dependent);
    }
  }

  function advance(): void {
    while (next < ready.length && runningCount < concurrency) {
      const step = ready[next++];
      const running = start(step);
      if (running === undefined) {
        end(step);
        continue;
      }
      runningCount++;
      running.then(() => {
        runningCount--;
        end(step);
        advance();
      });
    }
    if (runningCount === 0) resolve();
  }

  advance();
  return promise;
}
