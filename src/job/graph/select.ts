import { RunnerError } from "../../errors.ts";
import { suggest } from "../../suggest.ts";
import type { Plan } from "./plan.ts";

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
