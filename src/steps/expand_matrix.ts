import type { MatrixConfig } from "../config/step_config.ts";
import { RunnerError } from "../errors.ts";
import { parseCondition } from "../schema/scalars.ts";
import type { Step } from "./step.ts";
import type { PlanInput } from "./step_graph.ts";

/** Maximum number of steps that one definition expands to. */
const MAX_STEPS = 1_024;

/** A step of the graph: a definition, or one of its expansions. */
export interface PlannedStep extends PlanInput {
  /** The definition. */
  readonly definition: Step;
  /** Variables of this item or combination. */
  readonly variables: Readonly<Record<string, string>>;
  /** Whether the definition has `forEach` or a matrix. */
  readonly isOneOfMany: boolean;
  /** Whether the definition expands to no steps; nothing runs. */
  readonly isEmpty: boolean;
}

/** Parts of a definition that determine its expansion. */
export interface ExpandInput {
  /** Name of the definition. */
  readonly name: string;
  /** Items; each becomes a step. */
  readonly forEach?: readonly string[];
  /** Variable that contains the item. */
  readonly itemVar?: string;
  /** Values to combine; each combination becomes a step. */
  readonly matrix?: MatrixConfig;
}

/** One step of an expanded definition. */
export interface Expansion {
  /** Name of the step. */
  readonly name: string;
  /** Variables of this item or combination. */
  readonly variables: Readonly<Record<string, string>>;
}

/**
 * Expands a definition into one step per item or per combination of values.
 *
 * Steps of items are named `test[0]`, as the coordinator names jobs; steps of a
 * matrix are named `test (linux, 22)`.
 *
 * @returns Names and variables of the steps: a single step without variables if
 * the definition has neither items nor a matrix, none if the list of items or
 * combinations is empty.
 * @throws {RunnerError} `invalid-job` if there are more than 1,024 steps, or
 * both items and a matrix.
 */
export function expand(definition: ExpandInput): Expansion[] {
  const { name, forEach, itemVar = "ITEM", matrix } = definition;
  if (forEach !== undefined && matrix !== undefined) {
    throw invalidStep(name, "has items and a matrix; use only one of them");
  }
  if (forEach !== undefined) {
    checkCount(name, forEach.length);
    return forEach.map((item, index) => ({
      name: `${name}[${index}]`,
      variables: { [itemVar]: item },
    }));
  }
  if (matrix === undefined) return [{ name, variables: {} }];
  const combinations = combine(name, matrix);
  checkCount(name, combinations.length);
  return combinations.map((variables) => ({
    name: `${name} (${Object.values(variables).join(", ")})`,
    variables,
  }));
}

/**
 * Expands a definition into the steps of the graph.
 *
 * @returns Its steps; a single empty one if there are no items or combinations.
 * @throws {RunnerError} `invalid-job`, as {@linkcode expand} does.
 */
export function expandDefinition(definition: Step): PlannedStep[] {
  const { name, dependsOn = [], forEach, matrix, condition } = definition;
  const shared = {
    group: name,
    dependsOn,
    isService: definition.service === true,
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

/**
 * Checks whether a step runs alongside the others, which do not wait for it to
 * end: a service or a background step.
 */
export function runsAlongside({ definition }: PlannedStep): boolean {
  return definition.service === true || definition.background === true;
}

/** Multiplies the axes, removes exclusions and adds inclusions. */
function combine(
  name: string,
  { axes, include = [], exclude = [] }: MatrixConfig,
): Record<string, string>[] {
  const lists = Object.entries(axes);
  checkCount(name, lists.reduce((count, [, { length }]) => count * length, 1));
  let combinations: Record<string, string>[] = lists.length > 0 ? [{}] : [];
  for (const [axis, values] of lists) {
    combinations = combinations.flatMap((known) =>
      [...new Set(values)].map((value) => ({ ...known, [axis]: value }))
    );
  }
  combinations = combinations.filter((combination) =>
    !exclude.some((values) => isMatch(combination, values))
  );
  const original = combinations.map((combination) => ({ ...combination }));
  for (const values of include) {
    const onAxes = Object.fromEntries(
      Object.entries(values).filter(([axis]) => Object.hasOwn(axes, axis)),
    );
    const matches = combinations.filter((_, index) =>
      index < original.length && isMatch(original[index], onAxes)
    );
    for (const combination of matches) Object.assign(combination, values);
    if (matches.length === 0) combinations.push({ ...values });
  }
  return combinations;
}

function isMatch(
  combination: Readonly<Record<string, string>>,
  values: Readonly<Record<string, string>>,
): boolean {
  return Object.entries(values).every(([axis, value]) =>
    combination[axis] === value
  );
}

function checkCount(name: string, count: number): void {
  if (count <= MAX_STEPS) return;
  throw invalidStep(name, `becomes ${count} steps; ${MAX_STEPS} are allowed`);
}

function invalidStep(name: string, problem: string): RunnerError {
  return new RunnerError(
    `Cannot run the job's steps: step "${name}" ${problem}`,
    {
      code: "invalid-job",
    },
  );
}
