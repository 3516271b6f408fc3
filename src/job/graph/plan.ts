import { RunnerError } from "../../errors.ts";
import { suggest } from "../../suggest.ts";
import { findCycle } from "./find_cycle.ts";

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
