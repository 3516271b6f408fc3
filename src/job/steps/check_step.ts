import { MAX_DURATION_MS } from "../../config/duration.ts";
import { VARIABLE_NAME } from "../../config/job_env.ts";
import { stepNameProblem } from "../../config/step_name.ts";
import { RunnerError } from "../../errors.ts";
import { CONDITION_WORDS, parseCondition } from "../../schema/condition.ts";
import type { Step } from "../step.ts";

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
