import type { MatrixConfig } from "../config/step_config.ts";
import { RunnerError } from "../errors.ts";

/** Most steps that one definition becomes. */
const MOST_STEPS = 1_024;

/** What makes one definition several steps. */
export interface ExpandInput {
  /** Name of the definition. */
  readonly name: string;
  /** Items, each for one step. */
  readonly forEach?: readonly string[];
  /** Variable that holds the item. */
  readonly itemVar?: string;
  /** Values that are combined. */
  readonly matrix?: MatrixConfig;
}

/** One of the steps that a definition becomes. */
export interface Expansion {
  /** Name of the step. */
  readonly name: string;
  /** Variables that tell it from the others. */
  readonly variables: Readonly<Record<string, string>>;
}

/**
 * Finds the steps that a definition becomes: one for each item, named
 * `test[0]` as the coordinator names jobs, or one for each combination of
 * values, named `test (linux, 22)`.
 *
 * @param definition The definition.
 * @returns The steps; one without variables, if nothing is to be expanded, and
 * none, if there is no item or no combination.
 * @throws {RunnerError} `invalid-job`, if there are too many, or two kinds.
 */
export function expand(definition: ExpandInput): Expansion[] {
  const { name, forEach, itemVar = "ITEM", matrix } = definition;
  if (forEach !== undefined && matrix !== undefined) {
    throw invalid(name, "has items and a matrix; give one of them");
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

/** The product of all axes, less what is left out, plus what is added. */
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
    !exclude.some((values) => agrees(combination, values))
  );
  const original = combinations.map((combination) => ({ ...combination }));
  for (const values of include) {
    const onAxes = Object.fromEntries(
      Object.entries(values).filter(([axis]) => Object.hasOwn(axes, axis)),
    );
    const matches = combinations.filter((_, index) =>
      index < original.length && agrees(original[index], onAxes)
    );
    for (const combination of matches) Object.assign(combination, values);
    if (matches.length === 0) combinations.push({ ...values });
  }
  return combinations;
}

function agrees(
  combination: Readonly<Record<string, string>>,
  values: Readonly<Record<string, string>>,
): boolean {
  return Object.entries(values).every(([axis, value]) =>
    combination[axis] === value
  );
}

function checkCount(name: string, count: number): void {
  if (count <= MOST_STEPS) return;
  throw invalid(name, `becomes ${count} steps; ${MOST_STEPS} are allowed`);
}

function invalid(name: string, problem: string): RunnerError {
  return new RunnerError(
    `Cannot run the job's steps: step "${name}" ${problem}`,
    {
      code: "invalid-job",
    },
  );
}
