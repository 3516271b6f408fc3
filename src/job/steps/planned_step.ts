import { RunnerError } from "../../errors.ts";
import { parseCondition } from "../../schema/condition.ts";
import { expand } from "../graph/expand.ts";
import { type Plan, type PlanInput, planSteps } from "../graph/plan.ts";
import { type Selection, selectSteps } from "../graph/select.ts";
import type { Step } from "../step.ts";
import { checkOutputNames } from "./output_names.ts";
import { checkSteps } from "./check_step.ts";

/** One step of the graph: a definition, or one of the many that it became. */
export interface PlannedStep extends PlanInput {
  /** What the definition says. */
  readonly definition: Step;
  /** Variables that tell it from others of the same definition. */
  readonly variables: Readonly<Record<string, string>>;
  /** Whether the definition became a list of steps. */
  readonly isOneOfMany: boolean;
  /** Whether there is nothing to do: the list of items is empty. */
  readonly isEmpty: boolean;
}

/** The steps of a job and which of them are to run. */
export interface JobPlan extends Plan<PlannedStep> {
  /** For each step, whether it is to run. */
  readonly isSelected: readonly boolean[];
}

/**
 * Plans the steps of a job; nothing runs yet.
 *
 * @param steps Definitions.
 * @param selection Which of them are wished.
 * @returns The graph.
 * @throws {RunnerError} `invalid-job` for steps that form no graph;
 * `invalid-config` for a selected step that does not exist.
 */
export function planJob(
  steps: readonly Step[],
  selection: Selection,
): JobPlan {
  if (steps.length === 0) {
    throw new RunnerError("Cannot run the job: it has no steps", {
      code: "invalid-job",
    });
  }
  checkSteps(steps);
  const plan = planSteps(steps.flatMap(plannedSteps));
  checkOutputNames(plan);
  return { ...plan, isSelected: selectSteps(plan, selection) };
}

function plannedSteps(definition: Step): PlannedStep[] {
  const { name, dependsOn = [], forEach, matrix, condition } = definition;
  const shared = {
    group: name,
    dependsOn,
    definition: typeof condition === "string"
      ? { ...definition, condition: parseCondition(condition) }
      : definition,
  };
  const expansions = expand(definition);
  if (expansions.length === 0) {
    return [{
      ...shared,
      name,
      variables: {},
      isOneOfMany: true,
      isEmpty: true,
    }];
  }
  return expansions.map((expansion) => ({
    ...shared,
    ...expansion,
    isOneOfMany: forEach !== undefined || matrix !== undefined,
    isEmpty: false,
  }));
}
