import { RunnerError } from "../errors.ts";
import {
  findCycle,
  type Graph,
  type GraphNode,
  linkNodes,
  topologicalOrder,
} from "../graph_scheduler.ts";
import { cycleText } from "../schema/graph_problems.ts";
import { didYouMean, listed, suggest } from "../suggest.ts";

/** Maximum number of problems that a message lists; each edge may have one. */
const MAX_PROBLEMS = 20;

/** Maximum number of steps that a message lists. */
const MAX_LISTED = 12;

/** Node of the graph: name, group and dependencies of a step. */
export interface PlanInput extends GraphNode {
  /** Unique name; the steps of one definition share their group. */
  readonly name: string;
  /** Whether it is a service, which runs while others need it. */
  readonly isService?: boolean;
}

/** An acyclic graph of steps, each identified by its index. */
export interface Plan<S extends PlanInput = PlanInput> {
  /** Steps in the order of their definition. */
  readonly steps: readonly S[];
  /** Edges between the steps. */
  readonly graph: Graph;
}

/**
 * Builds the graph of steps, in time linear in the number of edges.
 *
 * @param steps Steps in the order of their definition.
 * @throws {RunnerError} `invalid-job` for duplicate names, unknown dependencies
 * and cycles.
 */
export function buildGraph<S extends PlanInput>(steps: readonly S[]): Plan<S> {
  const problems = [...findDuplicateNames(steps), ...findUnknownNames(steps)];
  if (problems.length > 0) throw invalidJob(problems);
  const graph = linkNodes(steps);
  const cycle = findCycle(graph);
  if (cycle !== undefined) {
    throw invalidJob([`step "${cycle[0]}" ${cycleText(cycle)}`]);
  }
  return { steps, graph };
}

/**
 * Lists the direct dependencies of a step.
 *
 * @param step Index of the step.
 * @returns Indexes of its dependencies.
 */
export function needsOf({ graph }: Plan, step: number): readonly number[] {
  const { [step]: groups } = graph.needs;
  return groups.length === 1
    ? graph.members[groups[0]]
    : groups.flatMap((group) => graph.members[group]);
}

function findDuplicateNames(steps: readonly PlanInput[]): string[] {
  const seen = new Set<string>();
  const twice = new Set<string>();
  for (const { name } of steps) {
    if (seen.has(name)) twice.add(name);
    seen.add(name);
  }
  return [...twice].map((name) => `several steps are named "${name}"`);
}

function findUnknownNames(steps: readonly PlanInput[]): string[] {
  const groups = new Set(steps.map(({ group }) => group));
  const problems = new Set<string>();
  for (const { group, dependsOn } of steps) {
    for (const name of dependsOn) {
      if (groups.has(name)) continue;
      // A suggestion is slow: it compares the name with all others.
      const meant = problems.size < MAX_PROBLEMS
        ? suggest(name, groups)
        : undefined;
      problems.add(
        `step "${group}" depends on "${name}", which is not a step${
          didYouMean(meant)
        }`,
      );
    }
  }
  return [...problems];
}

function invalidJob(problems: readonly string[]): RunnerError {
  const shown = problems.slice(0, MAX_PROBLEMS);
  const hidden = problems.length - shown.length;
  if (hidden > 0) shown.push(`and ${hidden} more`);
  return new RunnerError(
    `Cannot run the job's steps:\n${
      shown.map((text) => `  ${text}`).join("\n")
    }`,
    { code: "invalid-job" },
  );
}

/** Selection of steps to run; all steps by default. */
export interface Selection {
  /** Run only these steps. */
  readonly only?: readonly string[];
  /** Run these steps and all that depend on them. */
  readonly from?: readonly string[];
  /** Do not run these steps. */
  readonly skip?: readonly string[];
}

/**
 * Selects the steps to run. A name selects a single step, or all steps of a
 * definition. The services that a selected step needs are selected as well,
 * unless they are skipped.
 *
 * @returns For each step, whether it runs.
 * @throws {RunnerError} `invalid-config` if no step has a selected name.
 */
export function selectSteps(plan: Plan, selection: Selection): boolean[] {
  const { only, from, skip } = selection;
  const { groupOf, dependents } = plan.graph;
  const isSelected = plan.steps.map(({ isService }) =>
    only === undefined && from === undefined && !isService
  );
  for (const step of find(plan, only, "only")) isSelected[step] = true;
  const downstream = new Set(find(plan, from, "from"));
  // Iteration over a set also visits items that are added during the loop.
  for (const step of downstream) {
    isSelected[step] = true;
    for (const dependent of dependents[groupOf[step]]) {
      downstream.add(dependent);
    }
  }
  const skipped = find(plan, skip, "skip");
  for (const step of skipped) isSelected[step] = false;
  selectServices(plan, isSelected, new Set(skipped));
  return isSelected;
}

/** Selects the services that selected steps need, directly or indirectly. */
function selectServices(
  { steps, graph }: Plan,
  isSelected: boolean[],
  skipped: ReadonlySet<number>,
): void {
  for (const step of topologicalOrder(graph).reverse()) {
    if (!isSelected[step]) continue;
    for (const group of graph.needs[step]) {
      const [need] = graph.members[group];
      if (steps[need].isService && !skipped.has(need)) isSelected[need] = true;
    }
  }
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
      `Cannot use "${option}": the job has no step "${name}"` +
        (meant === undefined
          ? `; the steps are ${listedNames(steps.map(({ group }) => group))}`
          : didYouMean(meant)),
      { code: "invalid-config" },
    );
  });
}

/** Formats distinct names for a message, up to a limit. */
export function listedNames(names: readonly string[]): string {
  const quoted = Array.from(new Set(names), (name) => `"${name}"`);
  return listed(quoted, MAX_LISTED);
}
