import { RunnerError } from "../errors.ts";
import { suggest } from "../suggest.ts";

/** Maximum number of problems in a message; each edge may have one. */
const MAX_PROBLEMS = 20;

/** Maximum number of names in the message about a cycle. */
const MAX_SHOWN = 10;

/** What the graph needs to know about a step. */
export interface PlanInput {
  /** Name that is unique in the job. */
  readonly name: string;
  /** Name to depend on; all steps of one definition share it. */
  readonly group: string;
  /** Groups that must end before the step starts. */
  readonly dependsOn: readonly string[];
}

/** An acyclic graph of steps, each identified by its index. */
export interface Plan<S extends PlanInput = PlanInput> {
  /** The steps, in the order in which they were given. */
  readonly steps: readonly S[];
  /** For each step, the steps that it depends on. */
  readonly needs: readonly (readonly number[])[];
  /** For each step, the steps that depend on it. */
  readonly dependents: readonly (readonly number[])[];
}

/**
 * Builds the graph of steps, in time linear in the number of edges.
 *
 * @param steps Steps in the order in which they were defined.
 * @returns The graph.
 * @throws {RunnerError} `invalid-job`, for duplicate names, unknown names and
 * cycles.
 */
export function buildGraph<S extends PlanInput>(steps: readonly S[]): Plan<S> {
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
      // Each suggestion compares the name with all others.
      const meant = problems.size < MAX_PROBLEMS
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
  const hidden = names.length - MAX_SHOWN;
  if (hidden > 0) names.splice(MAX_SHOWN, hidden, `(${hidden} more)`);
  return `step "${first}" waits for itself: ${[...names, first].join(" → ")}`;
}

function invalidJob(problems: readonly string[]): RunnerError {
  const told = problems.slice(0, MAX_PROBLEMS);
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
 * Finds a cycle in a graph. It does not recurse: chains may be long.
 *
 * @param needs For each node, the nodes that it depends on.
 * @param dependents For each node, the nodes that depend on it.
 * @returns The nodes of a cycle, each depending on the next and the last on the
 * first; `undefined` if there is none.
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

/** A node that never becomes ready depends on another one, so a walk along these repeats a node. */
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

/** Selects steps of a job; all of them by default. */
export interface Selection {
  /** Run only these steps. */
  readonly only?: readonly string[];
  /** Run these steps and all that depend on them. */
  readonly from?: readonly string[];
  /** Do not run these steps. */
  readonly skip?: readonly string[];
}

/**
 * Returns which steps to run. A name selects a step, or all steps of a
 * definition.
 *
 * @param plan The graph.
 * @param selection The selection.
 * @returns For each step, whether it runs.
 * @throws {RunnerError} `invalid-config`, for a name that no step has.
 */
export function selectSteps(plan: Plan, selection: Selection): boolean[] {
  const { only, from, skip } = selection;
  const isSelected = plan.steps.map(() =>
    only === undefined && from === undefined
  );
  for (const step of find(plan, only, "only")) isSelected[step] = true;
  const downstream = new Set(find(plan, from, "from"));
  // Iterating over a set also visits what is added meanwhile.
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
  /** Maximum number of steps that run at the same time. */
  concurrency: number;
  /**
   * Called when the dependencies of a step have ended and a slot is free.
   *
   * @param step Index of the step.
   * @returns A promise that resolves when the step has ended and never rejects;
   * `undefined` for a step that does not run.
   */
  start: (step: number) => Promise<void> | undefined;
}

/**
 * Walks the graph: starts each step when its dependencies have ended.
 *
 * Steps start in the order in which they become ready; those that become ready
 * together start in the order of the graph. The cost per step is constant, and
 * nothing recurses.
 *
 * @param plan The graph.
 * @param options Concurrency and what to do with a step.
 * @returns A promise that resolves when every step has ended.
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
