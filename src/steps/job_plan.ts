import { MAX_DURATION_MS } from "../config/duration.ts";
import { VARIABLE_NAME } from "../config/job_env.ts";
import { stepNameProblem } from "../config/step_name.ts";
import { RunnerError } from "../errors.ts";
import type { Step } from "./step.ts";
import { checkOutputNames } from "./outputs.ts";
import { CONDITION_WORDS, parseCondition } from "../schema/condition.ts";
import { expand } from "./expand.ts";
import {
  type Plan,
  type PlanInput,
  planSteps,
  type Selection,
  selectSteps,
} from "./graph.ts";

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

/**
 * Judges definitions that came from a pipeline script, which no type may have
 * checked.
 *
 * @param steps Definitions.
 * @throws {RunnerError} `invalid-job`, with every problem.
 */
export function checkSteps(steps: readonly Step[]): void {
  const problems = steps.flatMap((step) =>
    [...problemsOf(step)].map((problem) => `  step "${step.name}": ${problem}`)
  );
  if (problems.length === 0) return;
  throw new RunnerError(
    `Cannot run the job's steps:\n${problems.join("\n")}`,
    { code: "invalid-job" },
  );
}

function* problemsOf(step: Step): Generator<string> {
  const { name, run, condition, timeoutMs, retry, matrix, itemVar } = step;
  const problem = stepNameProblem(String(name));
  if (problem) yield `its name ${problem}`;
  if (typeof run !== "function" && !isCommand(run)) {
    yield "runs neither text, nor a list of words, nor a function";
  }
  const isKnown = condition === undefined || typeof condition === "function" ||
    parseCondition(condition) !== undefined;
  if (!isKnown) {
    yield `its condition must be ${CONDITION_WORDS}, or a function`;
  }
  if (
    timeoutMs !== undefined && !(timeoutMs > 0 && timeoutMs <= MAX_DURATION_MS)
  ) {
    yield `timeoutMs must be from 1 to ${MAX_DURATION_MS} (100 years)`;
  }
  if (retry && !(Number.isInteger(retry.attempts) && retry.attempts > 0)) {
    yield "retry.attempts must be a whole number from 1";
  }
  for (const variable of [...Object.keys(matrix?.axes ?? {}), itemVar ?? "I"]) {
    if (!VARIABLE_NAME.test(variable)) {
      yield `"${variable}" is no name of a variable`;
    }
  }
}

function isCommand(run: unknown): boolean {
  if (typeof run === "string") return run.trim() !== "";
  return Array.isArray(run) && run.length > 0 && run[0] !== "" &&
    run.every((word) => typeof word === "string");
}
