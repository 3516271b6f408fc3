import {
  cacheUseProblems,
  stepCacheProblems,
} from "../config/step_cache_config.ts";
import {
  GROUP_NAME,
  MAX_GROUP_LIMIT,
  permissionsProblems,
  PORT_NAME,
  serviceGraphProblems,
  type SettingProblem,
  settingProblems,
  stepNameProblem,
} from "../config/step_config.ts";
import { VARIABLE_NAME } from "../environment/variables.ts";
import { RunnerError } from "../errors.ts";
import { MAX_DURATION_MS } from "../schema/duration.ts";
import { CONDITION_WORDS, parseCondition } from "../schema/scalars.ts";
import { whenProblem } from "../schema/when.ts";
import { expandDefinition, type PlannedStep } from "./expand_matrix.ts";
import { checkOutputNames } from "./outputs.ts";
import type { Step } from "./step.ts";
import {
  buildGraph,
  type Plan,
  type Selection,
  selectSteps,
} from "./step_graph.ts";

/** Graph of a job and the selection of steps to run. */
export interface JobPlan extends Plan<PlannedStep> {
  /** For each step, whether it runs. */
  readonly isSelected: readonly boolean[];
}

/**
 * Plans the steps of a job without running them.
 *
 * @throws {RunnerError} `invalid-job` for invalid definitions, cycles and
 * unknown dependencies; `invalid-config` if a selected step does not exist.
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
  const plan = buildGraph(steps.flatMap(expandDefinition));
  checkOutputNames(plan);
  return { ...plan, isSelected: selectSteps(plan, selection) };
}

/**
 * Validates step definitions; a pipeline script may run without type checking.
 *
 * @throws {RunnerError} `invalid-job` with all problems.
 */
export function checkSteps(steps: readonly Step[]): void {
  const relations = [...serviceGraphProblems(steps)];
  const problems = steps.flatMap((step, index) =>
    [
      ...findProblems(step),
      ...relations.filter(({ step }) => step === index).map(formatProblem),
    ].map((problem) => `  step "${step.name}": ${problem}`)
  );
  if (problems.length === 0) return;
  throw new RunnerError(
    `Cannot run the job's steps:\n${problems.join("\n")}`,
    { code: "invalid-job" },
  );
}

function* findProblems(step: Step): Generator<string> {
  const { name, run, condition, timeoutMs, retry, matrix, itemVar } = step;
  const { maxParallel } = step;
  const problem = stepNameProblem(String(name));
  if (problem) yield `its name ${problem}`;
  if (typeof run !== "function" && !isCommand(run)) {
    yield "must run a string, a list of strings or a function";
  }
  const isKnown = condition === undefined || typeof condition === "function" ||
    parseCondition(condition) !== undefined;
  if (!isKnown) {
    yield `its condition must be ${CONDITION_WORDS}, or a function`;
  }
  const inWhen = step.when === undefined ? undefined : whenProblem(step.when);
  if (inWhen !== undefined) yield `its when ${inWhen}`;
  if (
    timeoutMs !== undefined && !(timeoutMs > 0 && timeoutMs <= MAX_DURATION_MS)
  ) {
    yield `timeoutMs must be from 1 to ${MAX_DURATION_MS} (100 years)`;
  }
  if (
    maxParallel !== undefined &&
    !(Number.isInteger(maxParallel) && maxParallel > 0)
  ) {
    yield "maxParallel must be a whole number from 1";
  }
  if (retry && !(Number.isInteger(retry.attempts) && retry.attempts > 0)) {
    yield "retry.attempts must be a whole number from 1";
  }
  const { permissions, inheritEnv } = step;
  if (permissions !== undefined) yield* permissionsProblems(permissions);
  if (permissions?.env !== undefined && inheritEnv !== undefined) {
    yield "has both inheritEnv and permissions.env; use only one of them";
  }
  for (const variable of [...Object.keys(matrix?.axes ?? {}), itemVar ?? "I"]) {
    if (!VARIABLE_NAME.test(variable)) {
      yield `"${variable}" is not a valid variable name`;
    }
  }
  yield* [...settingProblems(step)].map(formatProblem);
  if (step.cache !== undefined) {
    yield* stepCacheProblems(step.cache);
    if (typeof run === "function") {
      yield "cache is only for steps that run a command, not a function";
    }
  }
  yield* cacheUseProblems(step.usesCache ?? []);
  yield* findServiceProblems(step);
  const { group, limit = 1 } = step.concurrency ?? { group: "x" };
  if (!GROUP_NAME.test(group)) {
    yield `concurrency: "${group}" is not a valid name of a group`;
  }
  if (!(Number.isInteger(limit) && limit >= 1 && limit <= MAX_GROUP_LIMIT)) {
    yield `concurrency.limit must be a whole number from 1 to ${MAX_GROUP_LIMIT}`;
  }
}

/**
 * Checks steps of scripts for problems that the schema of job files rules out.
 */
function* findServiceProblems(
  { service, run, ports = [], ready }: Step,
): Generator<string> {
  if (service && typeof run === "function") {
    yield "a service must run a command, not a function";
  }
  for (const port of ports) {
    if (!PORT_NAME.test(port)) yield `ports: "${port}" is not a valid name`;
  }
  const { port, http, timeoutMs = 1, intervalMs = 1 } = ready ?? {};
  if (typeof port === "number" && !(port >= 1 && port <= 65_535)) {
    yield "ready.port must be from 1 to 65535";
  }
  if (http !== undefined && !/^(?:http:\/\/|\/(?!\/))/.test(http)) {
    yield 'ready.http must start with "http://" or "/"';
  }
  if (![timeoutMs, intervalMs].every((ms) => ms > 0 && ms <= MAX_DURATION_MS)) {
    yield `ready.timeoutMs and ready.intervalMs must be from 1 to ${MAX_DURATION_MS}`;
  }
}

function formatProblem({ property, problem }: SettingProblem): string {
  return `${property} ${problem}`;
}

function isCommand(run: unknown): boolean {
  if (typeof run === "string") return run.trim() !== "";
  return Array.isArray(run) && run.length > 0 && run[0] !== "" &&
    run.every((word) => typeof word === "string");
}
